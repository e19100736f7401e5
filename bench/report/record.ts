/** What a run leaves behind: one record per engine and point, and what they were measured on. */
import type { Metric } from '../../src/core/metric.ts';
import type { Spread } from './statistics.ts';

/** A point of an engine's curve. Times are medians of passes; no time stands without its recall. */
export interface SearchRecord {
  readonly kind: 'search';
  readonly engine: string;
  readonly version: string;
  readonly dataset: string;
  readonly n: number;
  readonly dim: number;
  readonly metric: Metric;
  readonly k: number;
  readonly params: Readonly<Record<string, number>>;
  readonly ef: number;
  readonly threads: number;
  /** Hits as near as the k-th true neighbour, of k. */
  readonly recall: number;
  /** Hits among the k true neighbours by ordinal. */
  readonly recallById: number;
  readonly qps: number;
  readonly qpsSpread: Spread;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time of the engine's process per query. */
  readonly cpuUs: number;
  readonly cpuUsSpread: Spread;
  readonly passes: number;
  /** Seconds of building; null when the index was read from a file. */
  readonly buildS: number | null;
  readonly buildCpuS: number | null;
  /** Bytes of the index per vector: what the engine says, or else the size of its saved file. */
  readonly bytesPerVector: number | null;
  readonly fileBytesPerVector: number | null;
  /** Growth of the process' resident memory while building, per vector. */
  readonly rssBytesPerVector: number | null;
  /** Seconds to read the index from a file in the page cache; null when it was not tried. */
  readonly loadS: number | null;
  readonly filter?: string;
  readonly selectivity?: number;
}

export type BenchRecord = SearchRecord;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
}

export interface Results {
  readonly schema: 1;
  readonly startedAt: string;
  readonly tookS: number;
  readonly machine: Machine;
  /** Cores that the engines' processes ran on, as taskset takes them; null when they were free to move. */
  readonly pinnedTo: string | null;
  readonly node: string;
  readonly nearpin: string;
  /** Of the working tree; null outside of one. */
  readonly commit: string | null;
  /** Whether the working tree differed from the commit. */
  readonly isDirty: boolean;
  /** SHA-256 of native/core.wasm. */
  readonly coreSha256: string;
  readonly command: string;
  readonly records: readonly BenchRecord[];
  readonly notes: readonly string[];
}
