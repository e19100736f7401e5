/**
 * What crosses between the pool and its threads: tasks of many searches, each of one query on one shard, and their
 * results. Queries and hits travel packed (packing.ts), in one buffer that is moved; memories are shared; what is rare
 * is cloned.
 */
import type { SearchStats } from '../core/shard.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import type { ErrorRecord } from '../lib/errors.ts';
import type { ShardWork } from '../lib/watch.ts';

/** What a worker is started with. */
export interface WorkerStart {
  readonly module: WasmModule;
  /** Int32 per scratch slot of the pool: 0 free, otherwise the id of the thread that took it. */
  readonly slots: Int32Array;
  /**
   * What to add to `monotonicMs` for the epoch milliseconds that deadlines are in. Each thread has a clock of its own
   * that starts from the time of day, and the time of day may have been set since the process started.
   */
  readonly clockOffsetMs: number;
  /** The desk of each scratch slot. */
  readonly desks: readonly SharedArrayBuffer[];
  /** One number, in shared memory: nanoseconds of CPU that the searches of all threads have taken. */
  readonly searchNs: BigInt64Array;
  /** The first of the scratch slots. */
  readonly firstSlot: number;
  /** Whether the threads give way to all others of the machine. */
  readonly isBackground: boolean;
}

/** A query as the shards see it. */
export interface ShardQuery {
  /** f32[dim]; of unit length under cosine, when it comes to the shard. */
  readonly vector: Float32Array;
  /** Hits wanted of each shard. */
  readonly k: number;
  readonly ef: number;
  readonly exact: boolean;
  /** Compiled filter. */
  readonly program: Uint32Array | null;
  /** Epoch milliseconds; Infinity for none. */
  readonly deadlineAtMs: number;
  readonly withVectors: boolean;
  /** Tell how the search went about it. */
  readonly explain: boolean;
}

/** Who waits for a search: one for whom nobody does any more is not begun. */
export interface SearchCaller {
  isGone(): boolean;
}

export interface SearchTask {
  /** Which shard set to search. */
  readonly set: string;
  /** The set's memories, sent along once a worker has said that it does not know the set. */
  readonly memories?: readonly WasmMemory[];
  /** Of a `QueryQueue`: one record for each job. */
  readonly queries: ArrayBuffer;
}

/** Asks a thread to come to its desk. It answers when it leaves: null, or the result of the last task that it served. */
export interface Attend {
  readonly attend: true;
}

/** Asks a thread to drop a set, or only to collect its garbage. It answers null. */
export interface Housekeeping {
  readonly forget?: string;
}

/** Hits of one query in one shard, nearest first, ties by id. */
export interface ShardHits {
  readonly ids: readonly string[];
  /** Where each hit lies, which tells a pin from what it was before it was replaced. */
  readonly ordinals: readonly number[];
  readonly distances: readonly number[];
  /** f32[hits, dim]. */
  readonly vectors?: Float32Array;
  /** How the shard was searched, where that was asked; absent when its search did not begin. */
  readonly stats?: SearchStats;
  /** 0 for a scan. */
  readonly ef: number;
  /** False when the deadline cut the search short. */
  readonly complete: boolean;
  readonly work: ShardWork;
}

export interface ShardFailure {
  readonly error: ErrorRecord;
}

/** Results of a task's jobs, in order, or the task's queries as they came: the thread does not know the set. */
export type SearchResult = SearchAnswers | UnknownSet | null;

export interface UnknownSet {
  readonly queries: ArrayBuffer;
}

export interface SearchAnswers {
  /** Of an `AnswerPacker`: the jobs that did not fail. */
  readonly packed: ArrayBuffer;
  /** What is not packed, by the number of the job. */
  readonly rest: ReadonlyMap<number, ShardFailure | Unpacked>;
  /** Of the thread's scratch slot, among those of the pool. */
  readonly place: number;
}

/** What few queries ask for. */
export type Unpacked = Pick<ShardHits, 'vectors' | 'stats'>;

/** Milliseconds of the clock that all threads of a process share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Bytes of memories, their scratch included. */
export function bytesOf(memories: readonly WasmMemory[]): number {
  return memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
}
