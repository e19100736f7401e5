/**
 * A search worker that tells on itself, for the tests of the pool. It answers every query with one hit, whose distance
 * says which task brought it and which searcher answered, and whose ef is the thread; and the first component of the
 * query's vector can ask it to fail, as real threads do.
 */
import { threadId, workerData } from 'node:worker_threads';
import type { Attend, SearchTask, ShardQuery, WorkerStart } from '../../src/shards/protocol.ts';
import { serveSearches } from '../../src/shards/serve.ts';
import type { Found } from '../../src/shards/task-runner.ts';
import { ASK, SEARCHER_STEP } from './odd-asks.ts';

let task = 0;
let last: ArrayBufferLike | undefined;
let searchers = 0;
const pause = new Int32Array(new SharedArrayBuffer(4));

function search({ vector }: ShardQuery, searcher: number): Found {
  // The queries of a task come in one buffer, also at the desk
  if (vector.buffer !== last) task++;
  last = vector.buffer;
  const [ask, ms] = vector;
  if (ask === ASK.exit) process.exit(3);
  if (ask === ASK.uncaught) {
    setImmediate(() => {
      throw new Error('uncaught');
    });
  }
  if (ask === ASK.linger) Atomics.wait(pause, 0, 0, ms);
  if (ask === ASK.fault) throw new RangeError('outside of everything');
  return { ordinals: [0], distances: [searcher * SEARCHER_STEP + task], ef: threadId, complete: true };
}

const serve = serveSearches(workerData as WorkerStart, () => {
  const searcher = searchers++;
  return { search: (query) => search(query, searcher) };
});

export default (message: SearchTask | Attend) => {
  if ('queries' in message) {
    task++;
    last = message.queries;
  }
  return serve(message);
};
