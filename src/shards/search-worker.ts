/** Worker of the wasm engine: the core's own search, in slices, so that a deadline is looked at between them. */
import { workerData } from 'node:worker_threads';
import type { Shard } from '../core/shard.ts';
import type { ShardQuery, WorkerStart } from './protocol.ts';
import { type Found, type Searcher, serveSearches } from './serve.ts';

/** Distances between two looks at the clock: 0.2 ms or so. */
const SLICE = 4096;
const UNBOUNDED = 0x7fffffff;

class CoreSearcher implements Searcher {
  readonly #shard: Shard;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  search(query: ShardQuery, k: number, isLate: () => boolean): Found {
    const shard = this.#shard;
    if (isLate()) return { ordinals: [], distances: [], ef: 0, complete: false };
    const budget = query.deadlineAtMs === Number.POSITIVE_INFINITY ? UNBOUNDED : SLICE;
    let done = shard.search(query.vector, k, query.ef, query.exact, query.program, budget);
    while (!done && !isLate()) done = shard.resume(budget);
    const n = shard.hits();
    const ordinals = new Array<number>(n);
    const distances = new Array<number>(n);
    for (let i = 0; i < n; i++) {
      ordinals[i] = shard.hitOrdinal(i);
      distances[i] = shard.hitDistance(i);
    }
    const found = { ordinals, distances, ef: shard.ef, complete: done };
    return query.explain ? { ...found, stats: shard.stats() } : found;
  }
}

export default serveSearches(workerData as WorkerStart, (shard) => new CoreSearcher(shard));
