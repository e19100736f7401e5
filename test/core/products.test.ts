import assert from 'node:assert/strict';
import test from 'node:test';
import { dotF32 } from '../../src/core/oracle.ts';
import { Products } from '../../src/core/products.ts';
import { Prng } from '../../src/lib/prng.ts';
import { CORE } from './shards.ts';

const random = new Prng(3);
const draw = (dim: number) => Float32Array.from({ length: dim }, () => random.normal());
const drawMany = (n: number, dim: number) => Array.from({ length: n }, () => draw(dim));

test('products are those of the naive twin, whatever was readied before, and beyond the room that is kept', () => {
  const products = new Products(CORE);
  // Of the same and of other lengths, with and without padding, none, wider than the room, and small again
  for (const [n, dim] of [
    [150, 128],
    [150, 127],
    [3, 2],
    [0, 0],
    [7, 130],
    [2048, 1500],
    [1, 4096],
    [20, 33],
  ] as const) {
    const vectors = drawMany(n, dim);
    const productsOf = products.of(vectors);
    for (let round = 0; round < 3; round++) {
      const x = draw(dim);
      assert.deepEqual(
        [...productsOf(x)],
        vectors.map((vector) => dotF32(vector, x)),
        `${n} x ${dim}`,
      );
    }
  }
});

test('vectors of the shape of those before leave nothing behind', () => {
  const products = new Products(CORE);
  products.of(drawMany(5, 8))(draw(8));
  const zeros = products.of([new Float32Array(6), new Float32Array(6)]);
  assert.deepEqual([...zeros(draw(6))], [0, 0]);
});
