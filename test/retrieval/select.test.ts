/** Diversity and grouping against naive twins. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EngineHit } from '../../src/engines/engine.ts';
import type { Metric } from '../../src/index/config.ts';
import { choose, similarity } from '../../src/retrieval/select.ts';
import { score } from '../support/memory-engine.ts';

const diversify = (candidates: readonly EngineHit[], k: number, lambda: number, metric: Metric) =>
  choose({ lists: [candidates], quotas: [1], k, lambda, metric });

const limitGroups = (
  hits: readonly EngineHit[],
  valuesOf: (hit: EngineHit) => readonly unknown[],
  size: number,
) => choose({ lists: [hits], quotas: [1], k: hits.length, metric: 'cosine', groups: { size, valuesOf } });

const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2'];
const component = fc.integer({ min: -8, max: 8 });

/** Candidates in score order for the first vector as query; ids in the order of the list. */
const scenario = fc
  .record({
    metric: fc.constantFrom(...METRICS),
    vectors: fc.array(fc.tuple(component, component, component), { minLength: 2, maxLength: 20 }),
    k: fc.integer({ min: 1, max: 22 }),
    lambda: fc.constantFrom(0, 0.25, 0.5, 0.75, 1),
  })
  .map(({ metric, vectors, k, lambda }) => {
    const [query, ...others] = vectors.map((vector) => Float32Array.from(vector));
    const candidates: EngineHit[] = others
      .map((vector, i) => ({ id: `p${i}`, score: score(metric, query!, vector), vector }))
      .sort((a, b) => b.score - a.score);
    return { metric, candidates, k, lambda };
  });

/** The definition, word for word: in each step the maximum over all that is left. */
function naive(candidates: readonly EngineHit[], k: number, lambda: number, metric: Metric): EngineHit[] {
  const taken: EngineHit[] = [];
  while (taken.length < Math.min(k, candidates.length)) {
    const values = candidates.map((hit) => {
      if (taken.includes(hit)) return Number.NEGATIVE_INFINITY;
      if (taken.length === 0) return hit.score;
      const alike = Math.max(...taken.map((other) => similarity(metric, hit.vector!, other.vector!)));
      return lambda * hit.score - (1 - lambda) * alike;
    });
    taken.push(candidates[values.indexOf(Math.max(...values))]!);
  }
  return taken;
}

const ids = (hits: readonly EngineHit[]) => hits.map(({ id }) => id);

describe('diversify', () => {
  it('is maximal marginal relevance as defined', () => {
    fc.assert(
      fc.property(scenario, ({ metric, candidates, k, lambda }) => {
        assert.deepEqual(
          ids(diversify(candidates, k, lambda, metric)),
          ids(naive(candidates, k, lambda, metric)),
        );
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('keeps the order of scores when lambda is 1', () => {
    fc.assert(
      fc.property(scenario, ({ metric, candidates, k }) => {
        assert.deepEqual(ids(diversify(candidates, k, 1, metric)), ids(candidates.slice(0, k)));
      }),
      { seed: 2 },
    );
  });

  it('prefers what differs when lambda is small', () => {
    const at = (id: string, x: number, y: number): EngineHit => {
      const vector = Float32Array.of(x, y);
      return { id, vector, score: score('cosine', Float32Array.of(1, 0), vector) };
    };
    const candidates = [at('best', 1, 0), at('twin', 0.999, 0.04), at('other', 0.6, 0.8)];
    assert.deepEqual(ids(diversify(candidates, 2, 0.9, 'cosine')), ['best', 'twin']);
    assert.deepEqual(ids(diversify(candidates, 2, 0.3, 'cosine')), ['best', 'other']);
  });
});

describe('limitGroups', () => {
  it('keeps the best of each value, in order, and all without a value', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        (groups, size) => {
          const hits = groups.map((_, i) => ({ id: String(i), score: -i }));
          const values = ({ id }: EngineHit): string[] => [...new Set(groups[Number(id)]!)];
          const kept = limitGroups(hits, values, size);
          for (const value of ['a', 'b', 'c'])
            assert.ok(kept.filter((hit) => values(hit).includes(value)).length <= size);
          // Whatever is missing had no room: among the better ones kept, one of its values was full already.
          for (const hit of hits) {
            if (kept.includes(hit)) continue;
            const better = kept.filter((other) => other.score > hit.score);
            assert.ok(
              values(hit).some(
                (value) => better.filter((other) => values(other).includes(value)).length === size,
              ),
            );
          }
          assert.deepEqual(
            kept.map(({ score }) => score),
            kept.map(({ score }) => score).sort((a, b) => b - a),
          );
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });
});
