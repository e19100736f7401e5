import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { type Basis, sampleRows, shareKeptBy, trainBasis, wholeBasis } from '../../src/core/basis.ts';
import { type Metric, unitVector } from '../../src/core/metric.ts';
import { dotF32, encodeI8, nearest } from '../../src/core/oracle.ts';
import {
  basisOf,
  blockBytes,
  exportState,
  reopenShard,
  Shard,
  type ShardConfig,
} from '../../src/core/shard.ts';
import type { WasmMemory } from '../../src/core/webassembly.ts';
import { Prng } from '../../src/lib/prng.ts';
import {
  basisRows,
  CORE,
  configOf,
  fill,
  openShard,
  oracleOf,
  PRECISIONS,
  recallOf,
  search,
} from './shards.ts';

const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2'];

/** Vectors of `dim` that vary in `latent` directions and, by `noise`, in all; far from the origin. */
function latentData(random: Prng, metric: Metric, dim: number, latent: number, noise: number) {
  const matrix = Array.from({ length: latent }, () =>
    Float32Array.from({ length: dim }, () => random.normal() / Math.sqrt(latent)),
  );
  const offset = Float32Array.from({ length: dim }, () => random.normal());
  return (): Float32Array => {
    const vector = offset.map((value) => value + noise * random.normal());
    for (const direction of matrix) {
      const z = random.normal();
      for (let i = 0; i < dim; i++) vector[i] = vector[i]! + z * direction[i]!;
    }
    return metric === 'cosine' ? unitVector(vector) : vector;
  };
}

function sampleOf(vectors: readonly Float32Array[]): Float32Array {
  const dim = vectors[0]!.length;
  const sample = new Float32Array(vectors.length * dim);
  for (const [i, vector] of vectors.entries()) sample.set(vector, i * dim);
  return sample;
}

/** A basis of any directions: what is stored must be right with every one. */
function anyBasis(random: Prng, metric: Metric, dim: number, lead: number): Basis {
  // Products know no mean
  const mean = metric === 'dot' ? 0 : 0.1;
  const padded = Math.ceil(dim / 4) * 4;
  const values = new Float32Array((1 + lead) * padded);
  for (let r = 0; r <= lead; r++) {
    for (let i = 0; i < dim; i++)
      values[r * padded + i] = (random.normal() * (r > 0 ? 1 : mean)) / Math.sqrt(dim);
  }
  return { lead, values };
}

/** Share of the true ten nearest, of every tenth row or so, among the first 32 by the codes of a basis. */
function shareCounted(basis: Basis, vectors: readonly Float32Array[], metric: Metric): number {
  const { mean, directions } = basisRows(basis, vectors[0]!.length);
  const centred = vectors.map((vector) => vector.map((value, i) => value - mean[i]!));
  const leads = directions.map((direction) => [...direction]);
  const codes = centred.map((vector) => {
    const lead = leads.map((direction) => direction.reduce((sum, value, i) => sum + value * vector[i]!, 0));
    const { values, scale } = encodeI8(Float32Array.from(lead));
    return Float32Array.from(values, (value) => value * scale);
  });
  const distance = (a: Float32Array, b: Float32Array) =>
    a.reduce((sum, x, i) => sum + (metric === 'dot' ? -x * b[i]! : (x - b[i]!) ** 2), 0);
  const first = (rows: readonly Float32Array[], q: number, k: number) =>
    rows
      .map((row, i) => ({ i, d: distance(rows[q]!, row) }))
      .filter(({ i }) => i !== q)
      .sort((a, b) => a.d - b.d || a.i - b.i)
      .slice(0, k)
      .map(({ i }) => i);
  let kept = 0;
  for (let query = 0; query < 100; query++) {
    const q = Math.floor((query * vectors.length) / 100);
    const among = new Set(first(codes, q, 32));
    kept += first(centred, q, 10).filter((row) => among.has(row)).length;
  }
  return kept / 1000;
}

/** A reader of a shard that is made of another's state, blocks and basis. */
function reopened(memory: WasmMemory, config: ShardConfig, basis: Basis | null): Shard {
  const bytes = blockBytes(memory);
  const copy = reopenShard(CORE, config, exportState(memory), bytes.length, { readers: 1, basis });
  blockBytes(copy).set(bytes);
  return new Shard(CORE, copy, 1);
}

describe('a trained basis', () => {
  const random = new Prng(1);

  test('keeps the few directions of data that have no more, orthonormal', () => {
    for (const metric of METRICS) {
      const draw = latentData(random, metric, 96, 20, 0.01);
      const vectors = Array.from({ length: 2000 }, draw);
      const basis = trainBasis(sampleOf(vectors), 96, metric, 1);
      assert.equal(basis?.lead, 56);
      const { mean, directions } = basisRows(basis, 96);
      for (const [l, a] of directions.entries()) {
        for (const [m, b] of directions.entries()) {
          assert.ok(Math.abs(dotF32(a, b) - (l === m ? 1 : 0)) < 1e-5, `${l} ${m}`);
        }
      }
      for (let i = 0; i < 96; i++) {
        const average = vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length;
        assert.ok(Math.abs(mean[i]! - (metric === 'dot' ? 0 : average)) < 1e-5);
      }
    }
  });

  test('is wider, or none, where few directions are not enough', () => {
    const wide = Array.from({ length: 2000 }, latentData(random, 'l2', 160, 110, 0.01));
    assert.equal(trainBasis(sampleOf(wide), 160, 'l2', 1)?.lead, 120);
    const full = Array.from({ length: 2000 }, latentData(random, 'l2', 96, 96, 1));
    assert.equal(trainBasis(sampleOf(full), 96, 'l2', 1), null);
  });

  test('is the same for the same sample and seed', () => {
    const sample = sampleOf(Array.from({ length: 1500 }, latentData(random, 'cosine', 70, 10, 0.05)));
    assert.deepEqual(trainBasis(sample, 70, 'cosine', 4), trainBasis(sample, 70, 'cosine', 4));
  });

  test('is held against the share of the nearest that a count row by row finds', () => {
    for (const [metric, rows, lead] of [
      ['cosine', 1021, 7],
      ['dot', 1022, 9],
      ['l2', 1023, 6],
    ] as const) {
      const vectors = Array.from({ length: rows }, latentData(random, metric, 60, 12, 0.01));
      const basis = anyBasis(random, metric, 60, lead);
      const share = shareKeptBy(basis, sampleOf(vectors), 60, metric);
      assert.equal(share, shareCounted(basis, vectors, metric));
      assert.ok(share > 0.1 && share < 1, `${metric} ${share}`);
    }
  });

  test('is completed to as many directions as there are dimensions, orthonormal, its own among them', () => {
    for (const metric of METRICS) {
      const vectors = Array.from({ length: 1500 }, latentData(random, metric, 62, 20, 0.01));
      const basis = trainBasis(sampleOf(vectors), 62, metric, 1)!;
      const whole = wholeBasis(basis, 62);
      assert.equal(whole.lead, basis.lead);
      assert.equal(wholeBasis(whole, 62), whole);
      assert.deepEqual(wholeBasis(basis, 62), whole);
      const [own, all] = [basisRows(basis, 62), basisRows(whole, 62)];
      assert.deepEqual(all.mean, own.mean);
      assert.equal(all.directions.length, 62);
      for (const [l, a] of all.directions.entries()) {
        for (const [m, b] of all.directions.entries()) {
          assert.ok(Math.abs(dotF32(a, b) - (l === m ? 1 : 0)) < 1e-5, `${l} ${m}`);
        }
        if (l < basis.lead)
          for (const [i, x] of a.entries()) assert.ok(Math.abs(x - own.directions[l]![i]!) < 1e-6);
      }
    }
  });

  test('in which some directions stand still is completed, too', () => {
    const flat = Array.from({ length: 1200 }, (_, i) =>
      Float32Array.from({ length: 60 }, (_, j) => (j === 3 ? i : 7)),
    );
    const basis = trainBasis(sampleOf(flat), 60, 'l2', 1)!;
    const { directions } = basisRows(wholeBasis(basis, 60), 60);
    for (const [l, a] of directions.entries())
      for (const [m, b] of directions.entries()) assert.ok(Math.abs(dotF32(a, b) - (l === m ? 1 : 0)) < 1e-5);
  });

  test('is not asked of vectors that fit a line as they are, nor of a handful', () => {
    assert.equal(sampleRows(56, 1e6), 0);
    assert.equal(sampleRows(128, 1000), 0);
    assert.equal(sampleRows(128, 2000), 1024);
    assert.equal(sampleRows(128, 20000), 5000);
    assert.ok(sampleRows(128, 1e6) <= 8192);
    assert.ok(sampleRows(4096, 1e6) >= 8192);
  });

  test('of data that stand still in some directions, or altogether, is finite', () => {
    const flat = Array.from({ length: 1200 }, (_, i) =>
      Float32Array.from({ length: 80 }, (_, j) => (j === 3 ? i : 7)),
    );
    const still = Array.from({ length: 1200 }, () => new Float32Array(80).fill(1));
    for (const vectors of [flat, still]) {
      const basis = trainBasis(sampleOf(vectors), 80, 'l2', 1);
      assert.ok(basis === null || basis.values.every(Number.isFinite));
    }
  });
});

describe('a shard with a basis', () => {
  test('gives the ordinals and the bits of the oracle in an exact scan, whatever the basis', () => {
    const random = new Prng(7);
    for (const metric of METRICS) {
      for (const fine of ['i10', 'i4', 'f32'] as const) {
        for (const [dim, lead] of [
          [60, 56],
          [100, 1],
          [129, 57],
          [300, 120],
        ] as const) {
          const config = configOf({ dim, metric, code: 'i8', fine });
          const basis = anyBasis(random, metric, dim, lead);
          const { writer, reader } = openShard(config, 2 ** 26, 2, basis);
          const draw = latentData(random, metric, dim, 10, 0.3);
          const vectors = Array.from({ length: 80 }, draw);
          fill(writer, vectors);
          const oracle = oracleOf(config, basis);
          for (const query of [draw(), vectors[5]!]) {
            assert.deepEqual(
              search(reader, query, 12, 0, { exact: true }),
              nearest(vectors.length, 12, (i) => oracle(query, vectors[i]!)),
              `${metric} ${fine} dim ${dim} lead ${lead}`,
            );
          }
          assert.equal(writer.validate(), undefined);
        }
      }
    }
  });

  test('gives vectors back to within their 12 bits where it is whole', () => {
    const random = new Prng(11);
    for (const metric of METRICS) {
      const draw = latentData(random, metric, 64, 12, 0.1);
      const vectors = Array.from({ length: 1500 }, draw);
      const basis = trainBasis(sampleOf(vectors), 64, metric, 1);
      assert.equal(basis?.lead, 56);
      const config = configOf({ dim: 64, metric, ...PRECISIONS['i8+i4'] });
      const { memory, writer, reader } = openShard(config, 2 ** 27, 2, basis);
      fill(writer, vectors);
      for (const [i, vector] of vectors.entries()) {
        const stored = writer.vector(i);
        const error = Math.hypot(...stored.map((x, j) => x - vector[j]!));
        // Each component within half a step of its 4 further bits, a step being 1 / 2032 of the largest
        assert.ok(error < (Math.hypot(...vector) * Math.sqrt(64)) / 2032, `${metric} ${i}: ${error}`);
      }
      const query = draw();
      const copy = reopened(memory, config, basisOf(memory));
      assert.deepEqual(search(copy, query, 10, 64), search(reader, query, 10, 64));
    }
  });

  test('finds what an exact scan finds, and gives vectors back nearly as they were', () => {
    const random = new Prng(9);
    for (const metric of METRICS) {
      const draw = latentData(random, metric, 100, 12, 0.1);
      const vectors = Array.from({ length: 3000 }, draw);
      const basis = trainBasis(sampleOf(vectors), 100, metric, 1);
      assert.equal(basis?.lead, 56);
      const config = configOf({ dim: 100, metric, ...PRECISIONS['i8+i10'] });
      const { memory, writer, reader } = openShard(config, 2 ** 27, 2, basis);
      fill(writer, vectors);
      assert.equal(writer.validate(), undefined);
      const recall = recallOf(reader, Array.from({ length: 50 }, draw), 10, 96);
      assert.ok(recall >= (metric === 'dot' ? 0.9 : 0.97), `${metric}: recall ${recall}`);
      for (const [i, vector] of vectors.entries()) {
        const stored = writer.vector(i);
        const most = Math.max(...vector.map(Math.abs));
        for (let j = 0; j < 100; j++) assert.ok(Math.abs(stored[j]! - vector[j]!) < most * 0.005);
      }
      const query = draw();
      const copy = reopened(memory, config, basis);
      assert.deepEqual(search(copy, query, 10, 64), search(reader, query, 10, 64));
    }
  });
});
