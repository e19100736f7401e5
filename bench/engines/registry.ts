/** The engines by name. Their packages are loaded when they are asked for, so that none needs to be installed. */
import { errorAt } from '../../src/lib/errors.ts';
import type { BenchEngine } from './adapter.ts';

const ENGINES: Readonly<Record<string, () => Promise<BenchEngine>>> = {
  wasm: async () => (await import('./wasm.ts')).openWasm(null),
  'wasm-i8': async () => (await import('./wasm.ts')).openWasm('i8'),
  'wasm-f32': async () => (await import('./wasm.ts')).openWasm('f32'),
  hnswlib: async () => (await import('./hnswlib.ts')).openHnswlib(),
  'hnswlib-native': async () => (await import('./hnswlib.ts')).openHnswlibNative(),
  'usearch-f32': async () => (await import('./usearch.ts')).openUsearch('f32'),
  'usearch-f16': async () => (await import('./usearch.ts')).openUsearch('f16'),
  'usearch-i8': async () => (await import('./usearch.ts')).openUsearch('i8'),
  'usearch-i8-rescored': async () => (await import('./usearch.ts')).openUsearch('i8', true),
  'hnswlib-wasm': async () => (await import('./hnswlib-wasm.ts')).openHnswlibWasm(),
  lancedb: async () => (await import('./lancedb.ts')).openLanceDb(),
  faiss: async () => (await import('./faiss.ts')).openFaiss(),
  exact: async () => (await import('./exact.ts')).openExact(),
};

export const BENCH_ENGINES: readonly string[] = Object.keys(ENGINES);

/**
 * Throws bad_request for an unknown name, and engine_unavailable, saying how to get it, where the engine's package is
 * not installed.
 */
export async function openBenchEngine(name: string): Promise<BenchEngine> {
  const open = Object.hasOwn(ENGINES, name) ? ENGINES[name] : undefined;
  if (open === undefined) {
    throw errorAt('bad_request', 'engines', `there is no ${name}, only ${BENCH_ENGINES.join(', ')}`);
  }
  return open();
}
