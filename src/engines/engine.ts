/**
 * The one interface behind which every engine stands. What is above it (retrieval, server, client) knows
 * vectors, pin ids and scores; what is below it (shards, core) knows ordinals and distances.
 */
import type { IndexConfig } from '../index/config.ts';
import type { Filter } from '../index/filter.ts';
import type { Pin } from '../index/pin.ts';

export type EngineName = 'wasm' | 'hnswlib' | 'exact';

/**
 * One nearest-pin query. Values are in range already: `retrieval` has checked them. One search ranks
 * LIMITS.candidatesMax pins of each shard: `k` and `exclude` together beyond that can give fewer hits than there are, and
 * then the answer is not `exhausted`.
 */
export interface EngineQuery {
  /** f32[dim], finite; not zero under cosine. The engine normalises it under cosine. */
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

export interface EngineAnswer {
  readonly hits: readonly EngineHit[];
  /** Width actually searched with (0 for an exact scan). */
  readonly ef: number;
  readonly coverage: Coverage;
  /** There are fewer such pins than asked for, and all of them are in `hits`. */
  readonly exhausted: boolean;
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
  /** Update sequence number that the generation holds. */
  readonly seq: number;
  readonly count: number;
  readonly shards: readonly ShardDescription[];
  /** Bytes of shared memory in use by the shards. */
  readonly bytes: number;
  readonly defaultEf: number;
}

export interface Engine {
  describe(): EngineDescription;
  /** Rejects with a NearpinError; a passed deadline is not an error but coverage. */
  search(query: EngineQuery): Promise<EngineAnswer>;
  /** One entry per id, in order; undefined for an unknown id. */
  pins(ids: readonly string[], parts: PinParts): Promise<(Pin | undefined)[]>;
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
