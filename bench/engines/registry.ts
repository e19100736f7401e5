/** The engines by name. Their packages are loaded when they are asked for, so that none needs to be installed. */
import { errorAt } from '../../src/lib/errors.ts';
import type { BenchEngine } from './adapter.ts';

const ENGINES: Readonly<Record<string, () => Promise<BenchEngine>>> = {
  wasm: async () => (await import('./wasm.ts')).openWasm('i8+f32'),
  'wasm-i8': async () => (await import('./wasm.ts')).openWasm('i8'),
  'wasm-f32': async () => (await import('./wasm.ts')).openWasm('f32'),
  hnswlib: async () => (await import('./hnswlib.ts')).openHnswlib(),
  exact: async () => (await import('./exact.ts')).openExact(),
};

export const ENGINE_NAMES: readonly string[] = Object.keys(ENGINES);

/** Throws engine_unavailable, saying how to get it, where the engine's package is not installed. */
export async function openBenchEngine(name: string): Promise<BenchEngine> {
  const open = Object.hasOwn(ENGINES, name) ? ENGINES[name] : undefined;
  if (open === undefined) {
    throw errorAt('bad_request', 'engines', `there is no ${name}, only ${ENGINE_NAMES.join(', ')}`);
  }
  return open();
}
