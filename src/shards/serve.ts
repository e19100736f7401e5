/**
 * What every search worker does, whatever it searches with: takes a scratch slot, attaches to shard sets as they come
 * up, runs the jobs of a task one after the other, and answers each job on its own. An engine's worker file brings
 * only its Searcher.
 *
 * A fault of the core spoils the instance that faulted and nothing else: it is dropped, its job answered with
 * `core_trap`, and the next job on that shard gets a fresh instance.
 */
import { BroadcastChannel, threadId } from 'node:worker_threads';
import { Shard } from '../core/shard.ts';
import type { WasmMemory } from '../core/webassembly.ts';
import { NearpinError, toErrorRecord } from '../lib/errors.ts';
import {
  FORGET_CHANNEL,
  type SearchResult,
  type SearchTask,
  type ShardFailure,
  type ShardHits,
  type ShardQuery,
  type WorkerStart,
} from './protocol.ts';

/** Hits by ordinal; the ids are read before `shard.leave` lets their slots go. */
export interface Found {
  readonly ordinals: readonly number[];
  readonly distances: readonly number[];
  readonly ef: number;
  readonly complete: boolean;
}

/** Searches one shard; kept as long as the worker is attached to it. */
export interface Searcher {
  search(query: ShardQuery): Found;
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

/** The task handler of a worker; call once at start. */
export function serveSearches(
  start: WorkerStart,
  makeSearcher: MakeSearcher,
): (task: SearchTask) => SearchResult {
  const slot = takeSlot(start.slots);
  const sets = new Map<string, { memories: readonly WasmMemory[]; attached: (Attached | undefined)[] }>();
  const forget = new BroadcastChannel(FORGET_CHANNEL);
  forget.onmessage = (event: unknown) => sets.delete((event as { data: string }).data);
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
    try {
      const { shard, searcher } = attach(set, number);
      try {
        const found = searcher.search(query);
        return {
          ids: found.ordinals.map((ordinal) => shard.id(ordinal)),
          distances: found.distances,
          ...(query.withVectors && { vectors: found.ordinals.map((ordinal) => shard.vector(ordinal)) }),
          ef: found.ef,
          complete: found.complete,
        };
      } finally {
        shard.leave();
      }
    } catch (error) {
      sets.get(set)!.attached[number] = undefined;
      return { error: toErrorRecord(error) };
    }
  };

  return (task) => {
    if (task.memories) {
      if (!sets.has(task.set)) sets.set(task.set, { memories: task.memories, attached: [] });
    } else if (!sets.has(task.set)) {
      return 'unknown_set';
    }
    return task.jobs.map(([query, number]) => run(task.set, task.queries[query]!, number));
  };
}
