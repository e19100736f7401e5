import assert from 'node:assert/strict';
import test from 'node:test';
import { filtersOf, passes, windowsOf } from '../../bench/data/filters.ts';
import { Prng } from '../../src/lib/prng.ts';

const COUNT = 2000;
const QUERIES = 50;
const prng = new Prng(1);
const values = Float64Array.from({ length: COUNT }, () => prng.float());
const key = ({ from, below }: { from: number; below: number }) => `${from} ${below}`;

test('the share that is asked for passes, of any query', () => {
  for (const isFresh of [false, true]) {
    for (const share of [1, 0.5, 0.1, 0.01]) {
      const windows = windowsOf({ attribute: 'random', share, isFresh }, values, QUERIES);
      for (let q = 0; q < QUERIES; q++) {
        const passing = values.filter((_, ordinal) => passes(windows, q, ordinal)).length;
        const wanted = COUNT * share;
        assert.ok(Math.abs(passing - wanted) <= 5 * Math.sqrt(wanted * (1 - share)), `${share}: ${passing}`);
      }
    }
  }
  assert.ok(passes(undefined, 0, 0));
});

test('one filter is for all queries, round after round', () => {
  const spec = { attribute: 'random', share: 0.1, isFresh: false };
  assert.deepEqual(filtersOf(spec, QUERIES, 0), [{ attribute: 'random', from: 0, below: 0.1 }]);
  assert.deepEqual(filtersOf(spec, QUERIES, 9), filtersOf(spec, QUERIES, 0));
});

test('fresh filters are never the same, and pass the same vectors in every round', () => {
  for (const share of [1, 0.5, 0.001]) {
    const spec = { attribute: 'random', share, isFresh: true };
    const rounds = [0, 1, 2, 500].map((round) => filtersOf(spec, QUERIES, round));
    assert.equal(new Set(rounds.flat().map(key)).size, 4 * QUERIES, String(share));
    const [first, ...others] = rounds.map((filters) =>
      filters.map(({ from, below }) =>
        Array.from(values.keys()).filter((i) => values[i]! >= from && values[i]! < below),
      ),
    );
    for (const other of others) assert.deepEqual(other, first);
  }
});
