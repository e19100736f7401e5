import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { spreadOf } from '../../bench/report/statistics.ts';
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

test('a spread is the median and both ends', () => {
  assert.deepEqual(spreadOf([3, 1, 2, 10]), { median: 2.5, min: 1, max: 10 });
});
