/** nearpin's own core, called as its search threads call it. */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { trainBasis } from '../../src/core/basis.ts';
import { adviseHugePages } from '../../src/core/huge-pages.ts';
import { renumber } from '../../src/core/renumber.ts';
import { createShard, Shard, shardStats } from '../../src/core/shard.ts';
import { type WasmMemory, type WasmModule, wasm } from '../../src/core/webassembly.ts';
import { encodeRow, type RowLayout, rowLayout } from '../../src/index/attributes.ts';
import { type IndexConfig, type Precision, resolveConfig } from '../../src/index/config.ts';
import { parseFilter } from '../../src/index/filter.ts';
import { compileFilter } from '../../src/index/filter-program.ts';
import { basisRows, blockShapeFor, heapRecordBytes, shardConfigOf } from '../../src/shards/shard-config.ts';
import { loadShard, saveShard } from '../../src/shards/shard-file.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';
import type { SegmentSeal } from '../../src/storage/segment.ts';
import type { BenchFilter } from '../data/filters.ts';
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';

/** Never interrupted: a search runs to its end in one call. */
const BUDGET = 2 ** 31 - 1;
/** Slots of the scratch: the writer's, the main thread's, and from here those of further threads. */
const FIRST_THREAD = 2;

/** Numbers have no codes. */
const noCode = () => 0;

class WasmIndex implements BenchIndex {
  readonly #memory: WasmMemory;
  readonly #module: WasmModule;
  readonly #writer: Shard;
  readonly #reader: Shard;
  readonly #config: IndexConfig;
  readonly #layout: RowLayout;
  readonly #attributes: readonly (readonly [string, Float64Array])[];
  #queries: readonly Float32Array[] = [];
  #filters: readonly BenchFilter[] = [];
  /** What was added as which, by ordinal. */
  #labels = new Uint32Array(0);
  /** Of the one filter for all queries. */
  #program: Uint32Array | null = null;

  constructor(module: WasmModule, memory: WasmMemory, config: IndexConfig, spec: IndexSpec, reader = 1) {
    this.#memory = memory;
    this.#config = config;
    this.#layout = rowLayout(config.attributes);
    this.#attributes = Object.entries(spec.attributes);
    this.#module = module;
    this.#writer = new Shard(module, memory, 0);
    this.#reader = new Shard(module, memory, reader);
  }

  add(rows: Float32Array, first: number): void {
    const { dim } = this.#config;
    for (let i = 0; i * dim < rows.length; i++) {
      const ordinal = first + i;
      const row = this.#attributes.length > 0 ? this.#row(ordinal) : undefined;
      this.#writer.insert(rows.subarray(i * dim, (i + 1) * dim), Buffer.from(String(ordinal)), row);
    }
  }

  #row(ordinal: number): Uint8Array {
    const attributes = Object.fromEntries(this.#attributes.map(([name, values]) => [name, values[ordinal]!]));
    return encodeRow(this.#layout, attributes, noCode).row;
  }

  finish(): void {
    const places = renumber(this.#memory);
    this.#labels = new Uint32Array(places.length);
    for (const [label, ordinal] of places.entries()) this.#labels[ordinal] = label;
  }

  prepare(queries: readonly Float32Array[]): void {
    this.#queries = queries;
    const { count } = shardStats(this.#memory);
    if (count === this.#labels.length) return;
    this.#labels = Uint32Array.from({ length: count }, (_, ordinal) => Number(this.#writer.id(ordinal)));
  }

  filter(filters: readonly BenchFilter[]): void {
    this.#filters = filters;
    this.#program = filters.length === 1 ? this.#compile(filters[0]!) : null;
  }

  #compile({ attribute, from, below }: BenchFilter): Uint32Array {
    const filter = parseFilter({ [attribute]: { $gte: from, $lt: below } }, this.#config.attributes);
    return compileFilter(filter, this.#layout, noCode);
  }

  search(q: number, k: number, ef: number, out: Uint32Array): number {
    const shard = this.#reader;
    const program = this.#filters.length > 1 ? this.#compile(this.#filters[q]!) : this.#program;
    shard.search(this.#queries[q]!, k, ef, false, program, BUDGET);
    const hits = shard.hits();
    for (let i = 0; i < hits; i++) out[i] = this.#labels[shard.hitOrdinal(i)]!;
    shard.leave();
    return hits;
  }

  work(): Readonly<Record<string, number>> {
    const { distances, hops } = this.#reader.stats();
    return { distances, hops };
  }

  bytes(): number {
    return shardStats(this.#memory).bytes;
  }

  save(path: string): SegmentSeal {
    return saveShard(path, this.#memory, this.#module);
  }

  share(): WasmMemory {
    return this.#memory;
  }
}

function configOf(spec: IndexSpec, precision: Precision): IndexConfig {
  const { dim, metric, m, efConstruction, seed } = spec;
  const attributes = Object.fromEntries(
    Object.keys(spec.attributes).map((name) => [name, 'number' as const]),
  );
  return resolveConfig({ dim, metric, m, efConstruction, seed, precision, attributes });
}

/** @param precision the engine's default when null */
export function openWasm(precision: Precision | null): BenchEngine {
  const { version } = createRequire(import.meta.url)('nearpin/package.json') as { version: string };
  const binary = readCoreBinary();
  const module = new wasm.Module(binary);
  // What asks for huge pages takes memory once a process: it is there before an index is, as the libraries of other engines are
  adviseHugePages(new wasm.Memory({ initial: 1, maximum: 1, shared: true }), 0, 0);
  const configFor = (spec: IndexSpec) =>
    configOf(spec, precision ?? resolveConfig({ dim: spec.dim, metric: spec.metric }).precision);
  const optionsFor = ({ threads }: IndexSpec) => ({ readers: FIRST_THREAD + threads - 1 });
  return {
    version: precision === null ? version : `${version} ${precision}`,
    takesEf: true,
    build: createHash('sha256').update(binary).digest('hex'),
    create(spec, draw) {
      const config = configFor(spec);
      const idBytes = heapRecordBytes(1 + String(spec.count).length);
      const shape = blockShapeFor(config, spec.count, spec.count * idBytes);
      const shardConfig = shardConfigOf(config, shape);
      const sampled = basisRows(shardConfig, spec.count);
      const basis = sampled > 0 ? trainBasis(draw(sampled), spec.dim, spec.metric, spec.seed) : null;
      const memory = createShard(module, shardConfig, { ...optionsFor(spec), basis });
      return new WasmIndex(module, memory, config, spec);
    },
    load(spec, path, saved) {
      const config = configFor(spec);
      const expected = { ...(saved as SegmentSeal), count: spec.count };
      return new WasmIndex(module, loadShard(path, expected, config, module, optionsFor(spec)), config, spec);
    },
    attach(spec, shared, thread) {
      return new WasmIndex(module, shared as WasmMemory, configFor(spec), spec, FIRST_THREAD + thread);
    },
  };
}
