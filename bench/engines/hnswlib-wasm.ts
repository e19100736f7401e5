/**
 * hnswlib-wasm: hnswlib compiled for browsers, without SIMD. It asks for a window, and complains at length about the
 * file system that browsers have; searching works without. It cannot save here.
 */
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';
import { importPeer } from './peers.ts';

interface Index {
  initIndex(maxElements: number, m: number, efConstruction: number, randomSeed: number): void;
  addPoint(point: Float32Array, label: number, replaceDeleted: boolean): void;
  setEfSearch(ef: number): void;
  searchKnn(
    query: Float32Array,
    k: number,
    filter: undefined,
  ): { neighbors: ArrayLike<number>; distances: ArrayLike<number> };
}

interface Library {
  readonly HierarchicalNSW: new (space: string, dim: number, autoSaveFile: string) => Index;
}

class HnswlibWasmIndex implements BenchIndex {
  readonly #index: Index;
  readonly #dim: number;
  #queries: readonly Float32Array[] = [];
  #ef = 0;

  constructor(index: Index, dim: number) {
    this.#index = index;
    this.#dim = dim;
  }

  add(rows: Float32Array, first: number): void {
    for (let i = 0; i * this.#dim < rows.length; i++) {
      this.#index.addPoint(rows.subarray(i * this.#dim, (i + 1) * this.#dim), first + i, false);
    }
  }

  prepare(queries: readonly Float32Array[]): void {
    this.#queries = queries;
  }

  search(q: number, k: number, ef: number, out: Uint32Array): number {
    if (ef !== this.#ef) this.#index.setEfSearch(ef);
    this.#ef = ef;
    const { neighbors } = this.#index.searchKnn(this.#queries[q]!, k, undefined);
    for (let i = 0; i < neighbors.length; i++) out[i] = neighbors[i]!;
    return neighbors.length;
  }
}

export async function openHnswlibWasm(): Promise<BenchEngine> {
  (globalThis as { window?: unknown }).window = globalThis;
  // It takes hold of these when it is loaded
  const { log, warn, error } = console;
  Object.assign(console, { log() {}, warn() {}, error() {} });
  const { library, version } = await importPeer<{ loadHnswlib: () => Promise<Library> }>(
    'hnswlib-wasm',
    'dist/hnswlib.js',
  );
  const { HierarchicalNSW } = await library.loadHnswlib();
  Object.assign(console, { log, warn, error });
  return {
    version: `${version} no SIMD`,
    takesEf: true,
    build: version,
    create(spec: IndexSpec) {
      const index = new HierarchicalNSW(spec.metric === 'l2' ? 'l2' : 'ip', spec.dim, '');
      index.initIndex(spec.count, spec.m, spec.efConstruction, spec.seed);
      return new HnswlibWasmIndex(index, spec.dim);
    },
  };
}
