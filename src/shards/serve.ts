/**
 * What every search worker does, whatever it searches with: takes a scratch slot, attaches to shard sets as they come
 * up, runs the jobs of a task one after the other, and answers each job on its own. An engine's worker file brings
 * only its Searcher.
 *
 * A fault of the core spoils the instance that faulted and nothing else: it is dropped, its job answered with
 * `core_trap`, and the next job on that shard gets a fresh instance.
 */
import { threadId } from 'node:worker_threads';
import { Piscina, transferableSymbol, valueSymbol } from 'piscina';
import { LAYOUT } from '../core/layout.ts';
import { type SearchStats, Shard } from '../core/shard.ts';
import type { WasmMemory } from '../core/webassembly.ts';
import { NearpinError, toErrorRecord } from '../lib/errors.ts';
import { SHARD_PLANS, type ShardWork } from '../lib/watch.ts';
import { giveWay } from './background.ts';
import { collectGarbage, letGo } from './collect-garbage.ts';
import { DESK_AREA_BYTES, type DeskTask, ServingSide } from './desk.ts';
import { AnswerPacker, type Asked, type FoundHits, unpackQueries } from './packing.ts';
import {
  type Attend,
  bytesOf,
  type Housekeeping,
  monotonicMs,
  type SearchAnswers,
  type SearchResult,
  type SearchTask,
  type ShardFailure,
  type ShardQuery,
  type UnknownSet,
  type Unpacked,
  type WorkerStart,
} from './protocol.ts';
import { SearchClock } from './search-clock.ts';

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

/** The place of a scratch slot among those of the pool. */
function takePlace(slots: Int32Array): number {
  for (let i = 0; i < slots.length; i++) {
    if (Atomics.compareExchange(slots, i, 0, threadId) === 0) return i;
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

/** The task handler of a worker; call once at start. */
export function serveSearches(
  start: WorkerStart,
  makeSearcher: MakeSearcher,
): (task: SearchTask | Attend | Housekeeping) => SearchResult | Promise<SearchResult> {
  if (start.isBackground) giveWay();
  const place = takePlace(start.slots);
  const slot = start.firstSlot + place;
  const desk = new ServingSide(start.desks[place]!);
  const clock = new SearchClock(start.searchNs, start.isBackground ? 1 : undefined);
  const sets = new Map<string, { memories: readonly WasmMemory[]; attached: (Attached | undefined)[] }>();

  const tidy = async ({ forget }: Housekeeping): Promise<null> => {
    if (forget === undefined) {
      await collectGarbage();
      return null;
    }
    const bytes = bytesOf(sets.get(forget)?.memories ?? []);
    sets.delete(forget);
    await letGo(bytes);
    return null;
  };

  const attach = (set: string, number: number): Attached => {
    const { memories, attached } = sets.get(set)!;
    const known = attached[number];
    if (known) return known;
    const shard = new Shard(start.module, memories[number]!, slot);
    const fresh = { shard, searcher: makeSearcher(shard) };
    attached[number] = fresh;
    return fresh;
  };

  /** Adds the hits to the answers; returns what is not packed. */
  const run = (
    set: string,
    { query, shard: number, askedMs }: Asked,
    answers: AnswerPacker,
  ): ShardFailure | Unpacked | undefined => {
    const { deadlineAtMs } = query;
    const isLate =
      deadlineAtMs === Number.POSITIVE_INFINITY
        ? never
        : () => monotonicMs() + start.clockOffsetMs >= deadlineAtMs;
    try {
      const { shard, searcher } = attach(set, number);
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
          startedAtMs: startedMs + start.clockOffsetMs,
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
      sets.get(set)!.attached[number] = undefined;
      return failureOf(error);
    }
  };

  let usualBytes = 0;
  const answer = (set: string, queries: ArrayBuffer): { answers: SearchAnswers; bytes: number } => {
    const answers = new AnswerPacker(usualBytes);
    const rest = new Map<number, ShardFailure | Unpacked>();
    const asked = unpackQueries(queries);
    clock.begin(asked.length);
    for (let job = 0; job < asked.length; job++) {
      const unpacked = run(set, asked[job]!, answers);
      if (unpacked) rest.set(job, unpacked);
    }
    clock.end();
    usualBytes = answers.used;
    return { answers: { packed: answers.end(), rest, place }, bytes: usualBytes };
  };

  const atDesk = ({ set, queries }: DeskTask): Uint8Array | SearchAnswers | UnknownSet => {
    if (!sets.has(String(set))) return moved(queries, { queries });
    const { answers, bytes } = answer(String(set), queries);
    return answers.rest.size === 0 && bytes <= DESK_AREA_BYTES
      ? new Uint8Array(answers.packed, 0, bytes)
      : moved(answers.packed, answers);
  };

  /** Stays for as long as tasks come: the results of tasks that were read together with this one have to go first. */
  const attend = async () => {
    await null;
    return desk.stay(atDesk);
  };

  return (task) => {
    if ('attend' in task) return attend();
    if (!('queries' in task)) return tidy(task);
    if (!sets.has(task.set)) {
      if (!task.memories) return moved(task.queries, { queries: task.queries });
      sets.set(task.set, { memories: task.memories, attached: [] });
    }
    const { answers } = answer(task.set, task.queries);
    return moved(answers.packed, answers);
  };
}

/** A result whose buffer Piscina is to move, not to copy. */
function moved<Result extends SearchAnswers | UnknownSet>(buffer: ArrayBuffer, result: Result): Result {
  const movable = { [transferableSymbol]: buffer, [valueSymbol]: result };
  return Piscina.move(movable as never) as unknown as Result;
}
