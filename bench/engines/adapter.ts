/**
 * What an engine is to the benchmark. Each runs in a process of its own, in that process' main thread; its adapter says
 * as little as possible between the benchmark and the engine, and puts vectors into the form that the engine wants
 * before the clock runs.
 */
import type { Metric } from '../../src/core/metric.ts';

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
}

export interface BenchIndex {
  /** Adds rows, f32[n * dim], whose ordinals follow on from `first`. */
  add(rows: Float32Array, first: number): void | Promise<void>;
  /** What there is to do once all rows are added. */
  finish?(): void | Promise<void>;
  /** Takes the queries, in whatever form they will be searched with. */
  prepare(queries: readonly Float32Array[]): void;
  /**
   * Searches with prepared query `q` and writes the ordinals of up to `k` hits, nearest first, to `out`.
   * @returns the number of hits
   */
  search(q: number, k: number, ef: number, out: Uint32Array): number | Promise<number>;
  /** Bytes that the engine says its index takes in memory. */
  bytes?(): number;
  /** Writes the index to a file, and returns what `load` wants to know of it. */
  save?(path: string): unknown;
}

export interface BenchEngine {
  /** Version of the package, and how it was built where that matters. */
  readonly version: string;
  /** Whether M and efConstruction mean something to it. */
  readonly isGraph: boolean;
  create(spec: IndexSpec): BenchIndex | Promise<BenchIndex>;
  /** Reads what `save` wrote. */
  load?(spec: IndexSpec, path: string, saved: unknown): BenchIndex | Promise<BenchIndex>;
}
