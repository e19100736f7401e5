/**
 * LanceDB: a table in a file with an HNSW index of 8-bit codes in one partition, hits rescored with the vectors. Its
 * searches are asynchronous and run in threads of its own, all on the cores that the process is pinned to.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchFilter } from '../data/filters.ts';
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';
import { loadPeer } from './peers.ts';

/** Candidates that are compared with the vectors, as a multiple of k. */
const REFINE_FACTOR = 2;

interface Column {
  toArray(): ArrayLike<number>;
}

interface VectorQuery {
  distanceType(type: string): VectorQuery;
  select(columns: string[]): VectorQuery;
  where(predicate: string): VectorQuery;
  limit(k: number): VectorQuery;
  ef(ef: number): VectorQuery;
  refineFactor(factor: number): VectorQuery;
  toArrow(): Promise<{ getChild(name: string): Column }>;
}

interface Table {
  add(data: object[]): Promise<unknown>;
  createIndex(column: string, options: unknown): Promise<void>;
  query(): { nearestTo(vector: Float32Array): VectorQuery };
}

interface LanceDb {
  connect(uri: string): Promise<{ createTable(name: string, data: object[]): Promise<Table> }>;
  readonly Index: { hnswSq(options: object): unknown };
}

class LanceDbIndex implements BenchIndex {
  readonly #library: LanceDb;
  readonly #spec: IndexSpec;
  readonly #folder: string;
  #table: Table | undefined;
  #queries: readonly Float32Array[] = [];
  #wheres: readonly string[] = [];

  constructor(library: LanceDb, spec: IndexSpec) {
    this.#library = library;
    this.#spec = spec;
    this.#folder = mkdtempSync(join(tmpdir(), 'nearpin-lancedb-'));
    process.once('exit', () => rmSync(this.#folder, { recursive: true, force: true }));
  }

  get #distanceType(): string {
    return this.#spec.metric === 'l2' ? 'l2' : 'dot';
  }

  async add(rows: Float32Array, first: number): Promise<void> {
    const data = this.#rows(rows, first);
    if (this.#table) await this.#table.add(data);
    else this.#table = await (await this.#library.connect(this.#folder)).createTable('bench', data);
  }

  #rows(rows: Float32Array, first: number): object[] {
    const { dim, attributes } = this.#spec;
    const named = Object.entries(attributes);
    return Array.from({ length: rows.length / dim }, (_, i) => ({
      id: first + i,
      vector: Array.from(rows.subarray(i * dim, (i + 1) * dim)),
      ...Object.fromEntries(named.map(([name, values]) => [name, values[first + i]!])),
    }));
  }

  async finish(): Promise<void> {
    const { m, efConstruction } = this.#spec;
    const config = this.#library.Index.hnswSq({
      distanceType: this.#distanceType,
      numPartitions: 1,
      m,
      efConstruction,
    });
    await this.#table!.createIndex('vector', { config });
  }

  prepare(queries: readonly Float32Array[]): void {
    this.#queries = queries.map((query) => query.slice());
  }

  filter(filters: readonly BenchFilter[]): void {
    this.#wheres = filters.map(({ attribute, from, below }) => {
      const name = `\`${attribute}\``;
      return `${name} >= ${from} AND ${name} < ${below}`;
    });
  }

  async search(q: number, k: number, ef: number, out: Uint32Array): Promise<number> {
    const query = this.#table!.query()
      .nearestTo(this.#queries[q]!)
      .distanceType(this.#distanceType)
      .select(['id', '_distance'])
      .limit(k)
      .refineFactor(REFINE_FACTOR)
      // Its searches are refused when they are narrower than what they are to rescore
      .ef(Math.max(ef, k * REFINE_FACTOR));
    const where = this.#wheres[q % this.#wheres.length];
    const found = await (where === undefined ? query : query.where(where)).toArrow();
    const ids = found.getChild('id').toArray();
    for (let i = 0; i < ids.length; i++) out[i] = ids[i]!;
    return ids.length;
  }

  /** Its files, which it reads through the page cache. */
  bytes(): number {
    return readdirSync(this.#folder, { recursive: true, encoding: 'utf8' })
      .map((name) => statSync(join(this.#folder, name)))
      .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
  }
}

export async function openLanceDb(): Promise<BenchEngine> {
  const { library, version } = await loadPeer<LanceDb>('@lancedb/lancedb');
  return {
    version: `${version} HNSW_SQ, refined`,
    takesEf: true,
    build: version,
    create: (spec) => new LanceDbIndex(library, spec),
  };
}
