/**
 * The one interface behind which every engine stands. What is above it (retrieval, server, client) knows
 * vectors, pin ids and scores; what is below it (shards, core) knows ordinals and distances.
 */
import type { IndexConfig } from '../index/config.ts';
import type { Filter } from '../index/filter.ts';
import type { Attributes, Pin } from '../index/pin.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Watch } from '../lib/watch.ts';

export const ENGINE_NAMES = ['wasm', 'hnswlib', 'exact'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/**
 * One nearest-pin query. Values are in range already: `retrieval` has checked them. One search ranks
 * LIMITS.candidatesMax pins of each shard: `k` and `exclude` together beyond that can give fewer hits than there are, and
 * then the answer is not `exhausted`.
 */
export interface EngineQuery {
  /**
   * f32[dim], finite; not zero under cosine. The engine normalises it under cosine. Not to be changed before the answer
   * is there.
   */
  readonly vector: Float32Array;
  readonly k: number;
  /** Width of the search; the engine raises it to what k and `exclude` need and reports what it used. */
  readonly ef?: number | undefined;
  readonly filter?: Filter | undefined;
  /** Scan every matching pin instead of searching the graph. */
  readonly exact?: boolean | undefined;
  readonly minScore?: number | undefined;
  /** Pin ids that must not be among the hits; unknown ids are ignored. */
  readonly exclude?: readonly string[] | undefined;
  /** Moment, in epoch milliseconds, after which the engine answers with what it has. */
  readonly deadlineAtMs?: number | undefined;
  /** Also return the vector of each hit. */
  readonly withVectors?: boolean | undefined;
  /** Also tell how each shard was searched. */
  readonly explain?: boolean | undefined;
  /** What has not begun when the caller is gone is not searched, and answered as after a passed deadline. */
  readonly caller?: { isGone(): boolean } | undefined;
  /** Nobody waits for the answer: where the engine has threads that give way to others, they search. */
  readonly background?: boolean | undefined;
  /** Hears what the search takes. */
  readonly watch?: Watch<EngineQuery> | undefined;
}

/** A hit: score order, larger is better; ties by id, also those between a hit and what is no hit any more. */
export interface EngineHit {
  readonly id: string;
  readonly score: number;
  readonly vector?: Float32Array;
}

export interface Coverage {
  readonly shards: number;
  /** Shards that searched to the end. */
  readonly answered: number;
  /** Why an answer is partial. */
  readonly degraded?: 'deadline' | 'shard_failed';
}

/** How one shard was searched, and what that cost; what an engine cannot tell is absent. */
export interface ShardPlan {
  /**
   * What gave the hits: the graph; the graph of the matching pins alone, by two hops; a comparison of all matching pins;
   * or nothing, because the deadline had passed.
   */
  readonly plan: 'graph' | 'two-hop' | 'scan' | 'none';
  /** Width searched with; 0 for a scan. */
  readonly ef: number;
  /** Share of the pins that match, estimated from a sample; absent where nothing hung on it. */
  readonly selectivity?: number;
  /** Pins that match; absent where the search had no need to count them. */
  readonly matching?: number;
  /** Whether the mask of matching pins was there, had to be evaluated, or was not needed. */
  readonly mask?: 'cached' | 'evaluated' | 'none';
  /** Distances computed. */
  readonly distances?: number;
  /** Lists of links read. */
  readonly hops?: number;
}

/** One search by words, its values in range. What else it may say is as in EngineQuery. */
export interface LexicalQuery
  extends Pick<EngineQuery, 'k' | 'filter' | 'minScore' | 'exclude' | 'deadlineAtMs'> {
  readonly text: string;
}

/** How lexical search stands. */
export interface LexicalDescription {
  /** Pins with words. */
  readonly pins: number;
  /** Whether the words of the generation have been read; searches wait for it. */
  readonly isReady: boolean;
}

/** Search by words, in step with the engine: what has been acknowledged is found, what was deleted is not. */
export interface LexicalEngine {
  describe(): LexicalDescription;
  /** Scores are those of BM25. Rejects as Engine.search does; coverage tells of a passed deadline. */
  search(query: LexicalQuery): Promise<EngineAnswer>;
}

export interface EngineAnswer {
  readonly hits: readonly EngineHit[];
  /** Width actually searched with (0 for an exact scan). */
  readonly ef: number;
  /** The generation that answered. */
  readonly generation: string;
  readonly coverage: Coverage;
  /** There are fewer such pins than asked for, and all of them are in `hits`. */
  readonly exhausted: boolean;
  /** One per shard, in order, where that was asked. */
  readonly explain?: readonly ShardPlan[];
}

export interface PinParts {
  readonly payload?: boolean;
  readonly attributes?: boolean;
  readonly vector?: boolean;
}

export interface ShardDescription {
  readonly count: number;
  readonly bytes: number;
}

export interface EngineDescription {
  readonly engine: EngineName;
  readonly config: IndexConfig;
  readonly generation: string;
  /** Number of the last update that can be found. */
  readonly seq: number;
  readonly count: number;
  readonly shards: readonly ShardDescription[];
  /** Bytes of shared memory in use by the shards. */
  readonly bytes: number;
  readonly defaultEf: number;
}

/** One generation, with the updates since. */
export interface Engine {
  readonly config: IndexConfig;
  describe(): EngineDescription;
  /** Rejects with a NearpinError; a passed deadline is not an error but coverage. */
  search(query: EngineQuery): Promise<EngineAnswer>;
  /** Absent where the engine knows vectors only. */
  readonly lexical?: LexicalEngine;
  /** One entry per id, in order; undefined for an unknown id. */
  pins(ids: readonly string[], parts: PinParts): Promise<(Pin | undefined)[]>;
  /**
   * Readies vectors of this index for products with others, in this turn of the event loop and until others are readied.
   * @returns what gives f32[n], the product of each with f32[dim]; overwritten by its next call
   */
  productsWith(vectors: readonly Float32Array[]): (x: Float32Array) => Float32Array;
  /**
   * `count` stored pins' ids drawn by the seed, without repetition; fewer when the index holds fewer, and at most
   * LIMITS.recallSamplesMax.
   */
  sample(count: number, seed: number): Promise<string[]>;
  /**
   * Waits for the searches under way and gives memory and files back; everything but `describe` is refused with
   * `closed` from the call on. Closing twice is fine.
   */
  close(): Promise<void>;
}

/** Asks that a pin be as the writer knows it; else the whole write is refused with `write_conflict`. */
export interface WriteCondition {
  /** The pin was last written by this update. */
  readonly ifSeq?: number;
  /** There is no such pin. */
  readonly ifAbsent?: boolean;
}

/** A pin to write, checked. With a vector it replaces what was there; without one it changes a pin that is there. */
export interface PinWrite extends WriteCondition {
  readonly id: string;
  /** f32[dim]. */
  readonly vector?: Float32Array | undefined;
  /** What the vector was made of. */
  readonly text?: string | undefined;
  /** Undefined without a vector: they stay as they are. */
  readonly attributes: Attributes | undefined;
  /** Undefined without a vector: it stays as it is. */
  readonly payload: unknown;
}

export interface PinDelete extends WriteCondition {
  readonly id: string;
}

export interface UpsertAnswer {
  /** Number of the update. */
  readonly seq: number;
  readonly upserted: number;
}

export interface DeleteAnswer {
  readonly seq: number;
  /** Pins that were there. */
  readonly deleted: number;
}

export interface GenerationDescription {
  readonly generation: string;
  readonly isCurrent: boolean;
  /** The last update that it holds; those after it are applied when it is published. */
  readonly seq: number;
  readonly count: number;
  readonly model: string | null;
  /** Bytes of its files. */
  readonly bytes: number;
  /** Whether the updates after it are still kept, so that it can be published. */
  readonly canPublish: boolean;
}

/** Something that those who run the index should know. */
export interface Warning {
  readonly code: ErrorCode;
  readonly message: string;
}

/** How writing stands. */
export interface LiveDescription {
  /** Why writes are refused; null when they are taken. */
  readonly readOnly: ErrorCode | null;
  /** The last update that is on the disk. */
  readonly seqWritten: number;
  /** The last update that can be found. */
  readonly seqSearchable: number;
  /** Milliseconds that the oldest update which cannot be found yet has waited; 0 when there is none. */
  readonly lagMs: number;
  /** Pins in writes that wait. */
  readonly waitingPins: number;
  /** Words; absent when no pin ever had any. */
  readonly lexical?: LexicalDescription;
  /** Updates that are kept in the log after this one. */
  readonly logBase: number;
  /** How full the fullest shard is, 0 to 1, by bytes of its limit. */
  readonly fill: number;
  readonly limitBytes: number;
  readonly warnings: readonly Warning[];
}

/** An index that takes writes, whatever generation it serves. */
export interface LiveEngine {
  describeLive(): LiveDescription;
  /**
   * Writes pins, none twice, all or none. Resolves when they are durable and can be found.
   * `checkedBy` is the config that the pins were checked against; a write that a swap to another one has overtaken is
   * refused with `overloaded`, to be tried again.
   * Rejects with unknown_pin, write_conflict, duplicate_pin, too_many_writes, disk_full, shard_full, read_only_engine,
   * index_locked or closed; nothing is changed then.
   */
  upsert(pins: readonly PinWrite[], checkedBy: IndexConfig): Promise<UpsertAnswer>;
  /** Deletes pins, as `upsert` writes them. Ids that are unknown are none. */
  delete(pins: readonly PinDelete[]): Promise<DeleteAnswer>;
  /** Writes a generation that holds every update so far, and makes it current. Rejects with io_error, shard_full … */
  checkpoint(): Promise<GenerationDescription>;
  /** Every generation, oldest first. */
  generations(): Promise<GenerationDescription[]>;
  /**
   * Makes a generation the one that is served, with the updates after its seq applied to it. Searches go on meanwhile;
   * those under way end on the one before. Rejects with unknown_generation, log_trimmed, model_mismatch, corrupt_file,
   * shard_full …; nothing is changed then.
   */
  publish(generation: string): Promise<GenerationDescription>;
}
