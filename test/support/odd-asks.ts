/** What a query may ask of odd-worker.ts, by the first component of its vector; the second is milliseconds. */
export const ASK = { answer: 0, exit: 1, uncaught: 2, linger: 3 } as const;
