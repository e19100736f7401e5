/** The mixer config of an index, as a whole: refused with the place that is wrong, in the terms of the file. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { resolveConfig } from '../../src/index/config.ts';
import { parseMixerConfig } from '../../src/retrieval/mixer-config.ts';
import { refuses } from '../lib/refuses.ts';

const config = resolveConfig({ dim: 4, metric: 'cosine', attributes: { board: 'keyword', savedAt: 'time' } });
const parse = (input: unknown) => parseMixerConfig(input, config);

const surface = (related: unknown) => ({ surfaces: { related } });
const arms = (parameters: object, more: object = {}) => ({
  ...more,
  experiments: {
    layers: [
      {
        name: 'l',
        salt: 's',
        parameters: Object.keys(parameters),
        experiments: [
          { name: 'e', surface: 'related', to: 10_000, arms: [{ name: 'a' }, { name: 'b', parameters }] },
        ],
      },
    ],
  },
});
const ARM = 'experiments.layers[0].experiments[0].arms[1].parameters';

describe('a mixer config', () => {
  for (const [what, input, path] of [
    ['a list', [], ''],
    ['an unknown field', { surface: {} }, 'surface'],
    ['an unknown surface', { surfaces: { profile: {} } }, 'surfaces.profile'],
    ['a surface that is no object', surface(7), 'surfaces.related'],
    ['sources that are no object', surface({ sources: [] }), 'surfaces.related.sources'],
    ['a source of no kind', surface({ sources: { mine: {} } }), 'surfaces.related.sources.mine.source'],
    ['no source left', surface({ sources: { seeds: null } }), 'surfaces.related.sources'],
    ['an unknown field of a surface', surface({ colour: 1 }), 'surfaces.related.colour'],
    ['a lambda over 1', surface({ diversity: { lambda: 2 } }), 'surfaces.related.diversity.lambda'],
    ['a k over the limit', surface({ k: 5000 }), 'surfaces.related.k'],
    [
      'groups by what is not declared',
      surface({ groupBy: { field: 'x', size: 1 } }),
      'surfaces.related.groupBy.field',
    ],
    ['a filter on what is not declared', surface({ filter: { x: 1 } }), 'surfaces.related.filter.x'],
    [
      'an arm with a lambda of text',
      arms({ 'related.diversity.lambda': 'half' }),
      `${ARM}["related.diversity.lambda"]`,
    ],
    [
      'an arm with an unknown parameter',
      arms({ 'related.diversity.mu': 1 }),
      `${ARM}["related.diversity.mu"]`,
    ],
    [
      'an arm with a field within a number',
      arms({ 'related.k.x': 1 }, surface({ k: 5 })),
      `${ARM}["related.k.x"]`,
    ],
    ['an arm with an ef over the limit', arms({ 'related.ef': 1e6 }), `${ARM}["related.ef"]`],
    ['an arm with an unknown filter', arms({ 'related.filter': { x: 1 } }), `${ARM}["related.filter"]`],
    ['a way to the prototype', arms({ 'related.__proto__.k': 1 }), 'experiments.layers[0].parameters[0]'],
    ['a shadow of nothing', { shadows: [{ name: 's', share: 1 }] }, 'shadows[0]'],
  ] as const)
    it(`with ${what} is refused at ${path}`, () => {
      refuses(() => parse(input), 'bad_config', path);
      assert.equal(({} as { k?: number }).k, undefined);
    });

  it('takes an arm that completes what the index says of a field', () => {
    const ofIndex = surface({ groupBy: { field: 'board', size: 2 } });
    assert.ok(parse(arms({ 'related.groupBy.size': 1 }, ofIndex)));
    // Alone it is no groupBy, and what is missing lies beside it
    refuses(() => parse(arms({ 'related.groupBy.size': 1 })), 'bad_config', ARM);
  });

  it('refuses arms of two layers that are right alone and wrong together', () => {
    const layer = (name: string, parameters: object) => ({
      name,
      salt: name,
      parameters: Object.keys(parameters),
      experiments: [{ name: `e-${name}`, surface: 'related', to: 100, arms: [{ name: 'a', parameters }] }],
    });
    const layers = [
      layer('x', { 'related.sources.seeds': null }),
      layer('y', { 'related.sources.more': null }),
    ];
    const more = surface({ sources: { more: { source: 'seeds' } } });
    for (const one of layers) assert.ok(parse({ ...more, experiments: { layers: [one] } }));
    const path = 'experiments.layers[1].experiments[0].arms[0].parameters["related.sources.seeds"]';
    refuses(() => parse({ ...more, experiments: { layers } }), 'bad_config', path);
  });

  it('is taken as docs/mixer.md shows it', () => {
    const text = readFileSync(new URL('../../../docs/mixer.md', import.meta.url), 'utf8');
    const [, example] = /```json\n(.*?)```/s.exec(text)!;
    const { surfaces, experiments, shadows } = parse(JSON.parse(example!));
    assert.equal(surfaces.related?.groupBy?.size, 3);
    assert.deepEqual(
      experiments?.layers[0]?.experiments.map(({ name }) => name),
      ['mmr-on-related', 'one-a-board'],
    );
    assert.equal(shadows?.length, 1);
  });

  it('is empty when it says nothing', () => {
    const { surfaces, experiments, shadows } = parse({});
    assert.deepEqual([surfaces, experiments?.layers, shadows], [{}, [], []]);
  });
});
