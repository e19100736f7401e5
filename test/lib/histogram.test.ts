import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { Histogram, REQUEST_BOUNDS_S, STAGE_BOUNDS_S } from '../../src/lib/histogram.ts';

describe('a histogram', () => {
  test('counts what counting one by one would', () => {
    const bounds = fc
      .uniqueArray(fc.double({ min: -10, max: 10, noNaN: true }), { maxLength: 12 })
      .map((list) => [...list].sort((a, b) => a - b));
    const value = fc.double({ min: -20, max: 20, noNaN: true });
    fc.assert(
      fc.property(bounds, fc.array(value, { maxLength: 50 }), (limits, values) => {
        // A value that equals a bound is within it
        const all = [...values, ...limits];
        const histogram = new Histogram(limits);
        for (const each of all) histogram.observe(each);
        const expected = limits.map((limit) => all.filter((each) => each <= limit).length);
        assert.deepEqual(histogram.cumulative(), [...expected, all.length]);
        assert.ok(Math.abs(histogram.sum - all.reduce((sum, each) => sum + each, 0)) < 1e-9);
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  test('has bounds in ascending order, from microseconds on for stages', () => {
    for (const bounds of [STAGE_BOUNDS_S, REQUEST_BOUNDS_S])
      for (const [i, bound] of bounds.entries()) assert.ok(i === 0 || bound > bounds[i - 1]!);
    assert.ok(STAGE_BOUNDS_S[0]! <= 1e-5 && STAGE_BOUNDS_S.at(-1)! >= 5);
  });
});
