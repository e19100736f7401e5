/** Near-duplicates: what alike means, and that scores alone miss none. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Prng } from '../../src/lib/prng.ts';
import { Distinct, likeness, SCORE_SLACK, suspects } from '../../src/retrieval/near-duplicates.ts';
import { similarity, squaresOf } from '../../src/retrieval/similarity.ts';
import { score, unit } from '../support/memory-engine.ts';

const DIM = 5;

function alike(a: Float32Array, b: Float32Array): number {
  return likeness(similarity('dot', a, b), squaresOf(a), squaresOf(b));
}

describe('likeness', () => {
  it('is the cosine of unit vectors, and 1 of a vector and itself', () => {
    const random = new Prng(1);
    for (let i = 0; i < 100; i++) {
      const [a, b] = [1, 2].map(() => Float32Array.from({ length: DIM }, () => random.normal()));
      const [u, v] = [unit(a!), unit(b!)];
      assert.ok(Math.abs(alike(u, v) - similarity('dot', u, v)) < 1e-6);
      assert.equal(alike(a!, a!), 1);
      const double = a!.map((x) => 2 * x);
      assert.ok(Math.abs(alike(a!, double) - 0.8) < 1e-6);
    }
    assert.equal(alike(new Float32Array(DIM), new Float32Array(DIM)), 1);
  });
});

describe('distinct vectors', () => {
  it('admit what is no near-duplicate of any of them', () => {
    let refused = 0;
    const component = fc.integer({ min: -3, max: 3 });
    const vectors = fc.array(fc.tuple(component, component, component), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(vectors, fc.constantFrom(0, 0.5, 0.9, 1), fc.nat(3), (drawn, limit, added) => {
        const distinct = new Distinct(limit);
        const members: Float32Array[] = [];
        for (const [i, components] of drawn.entries()) {
          const vector = Float32Array.from(components);
          if (i < added) {
            distinct.add(vector);
            members.push(vector);
            continue;
          }
          const isNew = !members.some((member) => alike(member, vector) >= limit);
          assert.equal(distinct.admit(vector), isNew);
          if (isNew) members.push(vector);
          else refused++;
        }
      }),
      { seed: 42, numRuns: 500 },
    );
    assert.ok(refused > 500);
  });
});

describe('suspects', () => {
  /** Vectors of which many are the same or nearly. */
  const scenario = fc.record({
    seed: fc.integer({ min: 0, max: 1e6 }),
    spread: fc.constantFrom(0, 1e-4, 1e-2, 0.3),
    limit: fc.constantFrom(0.9, 0.99, 0.9999, 1),
    anchorCount: fc.integer({ min: 0, max: 3 }),
  });

  it('are all that have a near-duplicate among the candidates or the anchors', () => {
    let spared = 0;
    fc.assert(
      fc.property(scenario, ({ seed, spread, limit, anchorCount }) => {
        const random = new Prng(seed);
        const draw = () => Float32Array.from({ length: DIM }, () => random.normal());
        const centres = Array.from({ length: 6 }, draw);
        const vectors = Array.from({ length: 15 }, () =>
          unit(random.pick(centres).map((x) => x + spread * random.normal())),
        );
        const direction = draw();
        const anchors = vectors.splice(0, anchorCount);
        const candidates = vectors
          .map((vector, i) => ({
            id: `p${i}`,
            // Scores are rounded, a copy's otherwise in another shard
            score: score('cosine', unit(direction), vector) + (2 * random.float() - 1) * SCORE_SLACK,
            vector,
          }))
          .sort((a, b) => b.score - a.score);
        const list = { weight: 1, candidates, isEnd: true, isAll: true, direction, searches: [] };
        const found = new Set(suspects(list, anchors, limit).map(({ id }) => id));
        for (const { id, vector } of candidates) {
          const others = candidates.filter((other) => other.id !== id).map((other) => other.vector);
          const hasTwin = [...others, ...anchors].some((other) => alike(vector, other) >= limit);
          if (hasTwin) assert.ok(found.has(id));
        }
        spared += candidates.length - found.size;
      }),
      { seed: 41, numRuns: 300 },
    );
    assert.ok(spared > 100);
  });

  it('are all of a list whose scores are no cosines', () => {
    const candidates = [
      { id: 'a', score: 12 },
      { id: 'b', score: 3 },
    ];
    const list = { weight: 1, candidates, isEnd: true, isAll: true, searches: [] };
    assert.deepEqual(suspects(list, [], 0.99), candidates);
  });
});
