/** Shards whose codes do not fit their pins are made anew, with the same pins; the others are left alone. */
import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { trainBasis } from '../../src/core/basis.ts';
import { unitVector } from '../../src/core/metric.ts';
import { basisOf, createShard, Shard, shardStats } from '../../src/core/shard.ts';
import type { WasmMemory } from '../../src/core/webassembly.ts';
import { encodeRow, rowLayout } from '../../src/index/attributes.ts';
import { resolveConfig } from '../../src/index/config.ts';
import { Prng } from '../../src/lib/prng.ts';
import { renewShard } from '../../src/shards/renew-shard.ts';
import { blockShapeFor, shardConfigOf } from '../../src/shards/shard-config.ts';
import { CORE } from '../support/built-index.ts';

const DIM = 64;
const COUNT = 8300;
const LIMIT = 2 ** 30;
const CONFIG = resolveConfig({
  dim: DIM,
  metric: 'cosine',
  attributes: { n: 'number', marks: 'keyword[]' },
  m: 6,
  efConstruction: 16,
  precision: 'i8+i10',
});

/** Vectors that vary in 20 directions of the seed's, and a little in all. */
function latent(seed: number): () => Float32Array {
  const random = new Prng(seed);
  const matrix = Array.from({ length: 20 }, () => Float32Array.from({ length: DIM }, () => random.normal()));
  return () => {
    const vector = Float32Array.from({ length: DIM }, () => 0.1 * random.normal());
    for (const direction of matrix) {
      const z = random.normal();
      for (let i = 0; i < DIM; i++) vector[i]! += z * direction[i]!;
    }
    return unitVector(vector);
  };
}

const codes = (_: string, value: string) => Number(value.slice(1)) + 1;

/** A shard of pins p0 … of which every hundredth is removed again. */
function fill(draw: () => Float32Array, basis: ReturnType<typeof trainBasis>): WasmMemory {
  const config = shardConfigOf(CONFIG, blockShapeFor(CONFIG, COUNT, COUNT * 40));
  const memory = createShard(CORE, config, { readers: 0, basis });
  const shard = new Shard(CORE, memory, 0);
  const layout = rowLayout(CONFIG.attributes);
  for (let i = 0; i < COUNT; i++) {
    const { row, lists } = encodeRow(layout, { n: i, marks: [`m${i % 5}`, `m${5 + (i % 3)}`] }, codes);
    shard.insert(draw(), Buffer.from(`p${i}`), row, lists);
  }
  for (let i = 0; i < COUNT; i += 100) shard.remove(i);
  return memory;
}

/** Every pin with what is stored of it, by id. */
function contentOf(memory: WasmMemory): Map<string, { vector: Float32Array; n: number; lists: number[] }> {
  const shard = new Shard(CORE, memory, 0);
  const { lists } = rowLayout(CONFIG.attributes);
  const content = new Map();
  for (let ordinal = 0; ordinal < shard.count; ordinal++) {
    if (!shard.isLive(ordinal)) continue;
    const row = shard.row(ordinal);
    content.set(shard.id(ordinal), {
      vector: shard.vector(ordinal),
      n: row.getFloat64(0, true),
      lists: [...shard.list(row.getUint32(lists.offset, true))],
    });
  }
  return content;
}

describe('a shard at a checkpoint', () => {
  const grown = fill(latent(1), null);
  const renewed = renewShard(CORE, grown, CONFIG, 0, LIMIT)!;

  test('that has grown from nothing gets a basis, and holds the same pins', () => {
    assert.ok(renewed);
    assert.ok(basisOf(renewed), 'it has a basis');
    assert.equal(new Shard(CORE, renewed, 0).validate(), undefined);
    const before = contentOf(grown);
    const after = contentOf(renewed);
    assert.equal(after.size, before.size);
    assert.equal(shardStats(renewed).live, shardStats(grown).live);
    for (const [id, { vector, n, lists }] of before) {
      const now = after.get(id)!;
      assert.deepEqual([now.n, now.lists], [n, lists], id);
      for (let i = 0; i < DIM; i++) assert.ok(Math.abs(now.vector[i]! - vector[i]!) < 1e-3, id);
    }
  });

  test('that has a basis which fits is left alone', () => {
    assert.equal(renewShard(CORE, renewed, CONFIG, 0, LIMIT), undefined);
  });

  test('that had about as many pins before is left alone: training came to nothing then', () => {
    assert.equal(renewShard(CORE, grown, CONFIG, 8192, LIMIT), undefined);
  });

  test('for which there is no room is left alone', () => {
    assert.equal(renewShard(CORE, grown, CONFIG, 0, 2 ** 20), undefined);
  });

  test('whose pins are another kind of thing than those of its basis gets another', () => {
    const draw = latent(2);
    const sample = new Float32Array(2000 * DIM);
    for (let row = 0; row < 2000; row++) sample.set(draw(), row * DIM);
    // Of those directions that these pins do not have
    const basis = trainBasis(sample, DIM, 'cosine', 1)!;
    const padded = DIM;
    const own = basisOf(renewed)!.values;
    const others = basis.values.slice();
    for (let l = 0; l < 20; l++) {
      const direction = others.subarray((1 + l) * padded, (2 + l) * padded);
      for (let m = 1; m <= 20; m++) {
        const away = own.subarray(m * padded, (m + 1) * padded);
        const dot = direction.reduce((sum, x, i) => sum + x * away[i]!, 0);
        for (let i = 0; i < DIM; i++) direction[i]! -= dot * away[i]!;
      }
    }
    const drifted = fill(latent(1), { lead: basis.lead, values: others.fill(0, (1 + 20) * padded) });
    const anew = renewShard(CORE, drifted, CONFIG, COUNT, LIMIT);
    assert.ok(anew);
    assert.notDeepEqual(basisOf(anew)!.values, others);
    assert.equal(contentOf(anew).size, contentOf(drifted).size);
  });
});
