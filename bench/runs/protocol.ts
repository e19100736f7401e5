/** What the benchmark and the process of an engine say to each other, one request and one answer at a time. */
import type { Matrix } from '../data/matrix.ts';
import type { IndexSpec } from '../engines/adapter.ts';

export interface Requests {
  /** Loads the engine. */
  open: { readonly engine: string };
  /** Begins an index and gives the data that it will be made of. */
  create: { readonly spec: IndexSpec; readonly base: Matrix; readonly queries: Matrix };
  /** Adds rows of the base. */
  add: { readonly first: number; readonly count: number };
  finish: Record<never, never>;
  save: { readonly path: string };
  load: {
    readonly path: string;
    readonly saved: unknown;
    readonly spec: IndexSpec;
    readonly queries: Matrix;
  };
  /** Answers every query once; the clock does not run. */
  answer: { readonly k: number; readonly ef: number };
  /** Answers every query once, on the clock. */
  pass: { readonly k: number; readonly ef: number };
}

export interface Timing {
  readonly wallS: number;
  /** Time of the process on any core, its runtime's helper threads among them. */
  readonly cpuS: number;
}

export interface Answers {
  readonly opened: { readonly version: string; readonly isGraph: boolean };
  readonly created: Record<never, never>;
  readonly added: Timing;
  readonly finished: Timing & {
    /** What the engine says that its index takes; null when it does not say. */
    readonly bytes: number | null;
    /** Growth of the resident memory since before the index was created. */
    readonly rssBytes: number;
  };
  /** Null when the engine cannot save. */
  readonly saved: (Timing & { readonly bytes: number; readonly saved: unknown }) | null;
  readonly loaded: Timing & { readonly bytes: number | null };
  readonly answered: {
    /** u32[queries * k]; of each row the first `counts[q]` are hits. */
    readonly ordinals: Uint32Array;
    readonly counts: Uint32Array;
  };
  readonly passed: Timing & {
    /** One per query. */
    readonly latenciesUs: Float64Array;
  };
}

/** Which answer a request gets. */
export interface AnswerOf {
  open: Answers['opened'];
  create: Answers['created'];
  add: Answers['added'];
  finish: Answers['finished'];
  save: Answers['saved'];
  load: Answers['loaded'];
  answer: Answers['answered'];
  pass: Answers['passed'];
}

export type RequestName = keyof Requests;
