/** What the indexes of a process share: the core, the threads that search, those that write, the log's, the checkpoints'. */
import { availableParallelism } from 'node:os';
import { Products } from '../core/products.ts';
import type { Shard } from '../core/shard.ts';
import { wasm } from '../core/webassembly.ts';
import { LIMITS } from '../lib/limits.ts';
import { Checkpoints } from '../shards/checkpoint.ts';
import { CoreSearcher } from '../shards/core-searcher.ts';
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

export interface EngineHost {
  readonly module: InstanceType<typeof wasm.Module>;
  readonly pool: SearchPool;
  /** One thread for searches that nobody waits for. */
  readonly background: SearchPool | undefined;
  /** CPU time that searches have taken so far, in all threads, in seconds. */
  readonly searchCpuS: () => number;
  readonly writers: Writers;
  readonly logs: LogThread;
  readonly checkpoints: Checkpoints;
  readonly products: Products;
  readonly name: EngineName;
  /** Bytes of memory that an index may still take. */
  readonly availableBytes: () => number;
  /** Ends the threads. The indexes are to be closed before. */
  close(): Promise<void>;
}

export interface HostOptions {
  readonly availableBytes?: () => number;
  /** Whether there is a thread for searches that nobody waits for. */
  readonly background?: boolean;
}

/**
 * Starts the threads of an engine; all indexes of a process can share them. Close the host in the end.
 * Throws engine_unavailable, or limit_exceeded at `workers`.
 */
export function createEngineHost(
  name: EngineName,
  workers: number,
  { availableBytes = () => process.availableMemory(), background: hasBackground = false }: HostOptions = {},
): EngineHost {
  if (name === 'hnswlib') loadHnswlib();
  const module = new wasm.Module(readCoreBinary());
  const workerFile = WORKERS[name];
  // With as many threads as there can be there is no slot left for it
  const background =
    hasBackground && workers + 1 < LIMITS.readersMax
      ? new SearchPool({ workerFile, module, workers: 1, firstSlot: workers + 1, isBackground: true })
      : undefined;
  // The others' searches take long, or an index of their own in each thread
  const alone = name === 'wasm' && {
    // After those of all threads
    slot: background?.readers ?? workers + 1,
    makeSearcher: (shard: Shard) => new CoreSearcher(shard),
  };
  const pool = new SearchPool({ workerFile, module, workers, ...(alone && { alone }) });
  const searchCpuS = () => pool.searchCpuS + (background?.searchCpuS ?? 0);
  const writers = new Writers(module, availableParallelism());
  const logs = new LogThread();
  const checkpoints = new Checkpoints(module);
  const products = new Products(module);
  const close = async () => {
    await Promise.all([
      pool.close(),
      background?.close(),
      writers.close(),
      logs.close(),
      checkpoints.close(),
    ]);
  };
  return {
    module,
    name,
    pool,
    background,
    searchCpuS,
    writers,
    logs,
    checkpoints,
    products,
    availableBytes,
    close,
  };
}
