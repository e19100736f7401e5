/**
 * Runs the jobs of a task one after the other, whatever it searches with, and answers each job on its own. An engine
 * brings only its Searcher.
 *
 * A fault of the core spoils the instance that faulted and nothing else: it is dropped, its job answered with
 * `core_trap`, and the next job on that shard gets a fresh instance.
 */
import { threadId } from 'node:worker_threads';
import { LAYOUT } from '../core/layout.ts';
import { type SearchStats, Shard } from '../core/shard.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { NearpinError, toErrorRecord } from '../lib/errors.ts';
import { SHARD_PLANS, type ShardWork } from '../lib/watch.ts';
import { AnswerPacker, type Asked, type FoundHits, unpackQueries } from './packing.ts';
import { monotonicMs, type ShardFailure, type ShardQuery, type Unpacked } from './protocol.ts';
import type { SearchClock } from './search-clock.ts';

/** Hits by ordinal; the ids are read before `shard.leave` lets their slots go. */
export interface Found {
  readonly ordinals: readonly number[];
  readonly distances: readonly number[];
  readonly ef: number;
  readonly complete: boolean;
  /** Where the query asks for it; absent when the search did not begin. */
  readonly stats?: SearchStats;
  /** Absent where the searcher does not tell. */
  readonly cost?: SearchCost;
}

/** What a search took, as `ShardWork` has it. */
export type SearchCost = Pick<ShardWork, 'plan' | 'compared' | 'visited' | 'filterMs' | 'rescoreMs'>;

/** Searches one shard; kept as long as the worker is attached to it. */
export interface Searcher {
  /**
   * The `k` nearest, whatever the query's own k. `isLate` says whether the query's deadline has passed; a search that
   * finds it so ends with what it has.
   */
  search(query: ShardQuery, k: number, isLate: () => boolean): Found;
}

/** Makes the Searcher of a shard, at its first use. */
export type MakeSearcher = (shard: Shard) => Searcher;

interface Attached {
  readonly shard: Shard;
  readonly searcher: Searcher;
}

/**
 * Searches for one hit more than wanted, and for ever more while the last ones tie: searchers break ties by ordinal,
 * answers by id, so all that tie with the last hit must be known to choose among them.
 */
function searchPastTies(searcher: Searcher, query: ShardQuery, isLate: () => boolean): Found {
  let found: Found | undefined;
  for (let k = query.k + 1; ; k *= 2) {
    const wider = searcher.search(query, Math.min(k, LAYOUT.NP_K_MAX), isLate);
    // Late in a second search: the hits of the first are the nearest, only not chosen by id
    if (found && !wider.complete) return found;
    found = wider;
    const { distances } = found;
    const isCutInTie = distances.length >= k && distances[k - 1] === distances[query.k - 1];
    if (!isCutInTie || !found.complete) return found;
  }
}

/** The k nearest of what was found, ties by id. */
function chooseHits(shard: Shard, found: Found, k: number, work: ShardWork): FoundHits {
  const { ordinals, distances } = isSorted(found) ? found : sorted(shard, found);
  const { ef, complete } = found;
  const idsAt = shard.idsAt(ordinals, Math.min(k, ordinals.length));
  return { idsAt, ordinals, distances, ef, complete, work };
}

/** The cost of a search whose searcher does not tell. */
function unknownCost({ ef, complete }: Found): SearchCost {
  const plan = SHARD_PLANS.indexOf(ef > 0 ? 'graph' : complete ? 'scan' : 'none');
  return { plan, compared: 0, visited: 0, filterMs: Number.NaN, rescoreMs: Number.NaN };
}

/** Whether the hits come in order and none ties, so that their ids need not be compared. */
function isSorted({ distances }: Found): boolean {
  for (let i = 1; i < distances.length; i++) if (!(distances[i - 1]! < distances[i]!)) return false;
  return true;
}

function sorted(shard: Shard, { ordinals, distances }: Found): Pick<Found, 'ordinals' | 'distances'> {
  const hits = ordinals.map((ordinal, i) => ({ ordinal, id: shard.id(ordinal), distance: distances[i]! }));
  hits.sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1));
  return {
    ordinals: hits.map(({ ordinal }) => ordinal),
    distances: hits.map(({ distance }) => distance),
  };
}

const never = () => false;

/** What a failed search is answered with. A shard that was damaged in memory can also make reads of it throw. */
function failureOf(error: unknown): ShardFailure {
  const isFault = error instanceof RangeError;
  return {
    error: toErrorRecord(isFault ? new NearpinError('core_trap', `the shard: ${error.message}`) : error),
  };
}

export interface TaskRunnerOptions {
  readonly module: WasmModule;
  /** The scratch slot of this thread. */
  readonly slot: number;
  /** Of WorkerStart. */
  readonly clockOffsetMs: number;
  readonly clock: SearchClock;
  readonly makeSearcher: MakeSearcher;
}

/** Answers of a task's jobs, of which the packed ones take `bytes` at the start of their buffer. */
export interface TaskAnswers {
  readonly packed: ArrayBuffer;
  readonly bytes: number;
  /** What is not packed, by the number of the job. */
  readonly rest: ReadonlyMap<number, ShardFailure | Unpacked>;
}

interface AttachedSet {
  readonly memories: readonly WasmMemory[];
  /** By shard; made when it is first searched. */
  readonly shards: (Attached | undefined)[];
}

export class TaskRunner {
  readonly #options: TaskRunnerOptions;
  readonly #sets = new Map<string, AttachedSet>();
  #usualBytes = 0;

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
  }

  /** Whether the set is attached: tasks of others cannot be run. */
  knows(set: string): boolean {
    return this.#sets.has(set);
  }

  attach(set: string, memories: readonly WasmMemory[]): void {
    this.#sets.set(set, { memories, shards: [] });
  }

  /** Returns the memories that the set had. */
  forget(set: string): readonly WasmMemory[] {
    const memories = this.#sets.get(set)?.memories ?? [];
    this.#sets.delete(set);
    return memories;
  }

  /** @param queries of a `QueryQueue` */
  run(set: string, queries: ArrayBuffer): TaskAnswers {
    const attached = this.#sets.get(set)!;
    const { clock } = this.#options;
    const answers = new AnswerPacker(this.#usualBytes);
    const rest = new Map<number, ShardFailure | Unpacked>();
    const asked = unpackQueries(queries);
    clock.begin(asked.length);
    for (let job = 0; job < asked.length; job++) {
      const unpacked = this.#runJob(attached, asked[job]!, answers);
      if (unpacked) rest.set(job, unpacked);
    }
    clock.end();
    const bytes = answers.used;
    this.#usualBytes = bytes;
    return { packed: answers.end(), bytes, rest };
  }

  /** Adds the hits to the answers; returns what is not packed. */
  #runJob(
    set: AttachedSet,
    { query, shard: number, askedMs }: Asked,
    answers: AnswerPacker,
  ): ShardFailure | Unpacked | undefined {
    const { clock, clockOffsetMs } = this.#options;
    const { deadlineAtMs } = query;
    const isLate =
      deadlineAtMs === Number.POSITIVE_INFINITY ? never : () => monotonicMs() + clockOffsetMs >= deadlineAtMs;
    try {
      const { shard, searcher } = this.#shardOf(set, number);
      try {
        const startedMs = clock.startSearch();
        const found = searchPastTies(searcher, query, isLate);
        const searchMs = clock.endSearch();
        const { plan, compared, visited, filterMs, rescoreMs } = found.cost ?? unknownCost(found);
        const hits = chooseHits(shard, found, query.k, {
          plan,
          compared,
          visited,
          thread: threadId,
          startedAtMs: startedMs + clockOffsetMs,
          queuedMs: startedMs - askedMs,
          searchMs,
          filterMs,
          rescoreMs,
        });
        const vectors = query.withVectors && shard.vectors(hits.ordinals.slice(0, hits.idsAt.length));
        const { stats } = found;
        answers.add(hits, shard.bytes);
        return vectors || stats ? { ...(vectors && { vectors }), ...(stats && { stats }) } : undefined;
      } finally {
        shard.leave();
      }
    } catch (error) {
      set.shards[number] = undefined;
      return failureOf(error);
    }
  }

  #shardOf({ memories, shards }: AttachedSet, number: number): Attached {
    const known = shards[number];
    if (known) return known;
    const { module, slot, makeSearcher } = this.#options;
    const shard = new Shard(module, memories[number]!, slot);
    const fresh = { shard, searcher: makeSearcher(shard) };
    shards[number] = fresh;
    return fresh;
  }
}
