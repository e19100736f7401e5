/**
 * What an engine is to the benchmark. Each runs in a process of its own, in that process' main thread; its adapter says
 * as little as possible between the benchmark and the engine, and puts vectors into the form that the engine wants
 * before the clock runs.
 */
import type { Metric } from '../../src/core/metric.ts';
import type { BenchFilter } from '../data/filters.ts';

/** What an index is built for. The same for all engines of a run. */
export interface IndexSpec {
  readonly dim: number;
  /** Under cosine all vectors, also those of queries, are of unit length already. */
  readonly metric: Metric;
  /** Vectors that will be added. */
  readonly count: number;
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  /** Threads that may search at once. */
  readonly threads: number;
  /** A number in [0, 1) for each vector, f64[count], by the name of the filter that will compare it. */
  readonly attributes: Readonly<Record<string, Float64Array>>;
}

export interface BenchIndex {
  /** Adds rows, f32[n * dim], whose ordinals follow on from `first`. */
  add(rows: Float32Array, first: number): void | Promise<void>;
  /** What there is to do once all rows are added. */
  finish?(): void | Promise<void>;
  /** Takes the queries, in whatever form they will be searched with. */
  prepare(queries: readonly Float32Array[]): void;
  /**
   * Holds for the searches from now on: no filter, one for all queries, which may be made ready before the clock runs,
   * or one for each. What there is to do for one of many is done as part of its search. An engine without it cannot
   * filter.
   */
  filter?(filters: readonly BenchFilter[]): void;
  /**
   * Searches with prepared query `q` and writes the ordinals of up to `k` hits, nearest first, to `out`.
   * @returns the number of hits
   */
  search(q: number, k: number, ef: number, out: Uint32Array): number | Promise<number>;
  /** Bytes that the engine says its index takes in memory. */
  bytes?(): number;
  /** What the last search counted of its own work, by name. */
  work?(): Readonly<Record<string, number>>;
  /** Writes the index to a file, and returns what `load` wants to know of it. */
  save?(path: string): unknown;
  /**
   * What another thread of the process needs to search the same index: memory that it can attach to, or else a file
   * in `folder` that it reads a copy from. An engine without it searches in one thread only.
   */
  share?(folder: string): unknown;
}

/** Gives so many of the rows that will be added, drawn evenly: f32[rows * dim]. */
export type DrawSample = (rows: number) => Float32Array;

export interface BenchEngine {
  /** Version of the package, and how it was built where that matters. */
  readonly version: string;
  /** Whether the width of a search can be chosen; an engine without has one point. */
  readonly takesEf: boolean;
  /** Whether its filters read the attributes of the spec, beside an index that holds none; they count as its bytes, then. */
  readonly readsAttributes?: boolean;
  /** Changes whenever indexes of before may not be read again. */
  readonly build: string;
  /** Begins an index; an engine that learns from the data first may draw a sample. It counts as time of the build. */
  create(spec: IndexSpec, draw: DrawSample): BenchIndex | Promise<BenchIndex>;
  /** Reads what `save` wrote. */
  load?(spec: IndexSpec, path: string, saved: unknown): BenchIndex | Promise<BenchIndex>;
  /** Takes what `share` gave, in thread `thread` of `spec.threads`, from 0. */
  attach?(spec: IndexSpec, shared: unknown, thread: number): BenchIndex | Promise<BenchIndex>;
}
