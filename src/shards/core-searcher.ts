/** Searches by the core, in slices, so that a deadline is looked at between them. */
import { LAYOUT } from '../core/layout.ts';
import type { Shard } from '../core/shard.ts';
import { monotonicMs, type ShardQuery } from './protocol.ts';
import type { Found, Searcher } from './task-runner.ts';

/** Distances between two looks at the clock: 0.2 ms or so. */
const SLICE = 4096;
const UNBOUNDED = 0x7fffffff;
/**
 * One search of so many stops between its stages, to look at the clock: to go on costs the query's code once more each
 * time, some 2 us, which all others are spared.
 */
const SEARCHES_PER_TIMED = 16;

export class CoreSearcher implements Searcher {
  readonly #shard: Shard;
  #searches = 0;
  /** Of the last search; NaN when it was not timed. */
  #filterMs = Number.NaN;
  #rescoreMs = Number.NaN;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  search(query: ShardQuery, k: number, isLate: () => boolean): Found {
    const shard = this.#shard;
    if (isLate()) return { ordinals: [], distances: [], ef: 0, complete: false };
    const budget = query.deadlineAtMs === Number.POSITIVE_INFINITY ? UNBOUNDED : SLICE;
    const timed = this.#searches++ % SEARCHES_PER_TIMED === SEARCHES_PER_TIMED - 1;
    const first = timed ? 0 : budget;
    let done = shard.search(query.vector, k, query.ef, query.exact, query.program, first, timed);
    if (timed) {
      done = this.#resumeTimed(budget, isLate);
    } else {
      this.#filterMs = this.#rescoreMs = Number.NaN;
      while (!done && !isLate()) done = shard.resume(budget);
    }
    const n = shard.hits();
    const ordinals = new Array<number>(n);
    const distances = new Array<number>(n);
    for (let i = 0; i < n; i++) {
      ordinals[i] = shard.hitOrdinal(i);
      distances[i] = shard.hitDistance(i);
    }
    const cost = {
      plan: shard.plan,
      compared: shard.compared,
      visited: shard.visited,
      filterMs: this.#filterMs,
      rescoreMs: this.#rescoreMs,
    };
    const found = { ordinals, distances, ef: shard.ef, complete: done, cost };
    return query.explain ? { ...found, stats: shard.stats() } : found;
  }

  /** Goes on with a search to its end, stage by stage. */
  #resumeTimed(budget: number, isLate: () => boolean): boolean {
    const shard = this.#shard;
    this.#filterMs = this.#rescoreMs = 0;
    let done: boolean;
    let sinceMs = monotonicMs();
    do {
      const { stage } = shard;
      done = shard.resume(budget);
      const nowMs = monotonicMs();
      if (stage === LAYOUT.NP_STAGE_FILTER) this.#filterMs += nowMs - sinceMs;
      if (stage === LAYOUT.NP_STAGE_RESCORE) this.#rescoreMs += nowMs - sinceMs;
      sinceMs = nowMs;
    } while (!done && !isLate());
    return done;
  }
}
