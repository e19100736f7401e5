/** Metrics: examples worked out by hand, and a naive twin for each. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  diversityOf,
  gainsOf,
  hitAt,
  idealGains,
  meanAt,
  ndcgAt,
  recallAt,
  reciprocalRankAt,
} from '../../src/evaluation/metrics.ts';

const SEED = 20261121;
const near = (actual: number, expected: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

test('a list worked out by hand', () => {
  // Grades 3, 2 and 1; of six places the second, third and sixth are relevant
  const relevant = new Map([
    ['a', 3],
    ['b', 1],
    ['c', 2],
    ['never shown', 1],
  ]);
  const gains = gainsOf(['x', 'b', 'a', 'y', 'z', 'c'], relevant);
  assert.deepEqual([...gains], [0, 1, 3, 0, 0, 2]);
  assert.equal(recallAt(gains, 4, 3), 0.5);
  assert.equal(recallAt(gains, 4, 6), 0.75);
  assert.equal(recallAt(gains, 4, 100), 0.75);
  assert.equal(reciprocalRankAt(gains, 6), 0.5);
  assert.equal(reciprocalRankAt(gains, 1), 0);
  assert.equal(hitAt(gains, 1), 0);
  assert.equal(hitAt(gains, 2), 1);
  // DCG@3 = 1 / log2 3 + 3 / log2 4 = 0.63093 + 1.5; ideal = 3 + 2 / log2 3 + 1 / log2 4 = 3 + 1.26186 + 0.5
  near(ndcgAt(gains, idealGains(relevant), 3), 2.1309297535714573 / 4.761859507142915);
  // At 6: + 2 / log2 7 = 0.71241; the ideal has + 1 / log2 5 = 0.43068
  near(ndcgAt(gains, idealGains(relevant), 6), 0.5475829329014117);
});

test('the best order has an nDCG of 1, an empty list has nothing, and order within the grades is free', () => {
  const relevant = new Map([
    ['a', 2],
    ['b', 1],
    ['c', 1],
  ]);
  for (const best of [
    ['a', 'b', 'c'],
    ['a', 'c', 'b'],
  ])
    for (const k of [1, 2, 3, 10]) near(ndcgAt(gainsOf(best, relevant), idealGains(relevant), k), 1);
  const none = gainsOf([], relevant);
  assert.deepEqual([recallAt(none, 3, 10), hitAt(none, 10), reciprocalRankAt(none, 10)], [0, 0, 0]);
  assert.equal(ndcgAt(none, idealGains(relevant), 10), 0);
});

test('a pin that is shown twice counts once', () => {
  const relevant = new Map([['a', 1]]);
  const gains = gainsOf(['a', 'a', 'a'], relevant);
  assert.equal(recallAt(gains, 1, 3), 1);
  assert.equal(ndcgAt(gains, idealGains(relevant), 3), 1);
});

test('relevance metrics are those of the definitions, and none leaves [0, 1] or falls with k but nDCG', () => {
  const ids = 'abcdefghij'.split('');
  const list = fc.uniqueArray(fc.constantFrom(...ids), { maxLength: 8 });
  const grades = fc
    .uniqueArray(fc.tuple(fc.constantFrom(...ids), fc.integer({ min: 1, max: 4 })), {
      minLength: 1,
      selector: ([id]) => id,
    })
    .map((entries) => new Map(entries));
  const k = fc.integer({ min: 1, max: 10 });
  fc.assert(
    fc.property(list, grades, k, (shown, relevant, k) => {
      const gains = gainsOf(shown, relevant);
      const top = shown.slice(0, k);
      const found = top.filter((id) => relevant.has(id));
      near(recallAt(gains, relevant.size, k), found.length / relevant.size);
      assert.equal(hitAt(gains, k), found.length > 0 ? 1 : 0);
      assert.equal(reciprocalRankAt(gains, k), found.length > 0 ? 1 / (top.indexOf(found[0]!) + 1) : 0);
      const dcg = (order: readonly string[]) =>
        order.reduce((sum, id, i) => sum + ((relevant.get(id) ?? 0) * Math.LN2) / Math.log(i + 2), 0);
      const best = [...relevant.keys()].sort((a, b) => relevant.get(b)! - relevant.get(a)!).slice(0, k);
      const ndcg = ndcgAt(gains, idealGains(relevant), k);
      near(ndcg, dcg(top) / dcg(best), 1e-9);
      assert.ok(ndcg >= 0 && ndcg <= 1 + 1e-12);
      assert.ok(recallAt(gains, relevant.size, k + 1) >= recallAt(gains, relevant.size, k));
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test('diversity is 0 of the same, 1 of orthogonal and 2 of opposite vectors, and nothing of one', () => {
  const unit = (...values: number[]) => Float32Array.from(values);
  near(diversityOf([unit(1, 0), unit(1, 0), unit(1, 0)]), 0);
  near(diversityOf([unit(1, 0, 0), unit(0, 1, 0), unit(0, 0, 1)]), 1);
  near(diversityOf([unit(1, 0), unit(-1, 0)]), 2);
  // Similarities 1, 0 and 0
  near(diversityOf([unit(1, 0), unit(1, 0), unit(0, 1)]), 1 - 1 / 3);
  assert.ok(Number.isNaN(diversityOf([unit(1, 0)])));
  assert.ok(Number.isNaN(diversityOf([])));
});

test('diversity by the sum is that of all pairs', () => {
  const vector = fc
    .array(fc.integer({ min: -9, max: 9 }), { minLength: 5, maxLength: 5 })
    .map((values) => Float32Array.from(values, (value) => value / (Math.hypot(...values) || 1)));
  fc.assert(
    fc.property(fc.array(vector, { minLength: 2, maxLength: 9 }), (units) => {
      let sum = 0;
      let pairs = 0;
      for (let i = 0; i < units.length; i++) {
        for (let j = 0; j < i; j++) {
          sum += units[i]!.reduce((dot, value, at) => dot + value * units[j]![at]!, 0);
          pairs++;
        }
      }
      near(diversityOf(units), 1 - sum / pairs, 1e-5);
    }),
    { seed: SEED },
  );
});

test('the mean of the first values', () => {
  assert.equal(meanAt([1, 2, 6], 2), 1.5);
  assert.equal(meanAt([1, 2, 6], 9), 3);
  assert.ok(Number.isNaN(meanAt([], 3)));
});
