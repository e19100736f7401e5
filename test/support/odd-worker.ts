/**
 * A search worker that tells on itself, for the tests of the pool. It answers every query with one hit, whose distance
 * is the number of the task that brought it and whose vector says which thread ran it; and the first component of the
 * query's vector can ask it to die, as real threads do.
 */
import { threadId, workerData } from 'node:worker_threads';
import type { SearchTask, WorkerStart } from '../../src/shards/protocol.ts';
import { serveSearches } from '../../src/shards/serve.ts';
import { ASK } from './odd-asks.ts';

let task = 0;
const pause = new Int32Array(new SharedArrayBuffer(4));

const serve = serveSearches(workerData as WorkerStart, () => ({
  search: ({ vector }) => {
    const [ask, ms] = vector;
    if (ask === ASK.exit) process.exit(3);
    if (ask === ASK.uncaught) {
      setImmediate(() => {
        throw new Error('uncaught');
      });
    }
    if (ask === ASK.linger) Atomics.wait(pause, 0, 0, ms);
    return { ordinals: [0], distances: [task], ef: threadId, complete: true };
  },
}));

export default (message: SearchTask) => {
  const result = serve(message);
  if (result !== 'unknown_set') task++;
  return result;
};
