/** Opens a generation with the engine of a name. */
import { join } from 'node:path';
import { wasm } from '../core/webassembly.ts';
import type { Manifest } from '../index/manifest.ts';
import { SearchPool } from '../shards/pool.ts';
import { ShardSet } from '../shards/shard-set.ts';
import { readCoreBinary } from '../storage/core-binary.ts';
import { currentGeneration, readManifest } from '../storage/generation.ts';
import { openPinStore } from '../storage/pin-store.ts';
import type { Engine, EngineName } from './engine.ts';
import { ShardEngine } from './shard-engine.ts';

/** The worker that searches, for each engine. */
const WORKERS: Readonly<Record<EngineName, URL>> = {
  wasm: new URL('../shards/search-worker.js', import.meta.url),
  hnswlib: new URL('./hnswlib-worker.js', import.meta.url),
  exact: new URL('./exact-worker.js', import.meta.url),
};

export const ENGINE_NAMES = Object.keys(WORKERS) as EngineName[];

export interface EngineHost {
  readonly module: InstanceType<typeof wasm.Module>;
  readonly pool: SearchPool;
  readonly name: EngineName;
}

/** Starts the threads of an engine; all indexes of a process can share them. Close the pool in the end. */
export function createEngineHost(name: EngineName, workers: number): EngineHost {
  const module = new wasm.Module(readCoreBinary());
  return { module, name, pool: new SearchPool({ workerFile: WORKERS[name], module, workers }) };
}

export interface OpenedIndex {
  readonly engine: Engine;
  readonly manifest: Manifest;
}

/**
 * Opens the current generation of an index's directory.
 * Throws unknown_index, missing_file, corrupt_file, unsupported_version, shard_full; nothing stays open then.
 */
export async function openEngine(indexDir: string, host: EngineHost): Promise<OpenedIndex> {
  const generation = await currentGeneration(indexDir);
  const dir = join(indexDir, generation);
  const manifest = await readManifest(dir);
  const pins = await openPinStore(join(dir, manifest.pins.dir), manifest.pins);
  try {
    const shards = ShardSet.load(dir, manifest, host);
    return { engine: new ShardEngine({ name: host.name, manifest, shards, pins }), manifest };
  } catch (error) {
    await pins.close();
    throw error;
  }
}
