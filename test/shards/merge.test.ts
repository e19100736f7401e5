import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { type Metric, scoreOf } from '../../src/core/metric.ts';
import { mergeHits } from '../../src/shards/merge.ts';
import type { ShardHits } from '../../src/shards/protocol.ts';

interface Row {
  readonly id: string;
  readonly distance: number;
}

/** Few distances, so that many tie, some beyond what a cosine can be; ids in an order of their own. */
const rows = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 3 }),
    distance: fc.integer({ min: -2, max: 12 }).map((n) => Math.fround(n / 5)),
  }),
  { selector: (row) => row.id, maxLength: 60 },
);
const metric = fc.constantFrom<Metric>('cosine', 'dot', 'l2');

/** What a shard answers when it is asked for `k`: its nearest, ties by id. */
function shardHits(all: readonly Row[], k: number): Omit<ShardHits, 'work'> {
  const nearest = [...all].sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1)).slice(0, k);
  return {
    ids: nearest.map(({ id }) => id),
    ordinals: nearest.map((_row, i) => i),
    distances: nearest.map(({ distance }) => distance),
    vectors: Float32Array.from(nearest, ({ id }) => id.length),
    ef: 0,
    complete: true,
  };
}

describe('merging the hits of shards', () => {
  test('gives what sorting everything gives', () => {
    fc.assert(
      fc.property(
        rows,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 70 }),
        metric,
        fc.array(fc.nat(59), { maxLength: 10 }),
        fc.option(fc.integer({ min: -13, max: 3 }), { nil: undefined }),
        (all, shards, k, how, excluded, fifths) => {
          const minScore = fifths === undefined ? Number.NEGATIVE_INFINITY : fifths / 5;
          const exclude = new Set(excluded.map((i) => all[i]?.id ?? `unknown ${i}`));
          const parts = Array.from({ length: shards }, (_, s) =>
            shardHits(
              all.filter((_row, i) => i % shards === s),
              k + exclude.size,
            ),
          );
          const expected = all
            .filter(({ id }) => !exclude.has(id))
            .map(({ id, distance }) => ({ id, score: scoreOf(how, distance) }))
            .filter(({ score }) => score >= minScore)
            .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
          const standing = (id: string) => (exclude.has(id) ? 'hidden' : 'current');
          const { hits: merged } = mergeHits(parts, how, k, standing, minScore);

          assert.deepEqual(
            merged.map(({ score }) => score),
            expected.slice(0, k).map(({ score }) => score),
          );
          // Distances that differ can be clamped to the same cosine; a shard then chose by distance
          if (how !== 'cosine' || all.every(({ distance }) => distance >= 0 && distance <= 2)) {
            assert.deepEqual(
              merged.map(({ id }) => id),
              expected.slice(0, k).map(({ id }) => id),
            );
          }
          for (const { id, vector } of merged) assert.deepEqual(vector, Float32Array.of(id.length));
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });

  test('gives no vector where none was asked for, and nothing for no shards', () => {
    const hits = { ids: ['a'], ordinals: [0], distances: [0.5], ef: 8, complete: true };
    const current = () => 'current' as const;
    assert.deepEqual(mergeHits([hits], 'l2', 3, current, -9), {
      hits: [{ id: 'a', score: -0.5 }],
      leftOut: 0,
    });
    assert.deepEqual(mergeHits([], 'l2', 3, current, -9), { hits: [], leftOut: 0 });
  });

  test('takes a pin as it was only where it was not found as it is', () => {
    const hits = {
      ids: ['a', 'b', 'a', 'c'],
      ordinals: [0, 1, 2, 3],
      distances: [0, 1, 2, 3],
      ef: 8,
      complete: true,
    };
    const standing = (_id: string, _shard: number, ordinal: number) =>
      ordinal === 3 ? 'hidden' : ordinal === 2 ? 'current' : 'before';
    assert.deepEqual(mergeHits([hits], 'l2', 9, standing, -9), {
      hits: [
        { id: 'b', score: -1 },
        { id: 'a', score: -2 },
      ],
      leftOut: 2,
    });
  });
});
