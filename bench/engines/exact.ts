/** A plain scan of every vector in JavaScript: what searching costs without an index. */
import type { BenchFilter } from '../data/filters.ts';
import { trueDistance } from '../data/truth.ts';
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';

class ExactIndex implements BenchIndex {
  readonly #spec: IndexSpec;
  readonly #vectors: Float32Array;
  #queries: readonly Float32Array[] = [];
  #filters: readonly BenchFilter[] = [];

  constructor(spec: IndexSpec) {
    this.#spec = spec;
    this.#vectors = new Float32Array(spec.count * spec.dim);
  }

  add(rows: Float32Array, first: number): void {
    this.#vectors.set(rows, first * this.#spec.dim);
  }

  prepare(queries: readonly Float32Array[]): void {
    this.#queries = queries;
  }

  filter(filters: readonly BenchFilter[]): void {
    this.#filters = filters;
  }

  search(q: number, k: number, _ef: number, out: Uint32Array): number {
    const { dim, count, metric, attributes } = this.#spec;
    const filter = this.#filters[q % this.#filters.length];
    const values = filter && attributes[filter.attribute];
    let matching = 0;
    const query = this.#queries[q]!;
    const distances = new Float64Array(k).fill(Number.POSITIVE_INFINITY);
    for (let ordinal = 0; ordinal < count; ordinal++) {
      if (values && !(values[ordinal]! >= filter.from && values[ordinal]! < filter.below)) continue;
      matching++;
      const distance = trueDistance(
        metric,
        query,
        this.#vectors.subarray(ordinal * dim, (ordinal + 1) * dim),
      );
      if (distance >= distances[k - 1]!) continue;
      let at = k - 1;
      while (at > 0 && distances[at - 1]! > distance) {
        distances[at] = distances[at - 1]!;
        out[at] = out[at - 1]!;
        at--;
      }
      distances[at] = distance;
      out[at] = ordinal;
    }
    return Math.min(k, matching);
  }

  bytes(): number {
    return this.#vectors.byteLength;
  }
}

export function openExact(): BenchEngine {
  return {
    version: 'f32 scan',
    takesEf: false,
    readsAttributes: true,
    build: '1',
    create: (spec) => new ExactIndex(spec),
  };
}
