/** What the benchmark and the process of an engine say to each other: one request and one answer at a time. */
import type { FilterSpec } from '../data/filters.ts';
import type { Matrix } from '../data/matrix.ts';
import type { IndexSpec } from '../engines/adapter.ts';

/** What all processes of a run are told of their data; attributes are made in each process from their names. */
export interface IndexTask {
  readonly spec: Omit<IndexSpec, 'attributes'>;
  readonly attributes: readonly string[];
  readonly base: Matrix;
  readonly queries: Matrix;
}

export interface SearchTask {
  readonly k: number;
  readonly ef: number;
  readonly filter: FilterSpec | null;
}

export interface LoadTask {
  readonly path: string;
  /** What saving it returned. */
  readonly saved: unknown;
}

export interface Requests {
  /** Loads the engine. */
  open: { readonly engine: string };
  /** Begins an index. */
  create: IndexTask;
  /** Adds rows of the base. */
  add: { readonly first: number; readonly count: number };
  finish: Record<never, never>;
  save: { readonly path: string };
  /** Reads an index of the same task instead of building it. */
  load: IndexTask & LoadTask;
  /** Reads the bytes of a file, and nothing more, to fresh shared memory. */
  bareRead: { readonly path: string };
  /** Answers every query once; the clock does not run. */
  answer: SearchTask;
  /** Answers every query once in each of so many threads, on the clock. */
  pass: SearchTask & { readonly threads: number };
  /** Times the kernels of the engine. */
  kernels: KernelTask;
}

export interface KernelTask {
  readonly dim: number;
  /** Bytes over which vectors are spread at random. */
  readonly regionBytes: number;
  readonly calls: number;
}

export interface Timing {
  readonly wallS: number;
  /** Time of the process on any core, its runtime's helper threads among them. */
  readonly cpuS: number;
}

export interface Opened {
  readonly version: string;
  readonly takesEf: boolean;
  readonly build: string;
}

/** What an index takes. */
export interface Sizes {
  /** What the engine says; null when it does not say. */
  readonly bytes: number | null;
  /** What its filters read beside it. */
  readonly filterBytes: number;
  /** Growth of the resident memory since before it was created or read. */
  readonly rssBytes: number;
}

export interface Saved extends Timing {
  readonly bytes: number;
  readonly saved: unknown;
}

export interface Answered {
  /** u32[queries * k]; of each row the first `counts[q]` are hits. */
  readonly ordinals: Uint32Array;
  readonly counts: Uint32Array;
  /** What the engine counts of its work, a query on average. */
  readonly work: Readonly<Record<string, number>>;
}

export interface Passed extends Timing {
  /** Of every search of every thread. */
  readonly latenciesUs: Float64Array;
}

/** Nanoseconds of one distance. */
export interface KernelTime {
  readonly kernel: string;
  /** Bytes of a stored vector. */
  readonly vectorBytes: number;
  /** Of vectors that are in the nearest cache, and of vectors anywhere in the region. */
  readonly hotNs: number;
  readonly randomNs: number;
}

/** Which answer a request gets. */
export interface AnswerOf {
  open: Opened;
  create: Timing;
  add: Timing;
  finish: Timing & Sizes;
  /** Null when the engine cannot save. */
  save: Saved | null;
  load: Timing & Sizes;
  bareRead: Timing;
  /** Null when the engine does not filter. */
  answer: Answered | null;
  /** Null when the engine does not filter, or not search in several threads. */
  pass: Passed | null;
  /** Null when the engine shows none. */
  kernels: readonly KernelTime[] | null;
}

export type RequestName = keyof Requests;

/** What a thread is given that searches the index of its process. */
export interface ThreadStart {
  readonly engine: string;
  readonly task: IndexTask;
  readonly shared: unknown;
  readonly thread: number;
  /** i32[2]: the number of the pass to run, and how many threads are ready for it or done with it. */
  readonly control: SharedArrayBuffer;
}

/** What a thread is told before a pass, and says after it. */
export type ThreadTask = SearchTask & { readonly pass: number };
export interface ThreadResult {
  readonly latenciesUs: Float64Array;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}
