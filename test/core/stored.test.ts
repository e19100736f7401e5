import assert from 'node:assert/strict';
import test from 'node:test';
import { trainBasis } from '../../src/core/basis.ts';
import { unitVector } from '../../src/core/metric.ts';
import { addLevels, decodeI8, decodeWholeLevels, expand } from '../../src/core/oracle.ts';
import { basisParts, type Shard } from '../../src/core/shard.ts';
import { Prng } from '../../src/lib/prng.ts';
import { configOf, fill, openShard, PRECISIONS } from './shards.ts';

const N = 40;

/** Vectors that vary most along few directions, so that there is a basis to be found. */
function drawMany(random: Prng, dim: number, isUnit: boolean): Float32Array[] {
  return Array.from({ length: N }, () => {
    const z = random.normal();
    const vector = Float32Array.from({ length: dim }, (_, i) => 1 + z * Math.sin(i) + 0.1 * random.normal());
    return isUnit ? unitVector(vector) : vector;
  });
}

/** What the levels of an ordinal say, computed one number after the other. */
function twin(
  shard: Shard,
  precision: keyof typeof PRECISIONS,
  ordinal: number,
  given: Float32Array,
): Float32Array {
  if (precision === 'i8') return decodeI8(shard.codeI8(ordinal));
  if (precision !== 'i8+i10' && precision !== 'i8+i4') return given;
  const { mean, directions } = basisParts(shard.memory);
  let centred: Float32Array;
  if (precision === 'i8+i4') {
    centred = expand(decodeWholeLevels(shard.wholeLevels(ordinal)), directions, shard.dim);
  } else {
    const { code, residual } = shard.twoLevels(ordinal);
    centred = addLevels(expand(decodeI8(code), directions, shard.dim), residual);
  }
  return directions.length === 0 ? centred : centred.map((value, i) => value + mean[i]!);
}

test('a stored vector is, bit for bit, what its levels say, and leaves nothing behind in the scratch', () => {
  const random = new Prng(4);
  let bases = 0;
  for (const metric of ['cosine', 'l2'] as const)
    for (const precision of Object.keys(PRECISIONS) as (keyof typeof PRECISIONS)[])
      for (const dim of [2, 3, 15, 16, 17, 63, 65, 98, 100, 127, 128, 257]) {
        const vectors = drawMany(random, dim, metric === 'cosine');
        const sample = Float32Array.from(vectors.flatMap((vector) => [...vector]));
        const basis =
          precision === 'i8+i10' || precision === 'i8+i4' ? trainBasis(sample, dim, metric, 1) : null;
        bases += Number(basis !== null);
        const config = configOf({ dim, metric, ...PRECISIONS[precision] });
        const { writer, reader } = openShard(config, undefined, undefined, basis);
        fill(writer, vectors);
        const ordinals = Array.from({ length: N }, (_, i) => (i * 7) % N);
        const expected = ordinals.map((ordinal) => twin(writer, precision, ordinal, vectors[ordinal]!));
        const what = `${metric}, ${precision}, ${dim} dimensions`;
        assert.deepEqual(
          [...reader.vectors(ordinals)],
          expected.flatMap((vector) => [...vector]),
          what,
        );
        assert.deepEqual(reader.vector(3), twin(writer, precision, 3, vectors[3]!), what);
        // What is inserted next begins in the same scratch
        const again = writer.vector(5);
        const next = writer.insert(again, Buffer.from('next'));
        assert.deepEqual(writer.vector(next), twin(writer, precision, next, again), what);
        assert.equal(writer.validate(), undefined, what);
      }
  assert.ok(bases > 0, 'no vectors had a basis');
});
