/** Related pins: how seeds combine, who is never returned, how groups and diversity fill k. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LAYOUT } from '../../src/core/layout.ts';
import type { Metric } from '../../src/index/config.ts';
import type { PinInput } from '../../src/index/pin.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import type { RelatedRequest } from '../../src/retrieval/contract.ts';
import { runRelated } from '../../src/retrieval/related.ts';
import { memoryEngine, score, unit } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const DIM = 6;
const PINS = somePins(80, DIM, 2);

function open(metric: Metric = 'cosine', pins: readonly PinInput[] = PINS) {
  const engine = memoryEngine({ dim: DIM, metric, attributes: ATTRIBUTES, pins });
  const ask = (request: RelatedRequest) =>
    runRelated({ name: 'demo', engine, model: null }, request, () => 0);
  return { engine, ask };
}

/** Stored vectors by id, as the metric has them. */
function vectors(metric: Metric): Map<string, Float32Array> {
  return new Map(
    PINS.map(({ id, vector }) => {
      const raw = Float32Array.from(vector!);
      return [id, metric === 'cosine' ? unit(raw) : raw];
    }),
  );
}

async function refused(code: string, path: string, request: unknown): Promise<void> {
  await assert.rejects(open().ask(request as RelatedRequest), (error: unknown) => {
    assert.ok(error instanceof NearpinError, String(error));
    assert.deepEqual([error.code, error.details[0]?.path], [code, path]);
    return true;
  });
}

describe('related', () => {
  it('ranks by the weighted mean of the seeds minus the negatives, under every metric', async () => {
    const id = fc.integer({ min: 0, max: 79 }).map((i) => `p${i}`);
    const weight = fc.constantFrom(0.5, 1, 2);
    const list = (minLength: number) => fc.array(fc.record({ id, weight }), { minLength, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<Metric>('cosine', 'dot', 'l2'),
        list(1),
        list(0),
        async (metric, pins, negatives) => {
          const stored = vectors(metric);
          const total = pins.reduce((sum, pin) => sum + pin.weight, 0);
          const query = new Float64Array(DIM);
          const mean = new Float64Array(DIM);
          for (const pin of pins)
            for (const [i, x] of stored.get(pin.id)!.entries()) mean[i]! += (x * pin.weight) / total;
          query.set(mean);
          for (const negative of negatives)
            for (const [i, x] of stored.get(negative.id)!.entries())
              query[i]! -= ((x - (metric === 'l2' ? mean[i]! : 0)) * negative.weight) / total;
          fc.pre(metric !== 'cosine' || Math.hypot(...query) > 1e-3);

          const { hits } = await open(metric).ask({ pins, negatives, k: 20 });
          const direction = Float32Array.from(query);
          const asked = metric === 'cosine' ? unit(direction) : direction;
          const gone = new Set([...pins, ...negatives].map((seed) => seed.id));
          const expected = [...stored]
            .filter(([other]) => !gone.has(other))
            .map(([, vector]) => score(metric, asked, vector))
            .sort((a, b) => b - a)
            .slice(0, 20);
          // Scores, not ids: f32 rounding may swap pins that are as near as each other.
          for (const [i, hit] of hits.entries()) {
            assert.ok(Math.abs(hit.score - expected[i]!) < 1e-3 * (1 + Math.abs(expected[i]!)));
            assert.ok(!gone.has(hit.id));
          }
          assert.equal(hits.length, 20);
        },
      ),
      { seed: 4, numRuns: 100 },
    );
  });

  it('never returns a seed, a negative or an excluded pin, even when asked for everything', async () => {
    const { hits, exhausted } = await open().ask({
      pins: ['p1', { id: 'p2', weight: 3 }],
      negatives: ['p3'],
      exclude: ['p4', 'p1'],
      k: 1000,
    });
    assert.deepEqual([hits.length, exhausted], [76, true]);
    for (const id of ['p1', 'p2', 'p3', 'p4']) assert.ok(!hits.some((hit) => hit.id === id));
  });

  it('counts a pin that is named twice twice', async () => {
    const { ask } = open();
    const twice = await ask({ pins: ['p1', 'p1', 'p2'], k: 5 });
    const weighted = await ask({ pins: [{ id: 'p1', weight: 2 }, 'p2'], k: 5 });
    assert.deepEqual(twice.hits, weighted.hits);
  });

  it('refuses seeds that cancel out under cosine', async () => {
    await refused('zero_vector', 'negatives', { pins: ['p1'], negatives: ['p1'] });
    const opposite = [
      { id: 'a', vector: [1, 2, 3, 4, 5, 6] },
      { id: 'b', vector: [-1, -2, -3, -4, -5, -6] },
    ];
    await assert.rejects(open('cosine', opposite).ask({ pins: ['a', 'b'] }), {
      code: 'zero_vector',
      details: [{ path: 'pins', message: 'cancels out' }],
    });
    await open('l2', opposite).ask({ pins: ['a', 'b'] });
  });

  it('names every seed that is unknown', async () => {
    await assert.rejects(
      open().ask({ pins: ['p1', 'gone'], negatives: [{ id: 'lost' }] }),
      (error: unknown) => {
        assert.ok(error instanceof NearpinError);
        assert.equal(error.code, 'unknown_pin');
        assert.deepEqual(
          error.details.map(({ path }) => path),
          ['pins[1]', 'negatives[0]'],
        );
        return true;
      },
    );
  });

  it('refuses bad seeds and rules, naming the place', async () => {
    await refused('bad_request', 'pins', { pins: [] });
    await refused('bad_request', 'pins', { pins: 'p1' });
    await refused('bad_pin_id', 'pins[0]', { pins: [''] });
    await refused('bad_pin_id', 'pins[1].id', { pins: ['p1', { id: 'x'.repeat(129) }] });
    await refused('bad_request', 'pins[0].weight', { pins: [{ id: 'p1', weight: 0 }] });
    await refused('bad_request', 'negatives[0].weight', {
      pins: ['p1'],
      negatives: [{ id: 'p2', weight: -1 }],
    });
    await refused('bad_request', 'pins[0].wieght', { pins: [{ id: 'p1', wieght: 2 }] });
    // Two of them would add up to what no share can be taken of
    await refused('bad_request', 'pins[0].weight', { pins: [{ id: 'p1', weight: Number.MAX_VALUE }] });
    await refused('limit_exceeded', 'pins', { pins: Array(101).fill('p1') });
    await refused('bad_request', 'diversity.lambda', { pins: ['p1'], diversity: { lambda: 1.1 } });
    await refused('limit_exceeded', 'k', { pins: ['p1'], diversity: { lambda: 0.5 }, k: 101 });
    await refused('bad_request', 'groupBy.field', { pins: ['p1'], groupBy: { field: 'colour', size: 1 } });
    await refused('bad_request', 'groupBy.size', { pins: ['p1'], groupBy: { field: 'price', size: 0 } });
  });

  it('asks no more of the engine than one search can rank', async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `x${i}`);
    const pins = PINS.slice(0, 50).map(({ id }) => id);
    const negatives = PINS.slice(50).map(({ id }) => id);
    const { engine, ask } = open();
    await ask({ pins, negatives, exclude: ids, k: 968 });
    assert.equal(engine.queries[0]!.k + engine.queries[0]!.exclude!.length, LIMITS.candidatesMax);
    await refused('limit_exceeded', 'k', { pins, negatives, exclude: ids, k: 969 });
    assert.ok(LIMITS.candidatesMax <= LAYOUT.NP_K_MAX);
    await ask({ pins: ['p1'], exclude: ids, k: 500, groupBy: { field: 'category', size: 1 } });
    assert.equal(engine.queries.at(-1)!.k, LIMITS.candidatesMax - 1001);
  });

  it('chooses among many candidates for diversity, and returns no vector unasked', async () => {
    const { engine, ask } = open();
    const plain = await ask({ pins: ['p1'], k: 5 });
    const same = await ask({ pins: ['p1'], k: 5, diversity: { lambda: 1 } });
    assert.deepEqual(same.hits, plain.hits);
    const diverse = await ask({ pins: ['p1'], k: 5, diversity: { lambda: 0.1 } });
    assert.equal(engine.queries.at(-1)!.k, 375);
    assert.notDeepEqual(diverse.hits, plain.hits);
    assert.ok(diverse.hits.every((hit) => hit.vector === undefined));
    assert.deepEqual([diverse.hits.length, diverse.exhausted], [5, false]);
  });

  it('never returns a near-duplicate of a seed or of another hit, unless that is asked for', async () => {
    const at = (id: string, angle: number): PinInput => ({
      id,
      vector: [Math.cos(angle), Math.sin(angle), 0, 0, 0, 0],
    });
    const pins = [at('seed', 0), at('copy', 0), at('a', 0.3), at('b', 0.3), at('c', 0.5), at('d', 0.501)];
    for (const metric of ['cosine', 'dot', 'l2'] as const) {
      const { ask } = open(metric, pins);
      const ids = async (request: Partial<RelatedRequest>) =>
        (await ask({ pins: ['seed'], k: 3, ...request })).hits.map(({ id }) => id);
      assert.deepEqual(await ids({}), ['a', 'c', 'd'], metric);
      assert.deepEqual((await ids({ diversity: { lambda: 0.9 } })).sort(), ['a', 'c', 'd'], metric);
      assert.deepEqual(await ids({ nearDuplicates: { similarity: 0.999999 } }), ['a', 'c'], metric);
      assert.deepEqual(await ids({ nearDuplicates: { similarity: 0.9 } }), ['c'], metric);
      assert.deepEqual(await ids({ nearDuplicates: null }), ['copy', 'a', 'b'], metric);
    }
  });

  it('tells the source of each hit and, asked for, how it was ranked', async () => {
    const { ask } = open();
    const boosts = [
      { filter: { category: 'lamps' }, factor: 2 },
      { filter: { category: 'none' }, factor: 3 },
    ];
    const { hits } = await ask({ pins: ['p0'], k: 80, boosts, explain: true, include: ['attributes'] });
    for (const { score, source, explain, attributes } of hits) {
      const factor = attributes?.category === 'lamps' ? 2 : 1;
      assert.deepEqual([source, explain?.boosts], ['seeds', [factor, 1]]);
      const { sourceScore } = explain!;
      assert.equal(score, sourceScore < 0 ? sourceScore / factor : sourceScore * factor);
    }
    assert.deepEqual(
      hits.map(({ score }) => score),
      hits.map(({ score }) => score).sort((a, b) => b - a),
    );
    const ranks = hits.map(({ explain }) => explain!.rank).sort((a, b) => a - b);
    assert.deepEqual(
      ranks,
      ranks.map((_, i) => i + 1),
    );
  });

  it('widens until the groups fill k', async () => {
    // The hundred nearest are all lamps: only a wider search sees anything else.
    const pins: PinInput[] = Array.from({ length: 130 }, (_, i) => ({
      id: `p${i}`,
      vector: [Math.cos(i / 50), Math.sin(i / 50), 0, 0, 0, 0],
      attributes: i <= 100 ? { category: 'lamps' } : i <= 110 ? { category: `c${i}` } : {},
    }));
    const { engine, ask } = open('cosine', pins);
    const { hits, exhausted } = await ask({ pins: ['p0'], k: 6, groupBy: { field: 'category', size: 2 } });
    assert.deepEqual(
      hits.map(({ id }) => id),
      ['p1', 'p2', 'p101', 'p102', 'p103', 'p104'],
    );
    assert.equal(exhausted, false);
    assert.deepEqual(
      engine.queries.map(({ k }) => k),
      [24, 96, 384],
    );
  });

  it('is exhausted when the groups of the whole index do not fill k', async () => {
    const { hits, exhausted } = await open().ask({
      pins: ['p0'],
      k: 50,
      groupBy: { field: 'category', size: 3 },
    });
    assert.deepEqual([hits.length, exhausted], [12, true]);
  });

  it('keeps the group limit under diversity', async () => {
    const { hits } = await open().ask({
      pins: ['p0'],
      k: 8,
      diversity: { lambda: 0.5 },
      groupBy: { field: 'category', size: 2 },
      include: ['attributes'],
    });
    const counts = new Map<unknown, number>();
    for (const { attributes } of hits)
      counts.set(attributes!.category, (counts.get(attributes!.category) ?? 0) + 1);
    assert.deepEqual([...counts.values()], [2, 2, 2, 2]);
  });
});
