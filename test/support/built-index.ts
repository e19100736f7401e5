/** Indexes built in this process, and the engines that open them. */
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type BuildOptions, type BuildReport, buildIndex } from '../../src/build/build-index.ts';
import { wasm } from '../../src/core/webassembly.ts';
import type { EngineName } from '../../src/engines/engine.ts';
import type { IndexConfigInput } from '../../src/index/config.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';
import { type TestPin, TYPES } from './clustered-pins.ts';

export const CORE = new wasm.Module(readCoreBinary());

/** What a build needs that a test does not care about. */
export function buildOptions(
  files: readonly string[],
  indexDir: string,
  more: Partial<BuildOptions> = {},
): BuildOptions {
  return {
    files,
    stdin: Readable.from([]),
    indexDir,
    config: { metric: 'cosine' },
    shards: 1,
    defaultModel: () => Promise.reject(new Error('there are no texts')),
    skipBad: false,
    onBad: () => {},
    onProgress: () => {},
    module: CORE,
    threads: 2,
    ...more,
  };
}

export type BuildConfig = Omit<Partial<IndexConfigInput>, 'dim' | 'model' | 'shards'>;

/** Builds `dir/name` of pins with the attributes of TYPES; resolves to that directory. */
export async function buildPins(
  dir: string,
  name: string,
  pins: readonly TestPin[],
  config: BuildConfig,
  shards: number,
): Promise<{ readonly indexDir: string; readonly report: BuildReport }> {
  const file = join(dir, `${name}.jsonl`);
  await writeFile(file, pins.map((pin) => JSON.stringify(pin)).join('\n'));
  const indexDir = join(dir, name);
  const report = await buildIndex(
    buildOptions([file], indexDir, {
      config: { metric: 'cosine', attributes: TYPES, ...config },
      shards,
    }),
  );
  return { indexDir, report };
}

/** Writes vectors as a file of `.fvecs`. */
export async function writeFvecs(file: string, vectors: readonly Float32Array[]): Promise<void> {
  const dim = Buffer.alloc(4);
  const parts: Uint8Array[] = [];
  for (const vector of vectors) {
    dim.writeInt32LE(vector.length);
    parts.push(Buffer.from(dim), new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
  }
  await writeFile(file, Buffer.concat(parts));
}

/** Why an engine cannot be tested here; undefined when it can. */
export function unavailable(name: EngineName): string | undefined {
  if (name !== 'hnswlib') return undefined;
  try {
    createRequire(import.meta.url).resolve('hnswlib-node');
    return undefined;
  } catch {
    return 'hnswlib-node is not installed';
  }
}
