/** The pipeline: sources share the hits by quotas, nobody hidden comes through, and rules make it look further. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RelatedRequest } from '../../../src/retrieval/contract.ts';
import { planRequest } from '../../../src/retrieval/plan.ts';
import { runRelated } from '../../../src/retrieval/related.ts';
import { runSurface } from '../../../src/retrieval/surfaces/run-surface.ts';
import { surfaceInForce } from '../../../src/retrieval/surfaces/surface.ts';
import { memoryEngine } from '../../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../../support/pins.ts';

const DIM = 6;
const COUNT = 90;
const PINS = somePins(COUNT, DIM, 3);

function open(surfaces = {}) {
  const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS });
  const index = { name: 'demo', engine, model: null, mixer: { surfaces } };
  return { engine, index, ask: (request: RelatedRequest) => runRelated(index, request, () => 0) };
}

describe('a surface that runs', () => {
  it('gives each source its quota, no pin twice, and the room of one to the others', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: COUNT }),
        fc.constantFrom(undefined, 0.3),
        fc.constantFrom(undefined, 2, 20),
        async (quotaA, quotaB, k, lambda, size) => {
          const request: RelatedRequest = {
            pins: ['p1', 'p2'],
            k,
            sources: {
              seeds: { quota: quotaA },
              each: { source: 'seeds', strategy: 'bestScore', quota: quotaB },
            },
            ...(lambda !== undefined && { diversity: { lambda } }),
            ...(size !== undefined && { groupBy: { field: 'category', size } }),
          };
          const { hits } = await open().ask(request);
          assert.equal(new Set(hits.map(({ id }) => id)).size, hits.length);
          assert.ok(!hits.some(({ id }) => id === 'p1' || id === 'p2'));
          assert.equal(
            hits.length,
            Math.min(k, size === undefined ? COUNT - 2 : Math.min(COUNT - 2, 4 * size)),
          );
          if (hits.length < k || size !== undefined) return;
          const own = hits.filter(({ source }) => source === 'seeds').length;
          const share = quotaA / (quotaA + quotaB);
          assert.ok(own >= Math.floor(k * share - 1e-9) && k - own >= Math.floor(k * (1 - share) - 1e-9));
        },
      ),
      { seed: 61, numRuns: 80 },
    );
  });

  it('never shows what is hidden, and looks further for others', async () => {
    const { index, engine } = open();
    const surface = surfaceInForce('related', index, {});
    const plan = planRequest(index, { k: 10 }, () => 0, surface);
    const [seed] = await engine.pins(['p0'], { vector: true });
    const hidden = new Set(
      somePins(COUNT, 1, 1)
        .map(({ id }) => id)
        .filter((_, i) => i % 9 !== 0),
    );
    const input = { seeds: [{ id: 'p0', weight: 1, vector: seed!.vector! }] };
    const run = { index, surface, plan, input, exclude: ['p0'], isHidden: (id: string) => hidden.has(id) };
    const { hits, exhausted } = await runSurface(run, () => 0);
    assert.deepEqual([hits.length, exhausted], [9, true]);
    assert.ok(!hits.some(({ id }) => hidden.has(id)));
    const none = await runSurface({ ...run, isHidden: () => true }, () => 0);
    assert.deepEqual([none.hits, none.exhausted], [[], true]);
  });

  it("holds the surface's filter beside the request's, and names a fault of the request's", async () => {
    const { ask } = open({ related: { filter: { category: 'lamps' } } });
    const all = await ask({ pins: ['p1'], k: 100, include: ['attributes'] });
    assert.ok(all.hits.length > 0 && all.hits.every(({ attributes }) => attributes!.category === 'lamps'));
    const cheap = await ask({
      pins: ['p1'],
      k: 100,
      filter: { price: { $lt: 20 } },
      include: ['attributes'],
    });
    assert.deepEqual(
      cheap.hits.map(({ id }) => id),
      all.hits.filter(({ attributes }) => (attributes!.price as number) < 20).map(({ id }) => id),
    );
    await assert.rejects(ask({ pins: ['p1'], filter: { colour: 'red' } }), {
      code: 'bad_filter',
      details: [{ path: 'filter.colour', message: 'is not a declared attribute' }],
    });
  });

  it('takes k, ef and minScore from the surface where the request says nothing', async () => {
    const { ask, engine } = open({ related: { k: 4, ef: 77, minScore: -1 } });
    assert.equal((await ask({ pins: ['p1'] })).hits.length, 4);
    assert.deepEqual([engine.queries[0]!.ef, engine.queries[0]!.minScore], [77, -1]);
    assert.equal((await ask({ pins: ['p1'], k: 6, ef: 5, minScore: -2 })).hits.length, 6);
    assert.deepEqual([engine.queries[1]!.ef, engine.queries[1]!.minScore], [5, -2]);
  });

  it('answers with nothing, and says that this is all, where no source has anything', async () => {
    const { ask } = open();
    const { hits, exhausted, coverage } = await ask({ pins: ['p1'], filter: { category: 'boats' } });
    assert.deepEqual([hits, exhausted, coverage], [[], true, { shards: 1, answered: 1 }]);
  });

  it('tells vectors of all hits when asked, under every rule', async () => {
    const { ask } = open();
    for (const request of [{}, { diversity: {} }, { groupBy: { field: 'category', size: 1 } }]) {
      const { hits } = await ask({ pins: ['p1'], k: 4, include: ['vector'], ...request });
      assert.ok(hits.every(({ vector }) => vector?.length === DIM));
      const without = await ask({ pins: ['p1'], k: 4, ...request });
      assert.ok(without.hits.every((hit) => !('vector' in hit)));
    }
  });
});
