import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { Prng } from '../../src/lib/prng.ts';

describe('a permutation', () => {
  test('holds each number once, in the same order for the same seed', () => {
    for (const n of [0, 1, 2, 1000]) {
      const numbers = new Prng(5).permutation(n);
      assert.deepEqual(
        [...numbers].sort((a, b) => a - b),
        Array.from({ length: n }, (_, i) => i),
      );
      assert.deepEqual(new Prng(5).permutation(n), numbers);
    }
    assert.notDeepEqual(new Prng(5).permutation(1000), new Prng(6).permutation(1000));
  });

  test('puts every number everywhere', () => {
    const random = new Prng(7);
    const seen = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
    for (let round = 0; round < 4000; round++)
      for (const [place, number] of random.permutation(4).entries()) seen[number]![place]!++;
    for (const counts of seen) for (const count of counts) assert.ok(count > 850 && count < 1150, `${count}`);
  });
});
