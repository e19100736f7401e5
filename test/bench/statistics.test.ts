import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { middleOf, passesOf, ratioOf, spreadOf } from '../../bench/report/statistics.ts';
import { median, quantile } from '../../src/lib/quantile.ts';

test('a quantile lies between its neighbours in order', () => {
  assert.equal(quantile([5], 0.99), 5);
  assert.equal(quantile([4, 1, 3, 2], 0), 1);
  assert.equal(quantile([4, 1, 3, 2], 1), 4);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(quantile([0, 10], 0.25), 2.5);
});

test('numbers are ordered as numbers, and the input stays as it is', () => {
  const values = [10, 9, 100];
  assert.equal(median(values), 10);
  assert.deepEqual(values, [10, 9, 100]);
});

test('as many values as the share says are not above a quantile', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, q) => {
        const at = quantile(values, q);
        const rank = q * (values.length - 1);
        assert.ok(values.filter((value) => value <= at).length >= Math.floor(rank));
        assert.ok(values.filter((value) => value >= at).length >= values.length - 1 - Math.ceil(rank));
      },
    ),
    { seed: 3 },
  );
});

test('a spread is the median, both ends, and the values in their order', () => {
  assert.deepEqual(spreadOf([3, 1, 2, 10]), { median: 2.5, min: 1, max: 10, values: [3, 1, 2, 10] });
});

test('a ratio is taken pass by pass, so that what slows one pass for both does not show in it', () => {
  assert.deepEqual(ratioOf([8, 16, 40], [4, 8, 10])?.values, [2, 2, 4]);
  assert.equal(ratioOf([8, 16, 40], [4, 8, 10])?.median, 2);
  assert.deepEqual(
    ratioOf([null, 6, 9], [1, 3, null])?.values,
    [2],
    'passes that tell of one side only are left out',
  );
  assert.equal(ratioOf([null, 1], [1, null]), null);
  assert.deepEqual(passesOf({ median: 4, min: 1, max: 9 }), [4], 'a run before passes were kept');
  assert.equal(middleOf([null, 3, 1, 2]), 2);
  assert.equal(middleOf([null]), null);
});
