/**
 * What is to be known of a request while it is answered: how long its stages take, and how each shard was searched. Who
 * answers tells it to a watch as it happens; what becomes of it (metrics, a slow-query log, spans) is the watch's matter.
 */

/** The stages of a request, each with the number that it goes by. */
export const STAGE = {
  /** The body, from bytes to values. */
  decode: 0,
  /** Checks, defaults and limits. */
  plan: 1,
  /** Texts to vectors. */
  embed: 2,
  /** From asking for a search of a shard to its begin in a thread. */
  queue: 3,
  /** In the core, all that follows of a search included. */
  search: 4,
  /** Of that, evaluating the filter on rows. */
  filter: 5,
  /** Of that, comparing the last candidates by what their codes leave out. */
  rescore: 6,
  /** From the hits of shards to one list. */
  merge: 7,
  /** Search by words. */
  words: 8,
  /** Payloads and attributes of hits. */
  payload: 9,
  /** The answer, to bytes. */
  encode: 10,
} as const;

export type Stage = (typeof STAGE)[keyof typeof STAGE];
export const STAGES = Object.keys(STAGE) as readonly (keyof typeof STAGE)[];

/** What gave the hits of a shard; their places are the numbers that travel between threads. */
export const SHARD_PLANS = ['graph', 'scan', 'two-hop', 'none'] as const;

/** What the search of one shard took. */
export interface ShardWork {
  /** Index into SHARD_PLANS. */
  readonly plan: number;
  /** Distances computed. */
  readonly compared: number;
  /** Nodes whose lists of links were read. */
  readonly visited: number;
  /** Id of the thread; 0 for the main one. */
  readonly thread: number;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  readonly queuedMs: number;
  readonly searchMs: number;
  /** Parts of `searchMs`; NaN in most searches, in which they are not looked at. */
  readonly filterMs: number;
  readonly rescoreMs: number;
}

/** Of a search that did not begin. */
export const NO_WORK: ShardWork = {
  plan: SHARD_PLANS.indexOf('none'),
  compared: 0,
  visited: 0,
  thread: 0,
  startedAtMs: 0,
  queuedMs: 0,
  searchMs: 0,
  filterMs: Number.NaN,
  rescoreMs: Number.NaN,
};

/** One search of an engine. */
export interface WatchedSearch {
  /** One per shard. */
  readonly shards: readonly { readonly ef: number; readonly work: ShardWork }[];
  readonly isComplete: boolean;
}

export interface Watch<Query = unknown> {
  /** Milliseconds since the epoch, with a fraction. */
  now(): number;
  /** A stage has lasted from `sinceMs` until now. */
  took(stage: Stage, sinceMs: number): void;
  /** An engine has searched its shards. */
  searched(query: Query, search: WatchedSearch): void;
}
