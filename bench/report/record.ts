/** What a run leaves behind: one record per engine and point, and what they were measured on. */
import type { Metric } from '../../src/core/metric.ts';
import type { Asks } from '../definition.ts';
import type { Spread } from './statistics.ts';

/** A point of an engine's curve. Times are medians of passes; no time stands without its recall. */
export interface SearchRecord {
  readonly kind: 'search';
  /** Title of the definition: what was measured in turns has the same one. */
  readonly run: string;
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
  /** What the engine counts of its work, a query on average: distances, hops. */
  readonly work: Readonly<Record<string, number>>;
  readonly qps: number;
  readonly qpsSpread: Spread;
  readonly p50Us: number;
  /** Absent in runs before it was kept. */
  readonly p50UsSpread?: Spread;
  readonly p99Us: number;
  /** CPU time of the engine's process per query. */
  readonly cpuUs: number;
  readonly cpuUsSpread: Spread;
  readonly queries: number;
  readonly passes: number;
  /** Seconds of building; null when the index was kept from an earlier run. */
  readonly buildS: number | null;
  readonly buildCpuS: number | null;
  /** Bytes of the index per vector: what the engine says, or else the size of its saved file; and what its filters read beside it. */
  readonly bytesPerVector: number | null;
  readonly fileBytesPerVector: number | null;
  /** Resident memory of a process that has read the index and done nothing else, per vector; of the one that built it where that is all there is. */
  readonly rssBytesPerVector: number | null;
  /** Seconds of reading the index from a file in the page cache; null when the engine does not save here. */
  readonly loadS: number | null;
  /** The attribute that was filtered by, and the share of the vectors that passed. */
  readonly filter?: string;
  readonly selectivity?: number;
  /** Whether every search had a filter of its own, rather than all the same. */
  readonly isFresh?: boolean;
}

/** Reading an index from a file in the page cache, against reading the same bytes to fresh shared memory. */
export interface LoadRecord {
  readonly kind: 'load';
  /** Title of the definition: what was measured in turns has the same one. */
  readonly run: string;
  readonly engine: string;
  readonly version: string;
  readonly dataset: string;
  readonly n: number;
  readonly dim: number;
  readonly metric: Metric;
  readonly bytes: number;
  readonly loadS: number;
  readonly loadSSpread: Spread;
  readonly bareReadS: number;
  readonly bareReadSSpread: Spread;
}

/** Time of one distance. */
export interface KernelRecord {
  readonly kind: 'kernel';
  /** Title of the definition: what was measured in turns has the same one. */
  readonly run: string;
  readonly engine: string;
  readonly version: string;
  readonly kernel: string;
  readonly dim: number;
  /** Bytes of a stored vector. */
  readonly vectorBytes: number;
  /** Of vectors in the nearest cache. */
  readonly hotNs: number;
  /** Of vectors anywhere in a region of so many bytes. */
  readonly randomNs: number;
  readonly regionBytes: number;
}

/** A server over loopback: nearpin's, the same app over an index with one answer, or bare Fastify with one. */
export interface ServiceRecord {
  readonly kind: 'service';
  /** Title of the definition: what was measured in turns has the same one. */
  readonly run: string;
  readonly server: 'nearpin' | 'constant' | 'bare';
  readonly dataset: string;
  readonly n: number;
  readonly dim: number;
  readonly k: number;
  /** Width of the searches, the default of the engine. */
  readonly ef: number;
  readonly format: 'json' | 'msgpack';
  /** What asked; absent for the benchmark's own load, which costs the least. */
  readonly client?: 'autocannon';
  readonly connections: number;
  readonly requests: number;
  /** Of what nearpin answered over HTTP; null of a constant answer. */
  readonly recall: number | null;
  readonly rps: number;
  readonly rpsSpread: Spread;
  readonly p50Us: Spread;
  readonly p99Us: number;
  readonly p999Us: number;
  /** CPU time of the server's process per request; null where the system does not tell. */
  readonly cpuUs: Spread | null;
  /** Of that, what the searches took in the core; null of a constant answer. */
  readonly coreCpuUs: Spread | null;
  /** The same searches in one process without a server, which find their caches warm. */
  readonly searchP50Us: Spread;
  readonly searchCpuUs: Spread;
}

/** nearpin's server over loopback, asked at a rate that does not depend on its answers. Medians of passes, or the worst. */
export interface OverloadRecord {
  readonly kind: 'overload';
  /** Title of the definition: what was measured in turns has the same one. */
  readonly run: string;
  readonly dataset: string;
  readonly n: number;
  readonly dim: number;
  readonly k: number;
  readonly ef: number;
  readonly format: 'json' | 'msgpack';
  readonly asks: Asks;
  /** How much was asked, as a multiple of the capacity. */
  readonly load: number;
  readonly seconds: number;
  /** Requests per second with one at a time on each of many connections; of a pass the mean of just before and just after it. */
  readonly capacitySpread: Spread;
  readonly offeredRps: number;
  /** Answers in time. */
  readonly goodRps: number;
  readonly goodSpread: Spread;
  readonly goodWithinMs: number;
  readonly refusedRps: number;
  /** Not even sent, since no connection was free for as long as they are waited for. */
  readonly givenUpRps: number;
  /** Neither answered nor refused, in the worst pass. */
  readonly failedRps: number;
  /** Of all answers. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Requests for /livez and /readyz beside it, and how long they took in the worst pass at the API's listener. */
  readonly probes: number;
  readonly probeP99Ms: number;
  readonly probeMaxMs: number;
  /** As many at the listener of health. */
  readonly healthProbeP99Ms: number;
  readonly healthProbeMaxMs: number;
}

export type BenchRecord = SearchRecord | LoadRecord | KernelRecord | ServiceRecord | OverloadRecord;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  /** When Linux gives huge pages: `always`, to who asks (`madvise`) or `never`; null elsewhere, and absent from older runs. */
  readonly hugePages?: string | null;
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
  /** Of the definitions that were run. */
  readonly titles: readonly string[];
  readonly records: readonly BenchRecord[];
  readonly notes: readonly string[];
}
