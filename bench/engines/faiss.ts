/**
 * faiss-node: HNSW over f32 ("HNSW16,Flat"). From JavaScript neither efConstruction nor the width of a search can be set,
 * so that it has one point: faiss' own 40 and 16. Its package fetches a binary or sources from outside the package
 * registry when it is installed, which does not work everywhere; it is optional in bench/peers.
 */
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';
import { loadPeer } from './peers.ts';

interface Index {
  add(vectors: number[]): void;
  search(query: number[], k: number): { labels: readonly number[] };
  write(path: string): void;
}

interface Faiss {
  readonly Index: {
    fromFactory(dim: number, description: string, metric?: number): Index;
    read(path: string): Index;
  };
  readonly MetricType: { readonly METRIC_L2: number; readonly METRIC_INNER_PRODUCT: number };
}

class FaissIndex implements BenchIndex {
  readonly #index: Index;
  #queries: readonly number[][] = [];

  constructor(index: Index) {
    this.#index = index;
  }

  add(rows: Float32Array): void {
    this.#index.add(Array.from(rows));
  }

  prepare(queries: readonly Float32Array[]): void {
    this.#queries = queries.map((query) => Array.from(query));
  }

  search(q: number, k: number, _ef: number, out: Uint32Array): number {
    const { labels } = this.#index.search(this.#queries[q]!, k);
    let found = 0;
    // A place without a hit has the label -1
    for (const label of labels) if (label >= 0) out[found++] = label;
    return found;
  }

  save(path: string): void {
    this.#index.write(path);
  }
}

export async function openFaiss(): Promise<BenchEngine> {
  const { library, version } = await loadPeer<Faiss>('faiss-node', {
    how: '`npm ci` in bench/peers installs it where it can fetch its binary, which is not in the package registry',
  });
  const { Index, MetricType } = library;
  return {
    version: `${version} HNSW, Flat`,
    takesEf: false,
    build: version,
    create({ dim, metric, m }: IndexSpec) {
      const type = metric === 'l2' ? MetricType.METRIC_L2 : MetricType.METRIC_INNER_PRODUCT;
      return new FaissIndex(Index.fromFactory(dim, `HNSW${m},Flat`, type));
    },
    load: (_spec, path) => new FaissIndex(Index.read(path)),
  };
}
