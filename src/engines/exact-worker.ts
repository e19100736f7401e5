/** Worker of the exact engine. */
import { workerData } from 'node:worker_threads';
import type { WorkerStart } from '../shards/protocol.ts';
import { serveSearches } from '../shards/serve.ts';
import { scanShard } from './exact-scan.ts';

export default serveSearches(workerData as WorkerStart, (shard) => ({
  search: (query, k, isLate) => scanShard(shard, query, k, isLate),
}));
