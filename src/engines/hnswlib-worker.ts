/**
 * Worker of the hnswlib engine, the reference: hnswlib-node over the same vectors with the same parameters. Its
 * indexes cannot be shared between threads, so each worker builds its own of each shard, when it first searches it.
 */
import { workerData } from 'node:worker_threads';
import type { HierarchicalNSW } from 'hnswlib-node';
import type { Shard } from '../core/shard.ts';
import { Prng } from '../lib/prng.ts';
import type { ShardQuery, WorkerStart } from '../shards/protocol.ts';
import { serveSearches } from '../shards/serve.ts';
import type { Found, Searcher } from '../shards/task-runner.ts';
import { acceptor, distanceTo, scanShard } from './exact-scan.ts';
import { loadHnswlib } from './hnswlib-library.ts';

function buildIndex(shard: Shard): HierarchicalNSW {
  const { HierarchicalNSW } = loadHnswlib();
  // Cosine is the inner product of unit vectors, which is what a cosine shard holds
  const index = new HierarchicalNSW(shard.metric === 'l2' ? 'l2' : 'ip', shard.dim);
  index.initIndex({
    maxElements: Math.max(1, shard.count),
    m: shard.m,
    efConstruction: shard.efConstruction,
    randomSeed: shard.seed,
  });
  // Neighbouring ordinals are neighbours, and inserted in that order they would make a graph of islands
  for (const ordinal of new Prng(shard.seed).permutation(shard.count)) {
    if (shard.isLive(ordinal)) index.addPoint(Array.from(shard.vector(ordinal)), ordinal);
  }
  return index;
}

class HnswlibSearcher implements Searcher {
  readonly #shard: Shard;
  #index: HierarchicalNSW | undefined;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  search(query: ShardQuery, wanted: number, isLate: () => boolean): Found {
    const scan = () => scanShard(this.#shard, query, wanted, isLate);
    if (query.exact || isLate()) return scan();
    this.#index ??= buildIndex(this.#shard);
    const points = this.#index.getCurrentCount();
    if (points === 0) return scan();
    const k = Math.min(wanted, points);
    const accepts = query.program ? acceptor(this.#shard, query) : undefined;
    let { ef } = query;
    if (accepts) {
      let matching = 0;
      for (let ordinal = 0; ordinal < this.#shard.count; ordinal++) matching += accepts(ordinal) ? 1 : 0;
      // hnswlib returns too few where few match, so those are scanned
      if (matching <= Math.max(1024, points / 8)) return scan();
      ef = Math.ceil((ef * points) / matching);
    }
    this.#index.setEf(ef);
    const { neighbors } = this.#index.searchKnn(Array.from(query.vector), k, accepts);
    if (neighbors.length < k) return scan();
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
