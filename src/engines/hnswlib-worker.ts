/**
 * Worker of the hnswlib engine, the reference: hnswlib-node over the same vectors with the same parameters. Its
 * indexes cannot be shared between threads, so each worker builds its own of each shard, when it is first asked.
 */
import { createRequire } from 'node:module';
import { workerData } from 'node:worker_threads';
import type { HierarchicalNSW } from 'hnswlib-node';
import type { Shard } from '../core/shard.ts';
import { NearpinError } from '../lib/errors.ts';
import type { ShardQuery, WorkerStart } from '../shards/protocol.ts';
import { type Found, type Searcher, serveSearches } from '../shards/serve.ts';
import { acceptor, distanceTo, scanShard } from './exact-scan.ts';

type Hnswlib = typeof import('hnswlib-node');

function loadHnswlib(): Hnswlib {
  try {
    return createRequire(import.meta.url)('hnswlib-node') as Hnswlib;
  } catch (cause) {
    throw new NearpinError(
      'engine_unavailable',
      'hnswlib-node is not installed; `npm install hnswlib-node` builds it and needs python, make and a C++ compiler',
      [],
      { cause },
    );
  }
}

class HnswlibSearcher implements Searcher {
  readonly #shard: Shard;
  readonly #index: HierarchicalNSW;

  constructor(shard: Shard) {
    const { HierarchicalNSW } = loadHnswlib();
    this.#shard = shard;
    // Cosine is the inner product of unit vectors, which is what a cosine shard holds
    this.#index = new HierarchicalNSW(shard.metric === 'l2' ? 'l2' : 'ip', shard.dim);
    this.#index.initIndex({
      maxElements: Math.max(1, shard.count),
      m: shard.m,
      efConstruction: shard.efConstruction,
      randomSeed: shard.seed,
    });
    for (let ordinal = 0; ordinal < shard.count; ordinal++) {
      if (shard.isLive(ordinal)) this.#index.addPoint(Array.from(shard.vector(ordinal)), ordinal);
    }
  }

  search(query: ShardQuery): Found {
    const points = this.#index.getCurrentCount();
    const k = Math.min(query.k, points);
    if (query.exact || k === 0) return scanShard(this.#shard, query);
    const accepts = query.program ? acceptor(this.#shard, query) : undefined;
    let { ef } = query;
    if (accepts) {
      let matching = 0;
      for (let ordinal = 0; ordinal < this.#shard.count; ordinal++) matching += accepts(ordinal) ? 1 : 0;
      // hnswlib returns too few where few match, so those are scanned
      if (matching <= Math.max(1024, points / 8)) return scanShard(this.#shard, query);
      ef = Math.ceil((ef * points) / matching);
    }
    this.#index.setEf(ef);
    const { neighbors } = this.#index.searchKnn(Array.from(query.vector), k, accepts);
    if (neighbors.length < k) return scanShard(this.#shard, query);
    // The same arithmetic as the other engines', so that scores agree to the bit
    const distance = distanceTo(this.#shard, this.#shard.metric, query.vector);
    const hits = neighbors.map((ordinal) => ({ ordinal, distance: distance(ordinal) }));
    hits.sort((a, b) => a.distance - b.distance || a.ordinal - b.ordinal);
    return {
      ordinals: hits.map((hit) => hit.ordinal),
      distances: hits.map((hit) => hit.distance),
      ef,
      complete: true,
    };
  }
}

export default serveSearches(workerData as WorkerStart, (shard) => new HnswlibSearcher(shard));
