/**
 * hnswlib-node: hnswlib as npm compiles it, which is for any x86-64 and so without AVX; and the same compiled for the
 * machine at hand, which `npm run native` in bench/peers makes.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { HierarchicalNSW } from 'hnswlib-node';
import { loadHnswlib } from '../../src/engines/hnswlib-library.ts';
import type { BenchFilter } from '../data/filters.ts';
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';
import { loadPeer } from './peers.ts';

type Hnswlib = typeof import('hnswlib-node');

class HnswlibIndex implements BenchIndex {
  readonly #index: HierarchicalNSW;
  readonly #spec: IndexSpec;
  #queries: readonly number[][] = [];
  #accepts: readonly ((label: number) => boolean)[] = [];
  #ef = 0;

  constructor(index: HierarchicalNSW, spec: IndexSpec) {
    this.#index = index;
    this.#spec = spec;
  }

  add(rows: Float32Array, first: number): void {
    const { dim } = this.#spec;
    for (let i = 0; i * dim < rows.length; i++) {
      this.#index.addPoint(Array.from(rows.subarray(i * dim, (i + 1) * dim)), first + i);
    }
  }

  prepare(queries: readonly Float32Array[]): void {
    this.#queries = queries.map((query) => Array.from(query));
  }

  filter(filters: readonly BenchFilter[]): void {
    this.#accepts = filters.map(({ attribute, from, below }) => {
      const values = this.#spec.attributes[attribute]!;
      return (label) => values[label]! >= from && values[label]! < below;
    });
  }

  search(q: number, k: number, ef: number, out: Uint32Array): number {
    if (ef !== this.#ef) this.#index.setEf(ef);
    this.#ef = ef;
    const accepts = this.#accepts[q % this.#accepts.length];
    const { neighbors } = this.#index.searchKnn(this.#queries[q]!, k, accepts);
    for (let i = 0; i < neighbors.length; i++) out[i] = neighbors[i]!;
    return neighbors.length;
  }

  save(path: string): void {
    this.#index.writeIndexSync(path);
  }

  /** Its indexes belong to one thread, so that every other reads a copy. */
  share(folder: string): string {
    const path = join(folder, 'hnswlib.bin');
    this.#index.writeIndexSync(path);
    return path;
  }
}

function engineOf(library: Hnswlib, version: string): BenchEngine {
  const space = ({ metric, dim }: IndexSpec) =>
    // Cosine is the inner product of unit vectors, without dividing by the lengths again
    new library.HierarchicalNSW(metric === 'l2' ? 'l2' : 'ip', dim);
  const read = (spec: IndexSpec, path: string) => {
    const index = space(spec);
    index.readIndexSync(path);
    return new HnswlibIndex(index, spec);
  };
  return {
    version,
    takesEf: true,
    readsAttributes: true,
    build: version,
    create(spec) {
      const index = space(spec);
      const { count, m, efConstruction, seed } = spec;
      index.initIndex({ maxElements: count, m, efConstruction, randomSeed: seed });
      return new HnswlibIndex(index, spec);
    },
    load: read,
    attach: (spec, shared) => read(spec, shared as string),
  };
}

export function openHnswlib(): BenchEngine {
  const library = loadHnswlib();
  const { version } = createRequire(import.meta.url)('hnswlib-node/package.json') as { version: string };
  return engineOf(library, `${version} as npm builds it`);
}

export async function openHnswlibNative(): Promise<BenchEngine> {
  const { library, version } = await loadPeer<Hnswlib>('hnswlib-node', {
    folder: 'native/',
    how: '`npm run native` in bench/peers compiles it for this machine',
  });
  return engineOf(library, `${version} -march=native`);
}
