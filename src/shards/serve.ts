/**
 * What every search worker does, whatever it searches with: takes a scratch slot, attaches to shard sets as they come
 * up, runs the jobs of a task one after the other, and answers each job on its own. An engine's worker file brings
 * only its Searcher.
 *
 * A fault of the core spoils the instance that faulted and nothing else: it is dropped, its job answered with
 * `core_trap`, and the next job on that shard gets a fresh instance.
 */
import { BroadcastChannel, threadId } from 'node:worker_threads';
import { LAYOUT } from '../core/layout.ts';
import { Shard } from '../core/shard.ts';
import type { WasmMemory } from '../core/webassembly.ts';
import { NearpinError, toErrorRecord } from '../lib/errors.ts';
import { collectGarbage, letGo } from './collect-garbage.ts';
import {
  bytesOf,
  monotonicMs,
  type SearchResult,
  type SearchTask,
  type ShardFailure,
  type ShardHits,
  type ShardQuery,
  type WorkerStart,
} from './protocol.ts';

/** After this long with a new set, a thread collects what starting and attaching left behind: some 3 MB. */
const SETTLED_AFTER_MS = 1000;

/** Hits by ordinal; the ids are read before `shard.leave` lets their slots go. */
export interface Found {
  readonly ordinals: readonly number[];
  readonly distances: readonly number[];
  readonly ef: number;
  readonly complete: boolean;
}

/** Searches one shard; kept as long as the worker is attached to it. */
export interface Searcher {
  /** `isLate` says whether the query's deadline has passed; a search that finds it so ends with what it has. */
  search(query: ShardQuery, isLate: () => boolean): Found;
}

/** Makes the Searcher of a shard, at its first use. */
export type MakeSearcher = (shard: Shard) => Searcher;

interface Attached {
  readonly shard: Shard;
  readonly searcher: Searcher;
}

function takeSlot(slots: Int32Array): number {
  for (let i = 0; i < slots.length; i++) {
    if (Atomics.compareExchange(slots, i, 0, threadId) === 0) return i + 1;
  }
  throw new NearpinError('internal', 'there is no free scratch slot for this worker');
}

/**
 * Searches for one hit more than wanted, and for ever more while the last ones tie: searchers break ties by ordinal,
 * answers by id, so all that tie with the last hit must be known to choose among them.
 */
function searchPastTies(searcher: Searcher, query: ShardQuery, isLate: () => boolean): Found {
  let found: Found | undefined;
  for (let k = query.k + 1; ; k *= 2) {
    const wider = searcher.search({ ...query, k: Math.min(k, LAYOUT.NP_K_MAX) }, isLate);
    // Late in a second search: the hits of the first are the nearest, only not chosen by id
    if (found && !wider.complete) return found;
    found = wider;
    const { distances } = found;
    const isCutInTie = distances.length >= k && distances[k - 1] === distances[query.k - 1];
    if (!isCutInTie || !found.complete) return found;
  }
}

/** The k nearest of what was found, ties by id. */
function readHits(shard: Shard, { ordinals, distances, ef, complete }: Found, query: ShardQuery): ShardHits {
  const hits = ordinals.map((ordinal, i) => ({ ordinal, id: shard.id(ordinal), distance: distances[i]! }));
  hits.sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1));
  hits.length = Math.min(hits.length, query.k);
  return {
    ids: hits.map(({ id }) => id),
    ordinals: hits.map(({ ordinal }) => ordinal),
    distances: hits.map(({ distance }) => distance),
    ...(query.withVectors && { vectors: hits.map(({ ordinal }) => shard.vector(ordinal)) }),
    ef,
    complete,
  };
}

/** What a failed search is answered with. A shard that was damaged in memory can also make reads of it throw. */
function failureOf(error: unknown): ShardFailure {
  const isFault = error instanceof RangeError;
  return {
    error: toErrorRecord(isFault ? new NearpinError('core_trap', `the shard: ${error.message}`) : error),
  };
}

/** The task handler of a worker; call once at start. */
export function serveSearches(
  start: WorkerStart,
  makeSearcher: MakeSearcher,
): (task: SearchTask) => SearchResult {
  const slot = takeSlot(start.slots);
  const sets = new Map<string, { memories: readonly WasmMemory[]; attached: (Attached | undefined)[] }>();
  const forget = new BroadcastChannel(start.forgetChannel);
  forget.onmessage = (event: unknown) => {
    const { data: name } = event as { data: string };
    const bytes = bytesOf(sets.get(name)?.memories ?? []);
    sets.delete(name);
    void letGo(bytes);
  };
  (forget as unknown as { unref(): void }).unref();

  const attach = (set: string, number: number): Attached => {
    const { memories, attached } = sets.get(set)!;
    const known = attached[number];
    if (known) return known;
    const shard = new Shard(start.module, memories[number]!, slot);
    const fresh = { shard, searcher: makeSearcher(shard) };
    attached[number] = fresh;
    return fresh;
  };

  const run = (set: string, query: ShardQuery, number: number): ShardHits | ShardFailure => {
    const isLate = () => monotonicMs() + start.clockOffsetMs >= query.deadlineAtMs;
    try {
      const { shard, searcher } = attach(set, number);
      try {
        return readHits(shard, searchPastTies(searcher, query, isLate), query);
      } finally {
        shard.leave();
      }
    } catch (error) {
      sets.get(set)!.attached[number] = undefined;
      return failureOf(error);
    }
  };

  return (task) => {
    if (!sets.has(task.set)) {
      if (!task.memories) return 'unknown_set';
      sets.set(task.set, { memories: task.memories, attached: [] });
      setTimeout(() => void collectGarbage(), SETTLED_AFTER_MS).unref();
    }
    return task.jobs.map(([query, number]) => run(task.set, task.queries[query]!, number));
  };
}
