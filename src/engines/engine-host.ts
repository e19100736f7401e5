/** What the indexes of a process share: the core, the threads that search, those that write, the log's, the checkpoints'. */
import { availableParallelism } from 'node:os';
import { wasm } from '../core/webassembly.ts';
import { Checkpoints } from '../shards/checkpoint.ts';
import { LogThread } from '../shards/log-thread.ts';
import { SearchPool } from '../shards/pool.ts';
import { Writers } from '../shards/writers.ts';
import { readCoreBinary } from '../storage/core-binary.ts';
import type { EngineName } from './engine.ts';
import { loadHnswlib } from './hnswlib-library.ts';

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
  readonly writers: Writers;
  readonly logs: LogThread;
  readonly checkpoints: Checkpoints;
  readonly name: EngineName;
  /** Bytes of memory that an index may still take. */
  readonly availableBytes: () => number;
  /** Ends the threads. The indexes are to be closed before. */
  close(): Promise<void>;
}

/**
 * Starts the threads of an engine; all indexes of a process can share them. Close the host in the end.
 * Throws engine_unavailable, or limit_exceeded at `workers`.
 */
export function createEngineHost(
  name: EngineName,
  workers: number,
  availableBytes: () => number = () => process.availableMemory(),
): EngineHost {
  if (name === 'hnswlib') loadHnswlib();
  const module = new wasm.Module(readCoreBinary());
  const pool = new SearchPool({ workerFile: WORKERS[name], module, workers });
  const writers = new Writers(module, availableParallelism());
  const logs = new LogThread();
  const checkpoints = new Checkpoints(module);
  const close = async () => {
    await Promise.all([pool.close(), writers.close(), logs.close(), checkpoints.close()]);
  };
  return { module, name, pool, writers, logs, checkpoints, availableBytes, close };
}
