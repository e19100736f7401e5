/** The tail of chi-square: tables, closed forms and a naive twin by integration. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { chiSquareTail, logGamma, upperGamma } from '../../src/evaluation/gamma.ts';

const near = (actual: number, expected: number, relative: number) =>
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.abs(expected),
    `${actual} is not within ${relative} of ${expected}`,
  );

test('critical values of the tables', () => {
  // Degrees of freedom, the value, its upper tail
  for (const [degrees, x, p] of [
    [1, 3.841459, 0.05],
    [1, 10.827566, 0.001],
    [2, 5.991465, 0.05],
    [2, 13.815511, 0.001],
    [3, 7.814728, 0.05],
    [5, 20.515006, 0.001],
    [10, 18.307038, 0.05],
    [30, 15.0, 0.99],
    [100, 124.342113, 0.05],
  ] as const) {
    const tail = chiSquareTail(x, degrees);
    near(tail, p, degrees === 30 ? 0.002 : 1e-6);
  }
});

test('with an even number of degrees the tail is a finite sum', () => {
  for (const degrees of [2, 4, 6, 20]) {
    for (const x of [0.01, 0.5, 1, 3, 10, 30, 100, 500]) {
      let term = Math.exp(-x / 2);
      let sum = 0;
      for (let i = 0; i < degrees / 2; i++) {
        sum += term;
        term *= x / 2 / (i + 1);
      }
      near(chiSquareTail(x, degrees), sum, 1e-11);
    }
  }
});

test('with one degree the tail is that of the normal distribution on both sides, by integration', () => {
  for (const x of [0.04, 1, 2.5, 6, 12]) {
    // Simpson's rule over the density of the normal distribution, from the root of x up to where nothing is left
    const [from, to, steps] = [Math.sqrt(x), 12, 20_000];
    const width = (to - from) / steps;
    let sum = 0;
    for (let i = 0; i <= steps; i++) {
      const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
      sum += weight * Math.exp(-((from + i * width) ** 2) / 2);
    }
    near(chiSquareTail(x, 1), (2 * sum * width) / 3 / Math.sqrt(2 * Math.PI), 1e-9);
  }
});

test('log gamma knows factorials and the half; the ends of the tail are 1 and 0', () => {
  let factorial = 1;
  for (let n = 1; n < 20; n++) {
    assert.ok(Math.abs(logGamma(n) - Math.log(factorial)) < 1e-11, `gamma(${n})`);
    factorial *= n;
  }
  near(logGamma(0.5), Math.log(Math.PI) / 2, 1e-13);
  assert.equal(upperGamma(3, 0), 1);
  assert.equal(upperGamma(0.5, 1e5), 0);
  let before = 1;
  for (let x = 0.1; x < 60; x += 0.1) {
    const tail = upperGamma(2.5, x);
    assert.ok(tail < before && tail > 0, `falls at ${x}`);
    before = tail;
  }
});
