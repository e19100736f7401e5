/** What a query may ask of odd-worker.ts, by the first component of its vector; the second is milliseconds. */
export const ASK = { answer: 0, exit: 1, uncaught: 2, linger: 3, fault: 4 } as const;

/** A distance of odd-worker.ts is the number of the searcher times this, and the number of the task. */
export const SEARCHER_STEP = 1e6;
