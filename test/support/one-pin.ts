/** Shards of one pin, and queries of them, for the tests of what searches them. */
import assert from 'node:assert/strict';
import { createShard, Shard } from '../../src/core/shard.ts';
import type { WasmMemory } from '../../src/core/webassembly.ts';
import { resolveConfig } from '../../src/index/config.ts';
import type { SearchPool } from '../../src/shards/pool.ts';
import type { ShardFailure, ShardHits, ShardQuery } from '../../src/shards/protocol.ts';
import { shardConfigOf } from '../../src/shards/shard-config.ts';
import { CORE } from './built-index.ts';

/** A shard of the one pin `id`. */
export function shardOfOne(pool: SearchPool, id = 'only'): WasmMemory {
  const config = shardConfigOf(resolveConfig({ dim: 2, metric: 'l2' }), { blockShift: 4, heapBytes: 8192 });
  const memory = createShard(CORE, config, { readers: pool.readers, limitBytes: 2 ** 24 });
  new Shard(CORE, memory, 0).insert(Float32Array.of(0, 0), Buffer.from(id));
  return memory;
}

/** A query whose first components say what it asks of odd-worker.ts. */
export const ask = (what: number, ms = 0): ShardQuery => ({
  vector: Float32Array.of(what, ms),
  k: 1,
  ef: 1,
  exact: false,
  program: null,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  withVectors: false,
  explain: false,
});

/** Of a search that did not fail. */
export const hitsOf = (result: ShardHits | ShardFailure | undefined): ShardHits => {
  assert.ok(result && 'ids' in result, JSON.stringify(result));
  return result;
};
