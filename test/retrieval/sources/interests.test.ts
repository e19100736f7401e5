/** The source of interests: how its lists come together, against the definitions. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Metric } from '../../../src/index/config.ts';
import { Prng } from '../../../src/lib/prng.ts';
import { interests } from '../../../src/retrieval/sources/interests.ts';
import type { CandidateList, PastPin } from '../../../src/retrieval/sources/source.ts';
import { memoryEngine, score, unit } from '../../support/memory-engine.ts';

const DIM = 5;
const COUNT = 40;

/** An engine over pins drawn by a seed, and the first of them as a history. */
function draw(metric: Metric, seed: number, length: number) {
  const prng = new Prng(seed);
  const pins = Array.from({ length: COUNT }, (_, i) => ({
    id: `p${i}`,
    vector: Array.from({ length: DIM }, () => 3 * prng.normal()),
  }));
  const engine = memoryEngine({ dim: DIM, metric, pins });
  const stored = new Map(
    pins.map(({ id, vector }) => {
      const raw = Float32Array.from(vector);
      return [id, metric === 'cosine' ? unit(raw) : raw];
    }),
  );
  const history = pins
    .slice(0, length)
    .map(({ id }): PastPin => ({ id, weight: 0.1 + prng.float(), atMs: undefined, vector: stored.get(id)! }));
  return { engine, stored, history };
}

async function ask(
  { engine, history }: ReturnType<typeof draw>,
  params: object,
  wanted: number,
): Promise<readonly CandidateList[]> {
  const place = { path: 'sources.interests', config: engine.config, code: 'bad_request' } as const;
  const index = { name: 'test', model: null, engine };
  const context = { index, input: { history }, query: {}, nowMs: 0, seed: 1 };
  return (await interests({ ...params }, place)(context))(wanted);
}

const scenario = fc.record({
  metric: fc.constantFrom<Metric>('cosine', 'dot', 'l2'),
  seed: fc.integer({ min: 0, max: 1e6 }),
  length: fc.integer({ min: 1, max: 12 }),
});
const check = (run: (scenario: { metric: Metric; seed: number; length: number }) => Promise<void>) =>
  fc.assert(fc.asyncProperty(scenario, run), { seed: 1, numRuns: 60 });

describe('interests', () => {
  it('by history: everything that is found, by the mean of the history as the metric has it', () =>
    check(async ({ metric, seed, length }) => {
      const drawn = draw(metric, seed, length);
      const [list, ...others] = await ask(drawn, { blend: 'history', most: 32 }, COUNT + 1);
      assert.equal(others.length, 0);
      const mean = new Float64Array(DIM);
      const total = drawn.history.reduce((sum, { weight }) => sum + weight, 0);
      for (const { vector, weight } of drawn.history)
        for (const [d, x] of (metric === 'l2' ? vector : unit(vector)).entries())
          mean[d]! += (x * weight) / total;
      const query = metric === 'cosine' ? unit(Float32Array.from(mean)) : Float32Array.from(mean);
      assert.equal(list!.candidates.length, COUNT);
      let before = Number.POSITIVE_INFINITY;
      for (const { id, score: given } of list!.candidates) {
        const expected = score(metric, query, drawn.stored.get(id)!);
        assert.ok(Math.abs(given - expected) <= 1e-4 * (1 + Math.abs(expected)), `${given} and ${expected}`);
        assert.ok(given <= before);
        before = given;
      }
      assert.ok(list!.isAll);
    }));

  it('by score: each pin by the interest that it is nearest to', () =>
    check(async ({ metric, seed, length }) => {
      const drawn = draw(metric, seed, length);
      // Nothing is merged, so that each pin of the history is an interest
      const [list] = await ask(drawn, { blend: 'score', mergeBelow: 0, most: 32 }, COUNT);
      for (const { id, score: given } of list!.candidates) {
        const all = drawn.history.map(({ vector }) => score(metric, vector, drawn.stored.get(id)!));
        assert.ok(Math.abs(given - Math.max(...all)) < 1e-5 * (1 + Math.abs(given)));
      }
      assert.equal(list!.candidates.length, COUNT);
    }));

  it('by importance: a list for each, named by its medoid, with the importance of its members', () =>
    check(async ({ metric, seed, length }) => {
      const drawn = draw(metric, seed, length);
      const lists = await ask(drawn, { blend: 'importance', most: 32 }, 10);
      const ids = new Set(drawn.history.map(({ id }) => id));
      assert.ok(lists.every(({ part }) => ids.has(part!)));
      const total = drawn.history.reduce((sum, { weight }) => sum + weight, 0);
      const told = lists.reduce((sum, { weight }) => sum + weight, 0);
      assert.ok(Math.abs(told - total) < 1e-9);
      for (const { part, candidates } of lists) {
        const nearest = candidates[0]!.score;
        const medoid = drawn.stored.get(part!)!;
        const expected = Math.max(
          ...[...drawn.stored.values()].map((vector) => score(metric, medoid, vector)),
        );
        assert.ok(Math.abs(nearest - expected) < 1e-5 * (1 + Math.abs(expected)));
      }
    }));

  it('clusters no more pins than it is told to, those that say most', async () => {
    const drawn = draw('cosine', 3, 12);
    const lists = await ask(drawn, { blend: 'importance', mergeBelow: 0, most: 32, pins: 4 }, 10);
    const heaviest = [...drawn.history].sort((a, b) => b.weight - a.weight).slice(0, 4);
    assert.deepEqual(new Set(lists.map(({ part }) => part)), new Set(heaviest.map(({ id }) => id)));
  });
});
