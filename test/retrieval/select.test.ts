/** Diversity and grouping against naive twins. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EngineHit } from '../../src/engines/engine.ts';
import type { Metric } from '../../src/index/config.ts';
import { Prng } from '../../src/lib/prng.ts';
import { likeness } from '../../src/retrieval/near-duplicates.ts';
import { type Choice, choose, PAGE } from '../../src/retrieval/select.ts';
import { similarity, squaresOf } from '../../src/retrieval/similarity.ts';
import { productsWith, score } from '../support/memory-engine.ts';

const diversify = (candidates: readonly EngineHit[], k: number, lambda: number, metric: Metric) =>
  choose({ lists: [candidates], quotas: [1], k, diversity: { lambda, productsWith }, metric }).hits;

const limitGroups = (
  hits: readonly EngineHit[],
  valuesOf: (hit: EngineHit) => readonly unknown[],
  size: number,
) =>
  choose({ lists: [hits], quotas: [1], k: hits.length, metric: 'cosine', groups: { size, valuesOf } }).hits;

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

const ids = (hits: readonly EngineHit[]) => hits.map(({ id }) => id);

describe('diversify', () => {
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
    assert.deepEqual(ids(diversify(candidates, 2, 0.01, 'cosine')), ['best', 'other']);
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

describe('choose', () => {
  const vector = fc.tuple(component, component, component).map((each) => Float32Array.from(each));
  const drawn = fc.record({
    metric: fc.constantFrom(...METRICS),
    query: vector,
    lists: fc.array(
      fc.record({
        quota: fc.constantFrom(0.5, 1, 2, 3),
        members: fc.uniqueArray(fc.integer({ min: 0, max: 24 }), { maxLength: 15 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    vectors: fc.array(vector, { minLength: 25, maxLength: 25 }),
    k: fc.integer({ min: 1, max: 30 }),
    lambda: fc.constantFrom(undefined, 0, 0.3, 0.7, 1),
    similarity: fc.constantFrom(undefined, 0.8, 0.99, 1),
    anchors: fc.array(vector, { maxLength: 2 }),
    groupSize: fc.constantFrom(undefined, 1, 2),
  });

  /** Word for word: at each turn everything is computed anew, and nothing is remembered but the hits. */
  function naiveChoice(choice: Choice<EngineHit>): string[] {
    const { k, lists, quotas, metric, diversity, nearDuplicates, groups } = choice;
    const alike = (a: Float32Array, b: Float32Array) =>
      nearDuplicates !== undefined &&
      likeness(similarity('dot', a, b), squaresOf(a), squaresOf(b)) >= nearDuplicates.similarity;
    const taken: { hit: EngineHit; list: number }[] = [];
    const mayBeTaken = (hit: EngineHit) =>
      !taken.some((other) => other.hit.id === hit.id) &&
      !(nearDuplicates?.anchors ?? []).some((anchor) => alike(hit.vector!, anchor)) &&
      !taken.some((other) => alike(hit.vector!, other.hit.vector!)) &&
      (groups?.valuesOf(hit) ?? []).every(
        (value) => taken.filter((other) => groups!.valuesOf(other.hit).includes(value)).length < groups!.size,
      );
    const similar = (a: Float32Array, b: Float32Array) => {
      const product = Math.fround(similarity('dot', a, b));
      return metric === 'l2' ? 2 * product - squaresOf(a) - squaresOf(b) : product;
    };
    const marginal = (hit: EngineHit) => {
      if (diversity === undefined) return hit.score;
      const { lambda } = diversity;
      const sum = taken.reduce((total, other) => total + similar(hit.vector!, other.hit.vector!), 0);
      return lambda * hit.score - ((1 - lambda) / Math.max(k, PAGE)) * sum;
    };
    while (taken.length < k) {
      const open = lists.map((list) => list.filter(mayBeTaken));
      const turns = quotas.map((quota, i) =>
        open[i]!.length === 0
          ? Number.POSITIVE_INFINITY
          : (taken.filter(({ list }) => list === i).length + 1) / quota,
      );
      const list = turns.indexOf(Math.min(...turns));
      if (turns[list] === Number.POSITIVE_INFINITY) break;
      const values = open[list]!.map(marginal);
      taken.push({ hit: open[list]![values.indexOf(Math.max(...values))]!, list });
    }
    return taken.map(({ hit }) => hit.id);
  }

  it('does at once what its rules say one by one', () => {
    let copies = 0;
    fc.assert(
      fc.property(
        drawn,
        ({ metric, query, lists, vectors, k, lambda, similarity: limit, anchors, groupSize }) => {
          const choice: Choice<EngineHit> = {
            k,
            metric,
            diversity: lambda === undefined ? undefined : { lambda, productsWith },
            lists: lists.map(({ members }) =>
              members
                .map((i) => ({ id: `p${i}`, score: score(metric, query, vectors[i]!), vector: vectors[i]! }))
                .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)),
            ),
            quotas: lists.map(({ quota }) => quota),
            nearDuplicates: limit === undefined ? undefined : { similarity: limit, anchors },
            groups: groupSize && {
              size: groupSize,
              valuesOf: ({ id }) => (id.endsWith('0') ? [] : [id.length, id.at(-1)]),
            },
          };
          const { hits, ranDry } = choose(choice);
          assert.deepEqual(ids(hits), naiveChoice(choice));
          if (hits.length < k) assert.ok(ranDry.every(Boolean));
          copies += Number(limit !== undefined && hits.length < k);
        },
      ),
      { seed: 5, numRuns: 2000 },
    );
    assert.ok(copies > 100);
  });

  it('finds the most diverse of many candidates that lie close together, wide apart, and in copies', () => {
    const random = new Prng(9);
    for (const metric of METRICS)
      for (const spread of [0, 1e-4, 0.3, 3]) {
        const centre = Float32Array.from({ length: 33 }, () => random.normal());
        const query = centre.map((x) => x + 0.1 * random.normal());
        const list = Array.from({ length: 120 }, (_, i) => {
          const vector = centre.map((x) => x + spread * random.normal());
          return { id: `p${i}`, vector, score: score(metric, query, vector) };
        });
        for (let i = 0; i < 20; i++) list.push({ ...list[i]!, id: `copy of ${i}` });
        list.sort((a, b) => b.score - a.score);
        for (const lambda of [0, 0.3, 0.8]) {
          const choice: Choice<EngineHit> = {
            k: 40,
            metric,
            diversity: { lambda, productsWith },
            lists: [list],
            quotas: [1],
          };
          const vectors = (chosen: readonly string[]) =>
            chosen.map((id) => list.find((each) => each.id === id)!.vector);
          // Of copies it may be either
          assert.deepEqual(vectors(ids(choose(choice).hits)), vectors(naiveChoice(choice)));
        }
      }
  });
});
