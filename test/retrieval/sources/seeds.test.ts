/** Strategies of seeds against what they say they are, computed over all pins. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Metric } from '../../../src/index/config.ts';
import { scaleScore } from '../../../src/retrieval/boosts.ts';
import type { RelatedRequest } from '../../../src/retrieval/contract.ts';
import { runRelated } from '../../../src/retrieval/related.ts';
import { similarity } from '../../../src/retrieval/similarity.ts';
import { memoryEngine, unit } from '../../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../../support/pins.ts';

const DIM = 6;
const COUNT = 60;
const PINS = somePins(COUNT, DIM, 7);

function open(metric: Metric) {
  const engine = memoryEngine({ dim: DIM, metric, attributes: ATTRIBUTES, pins: PINS });
  const ask = (request: RelatedRequest) =>
    runRelated({ name: 'demo', engine, model: null }, { nearDuplicates: null, ...request }, () => 0);
  return { engine, ask };
}

function stored(metric: Metric): Map<string, Float32Array> {
  return new Map(
    PINS.map(({ id, vector }) => {
      const raw = Float32Array.from(vector!);
      return [id, metric === 'cosine' ? unit(raw) : raw];
    }),
  );
}

const id = fc.integer({ min: 0, max: COUNT - 1 }).map((i) => `p${i}`);
const weight = fc.constantFrom(0.5, 1, 2);
const list = (minLength: number, maxLength: number) =>
  fc.array(fc.record({ id, weight }), { minLength, maxLength });
/** No pin is both seed and negative: which of the two it is nearer to is a matter of rounding. */
const scenario = fc
  .record({
    metric: fc.constantFrom<Metric>('cosine', 'dot', 'l2'),
    pins: list(1, 4),
    negatives: list(0, 2),
    k: fc.integer({ min: 1, max: COUNT + 5 }),
  })
  .filter(({ pins, negatives }) => !negatives.some((negative) => pins.some((pin) => pin.id === negative.id)));

/** Weights by id, added up. */
function weights(seeds: readonly { id: string; weight: number }[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const seed of seeds) sums.set(seed.id, (sums.get(seed.id) ?? 0) + seed.weight);
  return sums;
}

/** Scores of a seed's candidates: of all pins but those named, and those nearer to a negative. */
function candidatesOf(
  seed: string,
  seedWeight: number,
  negatives: readonly { id: string; weight: number }[],
  named: ReadonlySet<string>,
  metric: Metric,
): Map<string, number> {
  const vectors = stored(metric);
  const to = (a: string, b: string) => Math.fround(similarity(metric, vectors.get(a)!, vectors.get(b)!));
  const scores = new Map<string, number>();
  for (const other of vectors.keys()) {
    if (named.has(other)) continue;
    const score = to(other, seed);
    const isNearer = negatives.some(
      (negative) => scaleScore(to(other, negative.id), negative.weight / seedWeight) > score,
    );
    if (!isNearer) scores.set(other, score);
  }
  return scores;
}

describe('bestScore', () => {
  it('ranks every pin by the seed that it is nearest to, times that weight', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ metric, pins, negatives, k }) => {
        const named = new Set([...pins, ...negatives].map((pin) => pin.id));
        const seeds = weights(pins);
        const greatest = Math.max(...seeds.values());
        const best = new Map<string, number>();
        for (const [seed, seedWeight] of seeds)
          for (const [other, score] of candidatesOf(seed, seedWeight, negatives, named, metric)) {
            const weighted = scaleScore(score, seedWeight / greatest);
            best.set(other, Math.max(weighted, best.get(other) ?? Number.NEGATIVE_INFINITY));
          }
        const expected = [...best.values()].sort((a, b) => b - a).slice(0, k);
        const { hits } = await open(metric).ask({
          pins,
          negatives,
          k,
          sources: { seeds: { strategy: 'bestScore' } },
        });
        assert.equal(hits.length, expected.length);
        for (const [i, hit] of hits.entries()) {
          assert.ok(Math.abs(hit.score - expected[i]!) < 1e-4 * (1 + Math.abs(expected[i]!)));
          assert.ok(!named.has(hit.id));
        }
        assert.equal(new Set(hits.map((hit) => hit.id)).size, hits.length);
      }),
      { seed: 21, numRuns: 150 },
    );
  });
});

describe('perSeed', () => {
  it('gives each seed its weight of the hits, unless it has no more', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ metric, pins, negatives, k }) => {
        const named = new Set([...pins, ...negatives].map((pin) => pin.id));
        const seeds = weights(pins);
        const total = [...seeds.values()].reduce((sum, each) => sum + each, 0);
        const { hits } = await open(metric).ask({
          pins,
          negatives,
          k,
          sources: { seeds: { strategy: 'perSeed' } },
        });
        assert.equal(new Set(hits.map((hit) => hit.id)).size, hits.length);
        const found = new Set(hits.map((hit) => hit.id));
        for (const [seed, seedWeight] of seeds) {
          const candidates = candidatesOf(seed, seedWeight, negatives, named, metric);
          const own = hits.filter(({ source }) => source === `seeds:${seed}`);
          for (const hit of own) assert.ok(candidates.has(hit.id) && !named.has(hit.id));
          const isOut = [...candidates.keys()].every((other) => found.has(other));
          if (!isOut) {
            assert.ok(own.length >= Math.floor((hits.length * seedWeight) / total));
            assert.equal(hits.length, k);
          }
          assert.deepEqual(
            own.map(({ score }) => score),
            own.map(({ score }) => score).sort((a, b) => b - a),
          );
        }
      }),
      { seed: 22, numRuns: 150 },
    );
  });

  it('asks the engine for all seeds in the same turn', async () => {
    const { engine, ask } = open('cosine');
    await ask({ pins: ['p1', 'p2', 'p3'], k: 6, sources: { seeds: { strategy: 'perSeed' } } });
    assert.deepEqual(engine.turns, [3]);
  });
});

describe('strategies', () => {
  it('are the same for one seed without negatives', async () => {
    const answers = await Promise.all(
      ['average', 'bestScore', 'perSeed'].map((strategy) =>
        open('cosine').ask({ pins: ['p1'], k: 20, sources: { seeds: { strategy } } }),
      ),
    );
    const ids = answers.map(({ hits }) => hits.map((hit) => hit.id));
    assert.deepEqual([ids[1], ids[2]], [ids[0], ids[0]]);
  });

  it('are refused when unknown, as are unknown parameters, with the path', async () => {
    const refused = (sources: RelatedRequest['sources'], path: string, message: string) =>
      assert.rejects(open('cosine').ask({ pins: ['p1'], sources: sources! }), {
        code: 'bad_request',
        details: [{ path, message }],
      });
    const names = 'must be one of average, bestScore, perSeed';
    await refused({ seeds: { strategy: 'sum' } }, 'sources.seeds.strategy', names);
    await refused({ seeds: { stratgy: 'average' } }, 'sources.seeds.stratgy', 'is not a known field');
  });
});
