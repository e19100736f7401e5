/** The sample-ratio check: when arms have as many units as they should, and when not. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { checkSampleRatio } from '../../src/evaluation/sample-ratio.ts';
import { Prng } from '../../src/lib/prng.ts';

const mapOf = (counts: Record<string, number>) => new Map(Object.entries(counts));
const check = (shares: Record<string, number>, units: Record<string, number>) =>
  checkSampleRatio(mapOf(shares), mapOf(units));

test('an example worked out by hand', () => {
  // (520 - 500)^2 / 500 twice = 1.6, whose upper tail with one degree is 0.2059
  const { chiSquare, degrees, p, isSuspect, arms } = check({ a: 1, b: 1 }, { a: 520, b: 480 });
  assert.equal(chiSquare, 1.6);
  assert.equal(degrees, 1);
  assert.ok(Math.abs(p - 0.20590321) < 1e-7);
  assert.equal(isSuspect, false);
  assert.deepEqual(arms[0], { arm: 'a', share: 0.5, units: 520, expected: 500 });
});

test('the same ratio is suspect with enough units', () => {
  assert.equal(check({ a: 0.5, b: 0.5 }, { a: 52_000, b: 48_000 }).isSuspect, true);
  assert.equal(check({ a: 0.9, b: 0.1 }, { a: 90_010, b: 9_990 }).isSuspect, false);
  assert.equal(check({ a: 9, b: 1 }, { a: 50_000, b: 50_000 }).isSuspect, true);
});

test('units of an arm that is not configured, or not any more, are no chance', () => {
  for (const shares of [
    { a: 1, b: 1 },
    { a: 1, b: 1, c: 0 },
  ] as Record<string, number>[]) {
    const { p, isSuspect, arms } = check(shares, { a: 100, b: 100, c: 1 });
    assert.equal(p, 0);
    assert.equal(isSuspect, true);
    assert.equal(arms.find(({ arm }) => arm === 'c')!.expected, 0);
  }
});

test('an arm without a share and without units changes nothing, nor do arms that nobody saw', () => {
  assert.equal(check({ a: 1, b: 1, c: 0 }, { a: 520, b: 480 }).degrees, 1);
  assert.equal(check({ a: 1, b: 1 }, {}).p, 1);
  assert.equal(check({ a: 1 }, { a: 7 }).p, 1);
  assert.equal(check({ a: 1, b: 1 }, { a: 60 }).isSuspect, true);
});

test('fair arms are found suspect as often as the p-value says', () => {
  const prng = new Prng(11);
  const runs = 2000;
  let below = 0;
  for (let run = 0; run < runs; run++) {
    const units = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 600; i++) {
      const at = prng.float();
      units[at < 0.5 ? 'a' : at < 0.8 ? 'b' : 'c']++;
    }
    if (check({ a: 0.5, b: 0.3, c: 0.2 }, units).p < 0.05) below++;
  }
  assert.ok(Math.abs(below / runs - 0.05) < 0.015, `${below} of ${runs}`);
});
