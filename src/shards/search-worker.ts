/** Worker of the wasm engine. */
import { workerData } from 'node:worker_threads';
import { CoreSearcher } from './core-searcher.ts';
import type { WorkerStart } from './protocol.ts';
import { serveSearches } from './serve.ts';

export default serveSearches(workerData as WorkerStart, (shard) => new CoreSearcher(shard));
