/** A vector that is written again: recognised when what is stored of it would be the same, and only then. */
import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import type { Basis } from '../../src/core/basis.ts';
import type { Metric } from '../../src/core/metric.ts';
import type { Shard } from '../../src/core/shard.ts';
import { Prng } from '../../src/lib/prng.ts';
import { clusteredData, configOf, drawMany, openShard, PRECISIONS } from './shards.ts';

const DIM = 70;
const LEAD = 56;

/** The mean and as many of the axes as a code has components. */
function axesBasis(): Basis {
  const padded = Math.ceil(DIM / 4) * 4;
  const values = new Float32Array((1 + LEAD) * padded);
  values.fill(0.01, 0, DIM);
  for (let l = 0; l < LEAD; l++) values[(1 + l) * padded + l] = 1;
  return { lead: LEAD, values };
}

/** All that a slot holds of its vector. */
function heldAt(shard: Shard, ordinal: number): unknown {
  if (shard.finest === 'i10') return shard.twoLevels(ordinal);
  if (shard.finest === 'i4') return shard.wholeLevels(ordinal);
  return shard.finest === 'i8' ? shard.codeI8(ordinal) : shard.vector(ordinal);
}

/** The twin: the vector is inserted and what is stored then is compared. */
function holdsTwin(shard: Shard, ordinal: number, vector: Float32Array): boolean {
  const held = heldAt(shard, ordinal);
  const anew = heldAt(shard, shard.insert(vector, Buffer.from('anew')));
  try {
    assert.deepEqual(anew, held);
    return true;
  } catch {
    return false;
  }
}

describe('a vector that is written again', () => {
  for (const precision of Object.keys(PRECISIONS) as (keyof typeof PRECISIONS)[]) {
    for (const metric of ['cosine', 'dot', 'l2'] as Metric[]) {
      for (const withBasis of precision.startsWith('i8+') ? [false, true] : [false]) {
        test(`is told from others under ${precision}, ${metric}${withBasis ? ', with a basis' : ''}`, () => {
          const random = new Prng(5);
          const draw = clusteredData(random, metric, DIM, 5, 0.05);
          const vectors = drawMany(200, draw);
          const basis = withBasis ? axesBasis() : null;
          const { writer } = openShard(
            configOf({ dim: DIM, metric, ...PRECISIONS[precision] }),
            2 ** 26,
            2,
            basis,
          );
          for (let i = 0; i < 200; i++) writer.insert(vectors[i]!, Buffer.from(`p${i}`));
          let same = 0;
          let other = 0;
          for (let i = 0; i < 200; i++) {
            assert.equal(writer.holds(i, vectors[i]!), true);
            assert.equal(writer.holds(i, vectors[(i + 1) % 200]!), false);
            // From what no code can tell apart to what every one does
            const near = vectors[i]!.slice();
            near[random.below(DIM)]! += 10 ** (-8 + random.below(6));
            const holds = writer.holds(i, near);
            assert.equal(holds, holdsTwin(writer, i, near), `pin ${i}`);
            if (holds) same++;
            else other++;
          }
          assert.ok(same > 0 && other > 0, `${same} the same, ${other} others`);
        });
      }
    }
  }

  test('is not held by a slot whose pin was removed, nor by one that never was', () => {
    const { writer } = openShard(configOf({ dim: 4, metric: 'l2' }));
    const vector = Float32Array.of(1, 2, 3, 4);
    writer.insert(vector, Buffer.from('a'));
    assert.equal(writer.holds(0, vector), true);
    assert.equal(writer.holds(1, vector), false);
    writer.remove(0);
    assert.equal(writer.holds(0, vector), false);
  });
});
