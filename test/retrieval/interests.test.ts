/** Interests against a naive Ward, and how they are drawn. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Prng } from '../../src/lib/prng.ts';
import { findInterests, type HistoryPin, sampleInterests } from '../../src/retrieval/interests.ts';

const NEVER = 1e9;

/** A history drawn by a seed; importances differ. */
function drawHistory(seed: number, n: number, dim: number): HistoryPin[] {
  const prng = new Prng(seed);
  return Array.from({ length: n }, () => ({
    vector: Float32Array.from({ length: dim }, () => prng.normal()),
    importance: 0.1 + prng.float(),
  }));
}

const squared = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, x, d) => sum + (x - b[d]!) ** 2, 0);
const meanOf = (points: readonly (readonly number[])[]) =>
  points[0]!.map((_, d) => points.reduce((sum, point) => sum + point[d]!, 0) / points.length);
const errorOf = (points: readonly (readonly number[])[]) =>
  points.reduce((sum, point) => sum + squared(point, meanOf(points)), 0);

/** Ward's method word for word: of all pairs, merge the one that adds least to the sum of squared errors. */
function naiveWard(history: readonly HistoryPin[], mergeBelow: number): number[][] {
  const points = history.map(({ vector }) => {
    const length = Math.hypot(...vector);
    return Array.from(vector, (x) => Math.fround(x / length));
  });
  const of = (members: readonly number[]) => members.map((i) => points[i]!);
  const clusters = points.map((_, i) => [i]);
  while (clusters.length > 1) {
    let best = { added: Number.POSITIVE_INFINITY, a: 0, b: 0 };
    for (let a = 0; a < clusters.length; a++)
      for (let b = a + 1; b < clusters.length; b++) {
        const together = errorOf(of([...clusters[a]!, ...clusters[b]!]));
        const added = together - errorOf(of(clusters[a]!)) - errorOf(of(clusters[b]!));
        if (added < best.added) best = { added, a, b };
      }
    if (best.added >= mergeBelow) break;
    clusters[best.a]!.push(...clusters[best.b]!);
    clusters.splice(best.b, 1);
  }
  return clusters.map((members) => members.sort((x, y) => x - y)).sort((x, y) => x[0]! - y[0]!);
}

const partition = (history: readonly HistoryPin[], mergeBelow: number) =>
  findInterests(history, true, mergeBelow)
    .map(({ members }) => [...members])
    .sort((x, y) => x[0]! - y[0]!);

describe('findInterests', () => {
  it('merges as Ward does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 1, max: 24 }),
        fc.constantFrom(2, 3, 16),
        fc.constantFrom(0, 0.3, 0.7, 1.5, NEVER),
        (seed, n, dim, mergeBelow) => {
          const history = drawHistory(seed, n, dim);
          assert.deepEqual(partition(history, mergeBelow), naiveWard(history, mergeBelow));
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('keeps two subjects apart, each by the pin in its middle, the more important first', () => {
    const pin = (angle: number, importance: number): HistoryPin => ({
      vector: Float32Array.of(3 * Math.cos(angle), 3 * Math.sin(angle)),
      importance,
    });
    const history = [pin(0, 1), pin(2, 1), pin(0.1, 1), pin(2.1, 5), pin(0.2, 1)];
    const interests = findInterests(history, true, 0.5);
    assert.deepEqual(
      interests.map(({ members, medoid, importance }) => ({ members, medoid, importance })),
      [
        { members: [1, 3], medoid: 3, importance: 6 },
        { members: [0, 2, 4], medoid: 2, importance: 3 },
      ],
    );
  });

  it('counts lengths under l2, in units of the history itself', () => {
    const history = [1, 1.1, 9, 9.1].map((x) => ({ vector: Float32Array.of(x, 0), importance: 1 }));
    const scaled = history.map(({ vector }) => ({ vector: vector.map((x) => x * 1000), importance: 1 }));
    const members = (pins: readonly HistoryPin[], isAngular: boolean) =>
      findInterests(pins, isAngular, 0.1).map((interest) => interest.members);
    assert.deepEqual(members(history, false), [
      [0, 1],
      [2, 3],
    ]);
    assert.deepEqual(members(scaled, false), members(history, false));
    assert.deepEqual(members(history, true), [[0, 1, 2, 3]]);
  });

  it('takes copies of one pin for one interest', () => {
    const history = Array.from({ length: 50 }, () => ({ vector: Float32Array.of(1, 2), importance: 1 }));
    const [only, ...others] = findInterests(history, true, 1e-9);
    assert.equal(others.length, 0);
    assert.equal(only!.members.length, 50);
    assert.equal(only!.medoid, 0);
  });

  it('has no interests without a history', () => {
    assert.deepEqual(findInterests([], true, 1), []);
  });
});

describe('sampleInterests', () => {
  const interests = [8, 4, 2, 1, 1].map((importance, i) => ({ members: [i], medoid: i, importance }));

  it('draws by importance, none twice, and keeps their order', () => {
    const drawn = new Map<number, number>();
    const prng = new Prng(7);
    for (let i = 0; i < 4000; i++) {
      const sample = sampleInterests(interests, 1, prng);
      assert.equal(sample.length, 1);
      drawn.set(sample[0]!.medoid, (drawn.get(sample[0]!.medoid) ?? 0) + 1);
      const three = sampleInterests(interests, 3, prng).map(({ medoid }) => medoid);
      assert.deepEqual(
        three,
        [...new Set(three)].sort((a, b) => a - b),
      );
      assert.equal(three.length, 3);
    }
    // 4,000 draws by shares of 8, 4, 2, 1 and 1 in 16: within five standard deviations
    for (const { medoid, importance } of interests) {
      const expected = (4000 * importance) / 16;
      const deviation = Math.sqrt(expected * (1 - importance / 16));
      assert.ok(Math.abs(drawn.get(medoid)! - expected) < 5 * deviation, `${medoid}: ${drawn.get(medoid)}`);
    }
  });

  it('takes all where there are no more, and the same ones for the same seed', () => {
    assert.deepEqual(sampleInterests(interests, 5, new Prng(1)), interests);
    assert.deepEqual(sampleInterests(interests, 2, new Prng(3)), sampleInterests(interests, 2, new Prng(3)));
  });
});
