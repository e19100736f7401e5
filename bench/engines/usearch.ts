/**
 * usearch, which holds vectors as f32, f16 or i8. From JavaScript the width of its searches is fixed when an index is
 * made, so that an index is saved once and read again for each width, before the clock runs. Its codes of 8 bits are
 * not rescored; the variant that is asks for `ef` hits and compares those with the vectors in JavaScript.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trueDistance } from '../data/truth.ts';
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';
import { loadPeer } from './peers.ts';

export type UsearchScalar = 'f32' | 'f16' | 'i8';

interface Matches {
  readonly keys: BigUint64Array;
}

interface Index {
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void;
  search(vector: Float32Array, k: number, threads: number): Matches;
  save(path: string): void;
  load(path: string): void;
}

interface Usearch {
  readonly Index: new (options: object) => Index;
}

/** One thread, where 0 would be all of them. */
const THREADS = 1;
/** A narrow search for the time of building; it is read again for each width. */
const NO_EF = 0;

class UsearchIndex implements BenchIndex {
  readonly #library: Usearch;
  readonly #spec: IndexSpec;
  readonly #scalar: UsearchScalar;
  /** The vectors, where hits are rescored. */
  readonly #vectors: Float32Array | null;
  #index: Index;
  #ef = NO_EF;
  #queries: readonly Float32Array[] = [];
  /** The file that the index is read from. */
  #saved: string | undefined;

  /** @param saved a file that holds the index, which is empty otherwise */
  constructor(library: Usearch, spec: IndexSpec, scalar: UsearchScalar, rescored: boolean, saved?: string) {
    this.#library = library;
    this.#spec = spec;
    this.#scalar = scalar;
    this.#vectors = rescored ? new Float32Array(spec.count * spec.dim) : null;
    this.#index = this.#make(NO_EF);
    this.#saved = saved;
    if (saved !== undefined) this.#index.load(saved);
  }

  #make(ef: number): Index {
    const { dim, metric, m, efConstruction } = this.#spec;
    return new this.#library.Index({
      dimensions: dim,
      metric: metric === 'l2' ? 'l2sq' : 'ip',
      quantization: this.#scalar,
      connectivity: m,
      expansion_add: efConstruction,
      expansion_search: ef,
    });
  }

  add(rows: Float32Array, first: number): void {
    const keys = BigUint64Array.from({ length: rows.length / this.#spec.dim }, (_, i) => BigInt(first + i));
    this.#index.add(keys, rows, THREADS);
    this.#vectors?.set(rows, first * this.#spec.dim);
  }

  finish(): void {
    const folder = mkdtempSync(join(tmpdir(), 'nearpin-usearch-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    this.#saved = join(folder, 'index');
    this.save(this.#saved);
  }

  prepare(queries: readonly Float32Array[]): void {
    // Views of one array would travel as the whole of it
    this.#queries = queries.map((query) => query.slice());
  }

  search(q: number, k: number, ef: number, out: Uint32Array): number {
    if (ef !== this.#ef) {
      this.#index = this.#make(ef);
      // The last one's memory goes with its object, of whose size the collector knows nothing
      (globalThis as { gc?: () => void }).gc?.();
      this.#index.load(this.#saved!);
      this.#ef = ef;
    }
    const query = this.#queries[q]!;
    const { keys } = this.#index.search(query, this.#vectors ? Math.max(k, ef) : k, THREADS);
    if (this.#vectors) return this.#rescore(query, this.#vectors, keys, k, out);
    for (let i = 0; i < keys.length; i++) out[i] = Number(keys[i]);
    return keys.length;
  }

  #rescore(query: Float32Array, vectors: Float32Array, keys: BigUint64Array, k: number, out: Uint32Array) {
    const { dim, metric } = this.#spec;
    const hits = Array.from(keys, (key) => {
      const ordinal = Number(key);
      const vector = vectors.subarray(ordinal * dim, (ordinal + 1) * dim);
      return { ordinal, distance: trueDistance(metric, query, vector) };
    });
    hits.sort((a, b) => a.distance - b.distance);
    const found = Math.min(k, hits.length);
    for (let i = 0; i < found; i++) out[i] = hits[i]!.ordinal;
    return found;
  }

  /** The file is what memory holds; with the vectors where they are kept for rescoring. */
  bytes(): number {
    return statSync(this.#saved!).size + (this.#vectors?.byteLength ?? 0);
  }

  save(path: string): void {
    this.#index.save(path);
  }
}

export async function openUsearch(scalar: UsearchScalar, rescored = false): Promise<BenchEngine> {
  const { library, version } = await loadPeer<Usearch>('usearch');
  return {
    version: `${version} ${scalar}${rescored ? ', rescored in JavaScript' : ''}`,
    takesEf: true,
    build: version,
    create: (spec) => new UsearchIndex(library, spec, scalar, rescored),
    // The file has no vectors to rescore with
    ...(!rescored && { load: (spec, path) => new UsearchIndex(library, spec, scalar, false, path) }),
  };
}
