/** Boosts: which pins they raise, and by how much. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { boostFactors, scaleScore } from '../../src/retrieval/boosts.ts';

const DAY_MS = 86_400_000;
const fresh = { field: 'at', halfLifeMs: 7 * DAY_MS, weight: 0.5 };

describe('boosts', () => {
  it('raise by age: 1 + weight at 0, half of the weight after each half-life, nothing without a time', () => {
    const now = 100 * DAY_MS;
    const factor = (at?: number) => boostFactors([fresh], at === undefined ? {} : { at }, now)[0]!;
    assert.equal(factor(now), 1.5);
    assert.equal(factor(now + DAY_MS), 1.5);
    assert.equal(factor(now - 7 * DAY_MS), 1.25);
    assert.equal(factor(now - 14 * DAY_MS), 1.125);
    assert.equal(factor(-1e15), 1);
    assert.equal(factor(), 1);
  });

  it('raise what passes a filter, each boost for itself', () => {
    const lamps = { matches: { op: 'in', attribute: 'category', values: ['lamps'] }, factor: 3 } as const;
    const cheap = {
      matches: {
        op: 'range',
        attribute: 'price',
        low: 0,
        lowInclusive: true,
        high: 10,
        highInclusive: true,
      },
      factor: 0.5,
    } as const;
    assert.deepEqual(boostFactors([lamps, cheap], { category: 'lamps', price: 5 }, 0), [3, 0.5]);
    assert.deepEqual(boostFactors([lamps, cheap], { category: 'chairs', price: 50 }, 0), [1, 1]);
  });

  it('raise with a factor over 1 and lower with one below, whatever the sign of the score', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1000, max: 1000 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (score, factor) => {
          const scaled = scaleScore(score, factor);
          assert.ok(factor >= 1 ? scaled >= score : scaled <= score);
          assert.equal(Math.sign(scaled), Math.sign(score));
        },
      ),
      { seed: 51 },
    );
  });
});
