/** nearpin's own core, called as its search threads call it. */
import { createRequire } from 'node:module';
import { createShard, type MemoryOptions, Shard, shardStats } from '../../src/core/shard.ts';
import { type WasmMemory, type WasmModule, wasm } from '../../src/core/webassembly.ts';
import { type IndexConfig, type Precision, resolveConfig } from '../../src/index/config.ts';
import { blockShapeFor, heapRecordBytes, shardConfigOf } from '../../src/shards/shard-config.ts';
import { loadShard, saveShard } from '../../src/shards/shard-file.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';
import type { SegmentSeal } from '../../src/storage/segment.ts';
import type { BenchEngine, BenchIndex, IndexSpec } from './adapter.ts';

/** Never interrupted: a search runs to its end in one call. */
const BUDGET = 2 ** 31 - 1;
const MEMORY: MemoryOptions = { readers: 1 };

class WasmIndex implements BenchIndex {
  readonly #memory: WasmMemory;
  readonly #writer: Shard;
  readonly #reader: Shard;
  #queries: readonly Float32Array[] = [];

  constructor(module: WasmModule, memory: WasmMemory) {
    this.#memory = memory;
    this.#writer = new Shard(module, memory, 0);
    this.#reader = new Shard(module, memory, 1);
  }

  add(rows: Float32Array, first: number): void {
    const { dim } = this.#writer;
    for (let i = 0; i * dim < rows.length; i++) {
      this.#writer.insert(rows.subarray(i * dim, (i + 1) * dim), Buffer.from(String(first + i)));
    }
  }

  prepare(queries: readonly Float32Array[]): void {
    this.#queries = queries;
  }

  search(q: number, k: number, ef: number, out: Uint32Array): number {
    const shard = this.#reader;
    shard.search(this.#queries[q]!, k, ef, false, null, BUDGET);
    const hits = shard.hits();
    for (let i = 0; i < hits; i++) out[i] = shard.hitOrdinal(i);
    shard.leave();
    return hits;
  }

  bytes(): number {
    return shardStats(this.#memory).bytes;
  }

  save(path: string): SegmentSeal {
    return saveShard(path, this.#memory);
  }
}

function configOf(spec: IndexSpec, precision: Precision): IndexConfig {
  const { dim, metric, m, efConstruction, seed } = spec;
  return resolveConfig({ dim, metric, m, efConstruction, seed, precision });
}

export function openWasm(precision: Precision): BenchEngine {
  const { version } = createRequire(import.meta.url)('nearpin/package.json') as { version: string };
  const module = new wasm.Module(readCoreBinary());
  return {
    version: `${version} ${precision}`,
    isGraph: true,
    create: (spec) => {
      const config = configOf(spec, precision);
      const idBytes = heapRecordBytes(1 + String(spec.count).length);
      const shape = blockShapeFor(config, spec.count, spec.count * idBytes);
      return new WasmIndex(module, createShard(module, shardConfigOf(config, shape), MEMORY));
    },
    load: (spec, path, saved) => {
      const expected = { ...(saved as SegmentSeal), count: spec.count };
      return new WasmIndex(module, loadShard(path, expected, configOf(spec, precision), module, MEMORY));
    },
  };
}
