/** Experiments as a request meets them: what the arms change, what the answer says, and when nothing is changed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RelatedRequest } from '../../../src/retrieval/contract.ts';
import { armBucket, layerBucket } from '../../../src/retrieval/experiments/assign.ts';
import { decides, withParameters } from '../../../src/retrieval/experiments/parameters.ts';
import { underExperiments } from '../../../src/retrieval/experiments/run.ts';
import { parseMixerConfig } from '../../../src/retrieval/mixer-config.ts';
import { runRelated } from '../../../src/retrieval/related.ts';
import { rejects } from '../../lib/refuses.ts';
import { memoryEngine } from '../../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../../support/pins.ts';

const DIM = 6;
const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: somePins(80, DIM, 2) });

const experiment = (name: string, arms: readonly object[], more: object = {}) => ({
  name,
  surface: 'related',
  to: 10_000,
  arms,
  ...more,
});
const layer = (name: string, experiments: readonly object[]) => ({
  name,
  salt: name,
  parameters: [`related.${name}`],
  experiments,
});

/** Asks under a mixer config. */
function open(mixer: object) {
  const index = { name: 'demo', engine, model: null, mixer: parseMixerConfig(mixer, engine.config) };
  return (request: Omit<RelatedRequest, 'pins'> = {}) =>
    runRelated(index, { pins: ['p3'], k: 10, ...request }, () => 0);
}
const layersOf = (...layers: object[]) => ({ experiments: { layers } });
const ids = (answer: { hits: readonly { id: string }[] }) => answer.hits.map(({ id }) => id);

const GROUPS = { 'related.groupBy': { field: 'category', size: 2 } };
const groups = layersOf(
  layer('groupBy', [experiment('groups', [{ name: 'control' }, { name: 'grouped', parameters: GROUPS }])]),
);
const unitOf = (arm: 'control' | 'grouped') =>
  Array.from({ length: 100 }, (_, i) => `u${i}`).find(
    (unit) => (armBucket('groupBy', 'groups', unit) < 5000 ? 'control' : 'grouped') === arm,
  )!;

describe('a request under experiments', () => {
  it('is answered as the parameters of its arm say, and says which that was', async () => {
    const ask = open(groups);
    const plain = await open({})();
    const request = await open({})({ groupBy: { field: 'category', size: 2 } });
    assert.notDeepEqual(ids(plain), ids(request));
    const control = await ask({ unit: unitOf('control') });
    assert.deepEqual(control, { ...plain, experiments: [{ experiment: 'groups', arm: 'control' }] });
    const grouped = await ask({ unit: unitOf('grouped') });
    assert.deepEqual(grouped, { ...request, experiments: [{ experiment: 'groups', arm: 'grouped' }] });
  });

  it('is answered as ever without a unit, and outside the buckets', async () => {
    const plain = await open({})();
    assert.deepEqual(await open(groups)(), plain);
    const none = layersOf(
      layer('groupBy', [experiment('groups', [{ name: 'grouped', parameters: GROUPS }], { to: 1 })]),
    );
    const outside = ['a', 'b', 'c'].find((unit) => layerBucket('groupBy', unit) >= 1)!;
    assert.deepEqual(await open(none)({ unit: outside }), plain);
    assert.deepEqual(await open({})({ unit: 'anyone' }), plain);
  });

  it('decides over the arm with its own fields, and is then not exposed', async () => {
    const own = { groupBy: { field: 'category', size: 1 } };
    const plain = await open({})(own);
    assert.deepEqual(await open(groups)({ ...own, unit: unitOf('grouped') }), plain);
    assert.deepEqual(await open(groups)({ groupBy: null, unit: unitOf('grouped') }), await open({})());
  });

  it('lays arms over what the index says, and leaves what the index left out', async () => {
    const surfaces = {
      related: {
        groupBy: { field: 'category', size: 2 },
        sources: { more: { source: 'seeds' }, seeds: null },
      },
    };
    const bySize = {
      surfaces,
      ...layersOf(
        layer('groupBy', [experiment('size', [{ name: 'one', parameters: { 'related.groupBy.size': 1 } }])]),
        layer('sources', [
          experiment('quota', [{ name: 'five', parameters: { 'related.sources.more.quota': 5 } }]),
        ]),
      ),
    };
    const answer = await open(bySize)({ unit: 'u' });
    const expected = await open({ surfaces })({ groupBy: { field: 'category', size: 1 } });
    assert.deepEqual(ids(answer), ids(expected));
    assert.ok(answer.hits.every(({ source }) => source === 'more'));
    assert.deepEqual(answer.experiments, [
      { experiment: 'size', arm: 'one' },
      { experiment: 'quota', arm: 'five' },
    ]);
  });

  it('is not exposed to an experiment on a source that had nothing to look for', async () => {
    const mixer = parseMixerConfig(
      layersOf(
        layer('sources', [
          experiment('quota', [{ name: 'five', parameters: { 'related.sources.seeds.quota': 5 } }]),
        ]),
      ),
      engine.config,
    );
    const index = { name: 'demo', engine, model: null, mixer };
    const plain = await open({})();
    for (const ran of [['seeds'], []]) {
      const answer = await underExperiments(index, 'related', { unit: 'u' }, async ({ onSource }) => {
        for (const source of ran) onSource!(source);
        return plain;
      });
      assert.deepEqual(
        answer.experiments,
        ran.length > 0 ? [{ experiment: 'quota', arm: 'five' }] : undefined,
      );
    }
    assert.equal((await runRelated(index, { pins: ['p3'], unit: 'u' }, () => 0)).experiments?.length, 1);
  });

  it('is refused for variants that are none, and for a unit that is none', async () => {
    await rejects(open(groups)({ variants: { groups: 'red' } }), 'bad_request', 'variants.groups');
    await rejects(open({})({ variants: { groups: 'grouped' } }), 'bad_request', 'variants.groups');
    await rejects(open(groups)({ unit: '' }), 'bad_request', 'unit');
  });

  it('takes the arm that variants name', async () => {
    const answer = await open(groups)({ variants: { groups: 'grouped' } });
    assert.deepEqual(answer.experiments, [{ experiment: 'groups', arm: 'grouped', forced: true }]);
    assert.deepEqual(ids(answer), ids(await open({})({ groupBy: { field: 'category', size: 2 } })));
  });
});

describe('an interleaved request', () => {
  const arms = [{ name: 'control' }, { name: 'grouped', parameters: GROUPS }];
  const ask = open(layersOf(layer('groupBy', [experiment('groups', arms, { interleave: true })])));

  it('has hits of both arms, each with its team, and no pin twice', async () => {
    const answer = await ask({ unit: 'u', include: ['payload'] });
    assert.deepEqual(answer.experiments, [{ experiment: 'groups', arm: 'interleaved' }]);
    assert.equal(answer.hits.length, 10);
    assert.equal(new Set(ids(answer)).size, 10);
    const control = ids(await open({})());
    const grouped = ids(await open({})({ groupBy: { field: 'category', size: 2 } }));
    const shown: string[] = [];
    for (const { id, team, payload, source } of answer.hits) {
      assert.ok(payload !== undefined && source === 'seeds');
      const left = (team === 'control' ? control : grouped).filter((one) => !shown.includes(one));
      if (team !== undefined) assert.equal(id, left[0]);
      shown.push(id);
    }
    for (const arm of ['control', 'grouped'])
      assert.ok(answer.hits.filter(({ team }) => team === arm).length >= 4, arm);
  });

  it('is exhausted when both arms are and every hit of theirs is shown', async () => {
    const few = { category: 'lamps' };
    const filtered = open(
      layersOf(
        layer('filter', [
          experiment(
            'kinds',
            [
              { name: 'lamps', parameters: { 'related.filter': few } },
              { name: 'chairs', parameters: { 'related.filter': { category: 'chairs' } } },
            ],
            { interleave: true },
          ),
        ]),
      ),
    );
    // Twenty of each kind, of which as many are shown as of the longer list
    const { hits, exhausted } = await filtered({ unit: 'u', k: 50 });
    assert.equal(hits.length, 20);
    assert.equal(exhausted, false);
    const same = await ask({ unit: 'u', k: 100, filter: few });
    assert.equal(same.exhausted, true);
  });

  it('comes out the same for the same unit, and differently for some other', async () => {
    const of = async (unit: string) => (await ask({ unit })).hits.map(({ id, team }) => `${id} ${team}`);
    assert.deepEqual(await of('u'), await of('u'));
    const others = new Set(
      await Promise.all(['u', 'v', 'w', 'x', 'y'].map(async (unit) => (await of(unit)).join())),
    );
    assert.ok(others.size > 1);
  });
});

describe('parameters', () => {
  const surface = { sources: { seeds: { source: 'seeds', quota: 1 } }, diversity: { lambda: 0.5 }, k: 5 };
  it('change what they name and nothing beside it, nor the surface itself', () => {
    const changed = withParameters(surface, {
      'sources.seeds.quota': 3,
      'sources.more': { source: 'seeds' },
      'groupBy.size': 2,
      'groupBy.field': 'board',
      minScore: 0.2,
    });
    assert.deepEqual(changed, {
      sources: { seeds: { source: 'seeds', quota: 3 }, more: { source: 'seeds' } },
      groupBy: { size: 2, field: 'board' },
      minScore: 0.2,
    });
    assert.equal(surface.sources.seeds.quota, 1);
  });

  it('are decided by the request where it says something of that field, of sources by parameter', () => {
    const request = {
      diversity: { lambda: 1 },
      k: 3,
      sources: { seeds: { quota: 2 }, more: null },
      filter: { x: 1 },
    };
    for (const [path, expected] of [
      ['diversity.lambda', true],
      ['diversity', true],
      ['k', true],
      ['ef', false],
      ['filter', false],
      ['sources.seeds.quota', true],
      ['sources.seeds.strategy', false],
      ['sources.seeds', false],
      ['sources.more.quota', true],
      ['sources.other.quota', false],
    ] as const)
      assert.equal(decides(request, path), expected, path);
  });
});
