/** Opens a generation with the engine of a name. */
import { join } from 'node:path';
import { wasm } from '../core/webassembly.ts';
import type { Manifest } from '../index/manifest.ts';
import { letGo } from '../shards/collect-garbage.ts';
import { SearchPool } from '../shards/pool.ts';
import { ShardSet } from '../shards/shard-set.ts';
import { readCoreBinary } from '../storage/core-binary.ts';
import { corruptFile } from '../storage/file-error.ts';
import { currentGeneration, readManifest } from '../storage/generation.ts';
import { openPinStore, type PinStore } from '../storage/pin-store.ts';
import type { Engine, EngineName } from './engine.ts';
import { loadHnswlib } from './hnswlib-library.ts';
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

/**
 * Starts the threads of an engine; all indexes of a process can share them. Close the pool in the end.
 * Throws engine_unavailable, or limit_exceeded at `workers`.
 */
export function createEngineHost(name: EngineName, workers: number): EngineHost {
  if (name === 'hnswlib') loadHnswlib();
  const module = new wasm.Module(readCoreBinary());
  return { module, name, pool: new SearchPool({ workerFile: WORKERS[name], module, workers }) };
}

export interface OpenedIndex {
  readonly engine: Engine;
  readonly manifest: Manifest;
}

/** Pins of each shard that are looked up in the pin store when an index is opened. */
const PINS_CHECKED = 16;

/**
 * Opens the current generation of an index's directory.
 * Throws unknown_index, missing_file, corrupt_file, unsupported_version, shard_full; nothing stays open then.
 */
export async function openEngine(indexDir: string, host: EngineHost): Promise<OpenedIndex> {
  const generation = await currentGeneration(indexDir);
  const dir = join(indexDir, generation);
  const manifest = await readManifest(dir);
  const pins = await openPinStore(join(dir, manifest.pins.dir), manifest.pins);
  let shards: ShardSet | undefined;
  try {
    shards = ShardSet.load(dir, manifest, host);
    checkPins(dir, manifest, shards, pins);
    return { engine: new ShardEngine({ name: host.name, manifest, shards, pins }), manifest };
  } catch (error) {
    if (shards) await shards.close();
    else await letGo(manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0));
    await pins.close();
    throw error;
  }
}

/** Each file is whole by now; this finds a manifest that puts files together which do not belong together. */
function checkPins(dir: string, manifest: Manifest, { shards }: ShardSet, pins: PinStore): void {
  for (const [s, shard] of shards.entries()) {
    const step = Math.max(1, Math.floor(shard.count / PINS_CHECKED));
    for (let ordinal = 0; ordinal < shard.count; ordinal += step) {
      if (!shard.isLive(ordinal)) continue;
      const stored = pins.get(shard.id(ordinal));
      if (stored?.shard !== s || stored.ordinal !== ordinal) {
        throw corruptFile(join(dir, manifest.shards[s]!.file), 'holds other pins than the pin store says');
      }
    }
  }
}
