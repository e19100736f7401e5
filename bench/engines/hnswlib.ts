/** hnswlib-node: hnswlib as npm compiles it, which is for any x86-64 and so without AVX. */
import { createRequire } from 'node:module';
import type { HierarchicalNSW } from 'hnswlib-node';
import { loadHnswlib } from '../../src/engines/hnswlib-library.ts';
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';

type Hnswlib = typeof import('hnswlib-node');

class HnswlibIndex implements BenchIndex {
  readonly #index: HierarchicalNSW;
  readonly #dim: number;
  #queries: readonly number[][] = [];
  #ef = 0;

  constructor(index: HierarchicalNSW, dim: number) {
    this.#index = index;
    this.#dim = dim;
  }

  add(rows: Float32Array, first: number): void {
    for (let i = 0; i * this.#dim < rows.length; i++) {
      this.#index.addPoint(Array.from(rows.subarray(i * this.#dim, (i + 1) * this.#dim)), first + i);
    }
  }

  prepare(queries: readonly Float32Array[]): void {
    this.#queries = queries.map((query) => Array.from(query));
  }

  search(q: number, k: number, ef: number, out: Uint32Array): number {
    if (ef !== this.#ef) this.#index.setEf(ef);
    this.#ef = ef;
    const { neighbors } = this.#index.searchKnn(this.#queries[q]!, k);
    for (let i = 0; i < neighbors.length; i++) out[i] = neighbors[i]!;
    return neighbors.length;
  }

  save(path: string): void {
    this.#index.writeIndexSync(path);
  }
}

function space({ HierarchicalNSW }: Hnswlib, { metric, dim }: IndexSpec): HierarchicalNSW {
  // Cosine is the inner product of unit vectors, without dividing by the lengths again
  return new HierarchicalNSW(metric === 'l2' ? 'l2' : 'ip', dim);
}

export function openHnswlib(library: Hnswlib = loadHnswlib(), build = 'as npm builds it'): BenchEngine {
  const { version } = createRequire(import.meta.url)('hnswlib-node/package.json') as { version: string };
  return {
    version: `${version} ${build}`,
    isGraph: true,
    create: (spec) => {
      const index = space(library, spec);
      const { count, m, efConstruction, seed } = spec;
      index.initIndex({ maxElements: count, m, efConstruction, randomSeed: seed });
      return new HnswlibIndex(index, spec.dim);
    },
    load: (spec, path) => {
      const index = space(library, spec);
      index.readIndexSync(path);
      return new HnswlibIndex(index, spec.dim);
    },
  };
}
