/** The bootstrap: the same as drawing lists of cases, and intervals that hold the truth as often as they say. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { bootstrap, ClusterSums, estimate, RESAMPLES, ROWS_MAX } from '../../src/evaluation/bootstrap.ts';
import { Prng } from '../../src/lib/prng.ts';

const columnOf = (c: number) => (means: Float64Array) => means[c]!;
const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function tableOf(rows: readonly (readonly number[])[], cluster?: (i: number) => string | undefined) {
  const table = new ClusterSums(rows[0]!.length, 1);
  for (const [i, row] of rows.entries()) table.add(Float64Array.from(row), cluster?.(i));
  return table;
}

test('draws are those of whole clusters, list by list', () => {
  const prng = new Prng(3);
  const rows = Array.from({ length: 40 }, (_, i) => [
    prng.float(),
    i % 7 === 0 ? Number.NaN : prng.float(),
    prng.normal(),
  ]);
  // Users of one to three cases, and cases of nobody
  const cluster = (i: number) => (i % 5 === 0 ? undefined : `user ${i % 17}`);
  const clusters = new Map<string, number[][]>();
  for (const [i, row] of rows.entries()) {
    const name = cluster(i) ?? `alone ${i}`;
    clusters.set(name, [...(clusters.get(name) ?? []), row]);
  }
  const table = tableOf(rows, cluster);
  assert.equal(table.clusters, clusters.size);
  const means = bootstrap(table, 9);

  const lists = [...clusters.values()];
  const draws = new Prng(9);
  assert.equal(means.drawn.length, RESAMPLES);
  for (const drawn of means.drawn.slice(0, 200)) {
    const cases = lists.flatMap(() => lists[draws.below(lists.length)]!);
    for (let c = 0; c < 3; c++) {
      const expected = meanOf(cases.map((row) => row[c]!).filter((value) => !Number.isNaN(value)));
      assert.ok(Math.abs(drawn[c]! - expected) < 1e-12);
    }
  }
  const all = rows.map((row) => row[1]!).filter((value) => !Number.isNaN(value));
  assert.ok(Math.abs(means.all[1]! - meanOf(all)) < 1e-12);
});

test('the same seed gives the same interval, another one another', () => {
  const prng = new Prng(4);
  const table = tableOf(Array.from({ length: 100 }, () => [prng.normal()]));
  const interval = (seed: number) => estimate(bootstrap(table, seed), columnOf(0));
  assert.deepEqual(interval(1), interval(1));
  assert.notDeepEqual(interval(1), interval(2));
});

/** Runs in which the interval of a figure holds the truth, of `runs`. */
function covered(
  runs: number,
  draw: (prng: Prng) => ClusterSums,
  figure: (means: Float64Array) => number,
  truth: number,
): number {
  let count = 0;
  for (let run = 0; run < runs; run++) {
    const { low, high } = estimate(bootstrap(draw(new Prng(1000 + run)), run), figure);
    if (low! <= truth && truth <= high!) count++;
  }
  return count / runs;
}

test('95 of 100 intervals hold the mean of a known distribution', () => {
  // Exponential, so neither symmetric nor normal; its mean is 1. 250 runs know the share within 0.028
  const draw = (prng: Prng) => tableOf(Array.from({ length: 60 }, () => [-Math.log(1 - prng.float())]));
  const share = covered(250, draw, columnOf(0), 1);
  assert.ok(share > 0.88 && share < 0.98, `${share}`);
});

test('intervals of a paired difference hold the truth, and are narrow where hard cases are hard for both', () => {
  const draw = (prng: Prng) =>
    tableOf(
      Array.from({ length: 50 }, () => {
        const hardness = prng.normal();
        return [hardness + 0.2 + 0.1 * prng.normal(), hardness + 0.1 * prng.normal()];
      }),
    );
  const difference = (means: Float64Array) => means[0]! - means[1]!;
  const share = covered(120, draw, difference, 0.2);
  assert.ok(share > 0.88 && share < 0.99, `${share}`);
  const means = bootstrap(draw(new Prng(5)), 1);
  const width = (figure: (means: Float64Array) => number) => {
    const { low, high } = estimate(means, figure);
    return high! - low!;
  };
  assert.ok(width(difference) < 0.2 * width(columnOf(0)));
});

test('cases of one user are drawn together: more of the same tell nothing new', () => {
  const prng = new Prng(6);
  const values = Array.from({ length: 60 }, () => prng.normal());
  const tenfold = values.flatMap((value) => Array.from({ length: 10 }, () => [value]));
  const width = (table: ClusterSums) => {
    const { low, high } = estimate(bootstrap(table, 1), columnOf(0));
    return high! - low!;
  };
  const once = width(tableOf(values.map((value) => [value])));
  const byUser = width(tableOf(tenfold, (i) => `user ${Math.floor(i / 10)}`));
  const alone = width(tableOf(tenfold));
  assert.ok(Math.abs(byUser - once) < 1e-12);
  assert.ok(alone < 0.5 * once, 'taken for independent, they pretend to more than they know');
});

test('more clusters than rows are shared out, and the interval stays as wide as it should', () => {
  const prng = new Prng(7);
  const count = 5 * ROWS_MAX;
  const table = new ClusterSums(1, 1);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const value = prng.normal();
    sum += value;
    table.add(Float64Array.of(value), undefined);
  }
  assert.equal(table.rows, ROWS_MAX);
  assert.equal(table.clusters, count);
  const { value, low, high } = estimate(bootstrap(table, 1), columnOf(0));
  assert.ok(Math.abs(value! - sum / count) < 1e-12);
  const expected = (2 * 1.96) / Math.sqrt(count);
  assert.ok(Math.abs((high! - low!) / expected - 1) < 0.1, `${high! - low!} against ${expected}`);
});

test('what is not defined is null, and so is an end that nothing bounds', () => {
  const nothing = bootstrap(tableOf([[Number.NaN], [Number.NaN]]), 1);
  assert.deepEqual(estimate(nothing, columnOf(0)), { value: null, low: null, high: null });
  // The one case in which the other has anything is missing from a third of the draws
  const means = bootstrap(tableOf(Array.from({ length: 50 }, (_, i) => [1, i === 0 ? 1 : 0])), 1);
  const { value, low, high } = estimate(means, ([a, b]) => a! / b!);
  assert.equal(value, 50);
  assert.ok(low! > 0 && low! < 50);
  assert.equal(high, null);
});
