/** A config of experiments that is wrong is refused, with the place that is wrong. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refuses } from '../../lib/refuses.ts';
import { parse, twoLayers } from './configs.ts';

const LAYER = twoLayers.layers[0];
const EXPERIMENT = LAYER.experiments[0];
const at = (rest: string) => `experiments.layers[0].${rest}`;
const inLayer = (change: object) => ({ layers: [{ ...LAYER, ...change }] });
const inExperiment = (change: object) => inLayer({ experiments: [{ ...EXPERIMENT, ...change }] });
const inArm = (change: object) => inExperiment({ arms: [EXPERIMENT.arms[0], { name: 'b', ...change }] });

const WRONG: readonly (readonly [what: string, config: unknown, path: string])[] = [
  ['no object', [], 'experiments'],
  ['an unknown field', { layer: [] }, 'experiments.layer'],
  ['layers that are no list', { layers: {} }, 'experiments.layers'],
  ['too many layers', { layers: new Array(33).fill(LAYER) }, 'experiments.layers'],
  ['a layer without a name', inLayer({ name: undefined }), at('name')],
  ['a salt with a colon', inLayer({ salt: 'a:b' }), at('salt')],
  ['an unknown field of a layer', inLayer({ parameter: [] }), at('parameter')],
  ['a parameter of no surface', inLayer({ parameters: ['search.ef'] }), at('parameters[0]')],
  ['a parameter without a path', inLayer({ parameters: ['related'] }), at('parameters[0]')],
  ['a parameter with an empty step', inLayer({ parameters: ['related..ef'] }), at('parameters[0]')],
  ['a parameter that is no string', inLayer({ parameters: [7] }), at('parameters[0]')],
  ['an experiment without a name', inExperiment({ name: '' }), at('experiments[0].name')],
  ['an experiment called as the holdout is', inExperiment({ name: 'holdout' }), at('experiments[0].name')],
  ['an unknown surface', inExperiment({ surface: 'profile' }), at('experiments[0].surface')],
  ['an unknown field of an experiment', inExperiment({ unit: 'user' }), at('experiments[0].unit')],
  ['buckets that end before they begin', inExperiment({ from: 60, to: 60 }), at('experiments[0].to')],
  ['buckets beyond the last', inExperiment({ to: 10_001 }), at('experiments[0].to')],
  ['no end of the buckets', inExperiment({ to: undefined }), at('experiments[0].to')],
  ['half a bucket', inExperiment({ from: 0.5 }), at('experiments[0].from')],
  ['no arms', inExperiment({ arms: [] }), at('experiments[0].arms')],
  ['arms that are no list', inExperiment({ arms: undefined }), at('experiments[0].arms')],
  [
    'two arms of one name',
    inExperiment({ arms: [{ name: 'a' }, { name: 'a' }] }),
    at('experiments[0].arms[1].name'),
  ],
  ['an arm with a reserved name', inArm({ name: 'interleaved' }), at('experiments[0].arms[1].name')],
  [
    'shares over 1',
    inExperiment({
      arms: [
        { name: 'a', share: 0.6 },
        { name: 'b', share: 0.5 },
      ],
    }),
    at('experiments[0].arms'),
  ],
  [
    'shares below 1',
    inExperiment({
      arms: [
        { name: 'a', share: 0.333 },
        { name: 'b', share: 0.333 },
      ],
    }),
    at('experiments[0].arms'),
  ],
  [
    'one share only',
    inExperiment({ arms: [{ name: 'a', share: 0.5 }, { name: 'b' }] }),
    at('experiments[0].arms[1].share'),
  ],
  ['a share of 0', inArm({ share: 0 }), at('experiments[0].arms[1].share')],
  ['a share that is no number', inArm({ share: '50%' }), at('experiments[0].arms[1].share')],
  [
    'a share below a bucket',
    inExperiment({
      arms: [
        { name: 'a', share: 0.99999 },
        { name: 'b', share: 0.00001 },
      ],
    }),
    at('experiments[0].arms[1].share'),
  ],
  ['parameters that are a list', inArm({ parameters: [] }), at('experiments[0].arms[1].parameters')],
  [
    'a parameter that the layer does not own',
    inArm({ parameters: { 'related.ef': 7 } }),
    at('experiments[0].arms[1].parameters["related.ef"]'),
  ],
  [
    'a parameter of another surface',
    inArm({ parameters: { 'homefeed.ef': 7 } }),
    at('experiments[0].arms[1].parameters["homefeed.ef"]'),
  ],
  [
    'a value of the wrong type',
    inArm({ parameters: { 'related.diversity.lambda': 'half' } }),
    at('experiments[0].arms[1].parameters["related.diversity.lambda"]'),
  ],
  [
    'a parameter that the surface does not know',
    inLayer({
      parameters: ['related.colour'],
      experiments: [{ ...EXPERIMENT, arms: [{ name: 'a', parameters: { 'related.colour': 1 } }] }],
    }),
    at('experiments[0].arms[0].parameters["related.colour"]'),
  ],
  [
    'a parameter within another one of the same arm',
    inLayer({
      parameters: ['related.diversity'],
      experiments: [
        {
          ...EXPERIMENT,
          arms: [{ name: 'a', parameters: { 'related.diversity': 1, 'related.diversity.lambda': 1 } }],
        },
      ],
    }),
    at('experiments[0].arms[0].parameters["related.diversity.lambda"]'),
  ],
  [
    'overlapping experiments',
    inLayer({ experiments: [EXPERIMENT, { ...EXPERIMENT, name: 'other', from: 4999, to: 6000 }] }),
    at('experiments[1].from'),
  ],
  [
    'an experiment within another one',
    inLayer({ experiments: [EXPERIMENT, { ...EXPERIMENT, name: 'other', from: 10, to: 20 }] }),
    at('experiments[1].from'),
  ],
  [
    'three arms interleaved',
    inExperiment({ interleave: true, arms: 'abc'.split('').map((name) => ({ name })) }),
    at('experiments[0].arms'),
  ],
  [
    'shares of interleaved arms',
    inExperiment({
      interleave: true,
      arms: [
        { name: 'a', share: 0.5 },
        { name: 'b', share: 0.5 },
      ],
    }),
    at('experiments[0].arms[0].share'),
  ],
  ['interleave that is no switch', inExperiment({ interleave: ['a', 'b'] }), at('experiments[0].interleave')],
  [
    'two layers of one name',
    { layers: [LAYER, { ...LAYER, salt: 'x', experiments: [], parameters: [] }] },
    'experiments.layers[1].name',
  ],
  [
    'two layers of one salt',
    { layers: [LAYER, { name: 'x', salt: LAYER.salt }] },
    'experiments.layers[1].salt',
  ],
  [
    'two experiments of one name',
    { layers: [LAYER, { name: 'x', salt: 'x', experiments: [{ ...EXPERIMENT, arms: [{ name: 'a' }] }] }] },
    'experiments.layers[1].experiments[0].name',
  ],
  [
    'a parameter in two layers',
    { layers: [LAYER, { name: 'x', salt: 'x', parameters: ['related.ef', ...LAYER.parameters] }] },
    'experiments.layers[1].parameters[1]',
  ],
  [
    'a parameter within that of another layer',
    { layers: [LAYER, { name: 'x', salt: 'x', parameters: ['related.diversity'] }] },
    'experiments.layers[1].parameters[0]',
  ],
  [
    'a parameter twice in a layer',
    inLayer({ parameters: ['related.ef', 'related.ef'], experiments: [] }),
    at('parameters[1]'),
  ],
  [
    'two layers that interleave a surface',
    {
      layers: ['x', 'y'].map((name) => ({
        name,
        salt: name,
        experiments: [
          {
            name: `e${name}`,
            surface: 'related',
            to: 10,
            interleave: true,
            arms: [{ name: 'a' }, { name: 'b' }],
          },
        ],
      })),
    },
    'experiments.layers[1].experiments[0].interleave',
  ],
  ['a holdout without a salt', { holdout: { share: 0.1 } }, 'experiments.holdout.salt'],
  ['a holdout of everyone', { holdout: { salt: 'h', share: 1 } }, 'experiments.holdout.share'],
  ['a holdout below a bucket', { holdout: { salt: 'h', share: 1e-6 } }, 'experiments.holdout.share'],
  [
    'a holdout with the salt of a layer',
    { layers: [LAYER], holdout: { salt: LAYER.salt, share: 0.1 } },
    'experiments.holdout.salt',
  ],
];

describe('a config of experiments', () => {
  for (const [what, config, path] of WRONG) {
    it(`with ${what} is refused at ${path}`, () => {
      refuses(() => parse(config), 'bad_config', path);
    });
  }

  it('is read with its defaults: from bucket 0, equal shares, nothing changed', () => {
    const { layers, bySurface, holdout } = parse(twoLayers);
    assert.equal(holdout, undefined);
    assert.deepEqual(
      layers[0]!.experiments[0]!.arms.map(({ name, end }) => [name, end]),
      [
        ['control', 5000],
        ['diverse', 10_000],
      ],
    );
    assert.deepEqual(
      layers[1]!.experiments[0]!.arms.map(({ end }) => end),
      [5000, 8000, 10_000],
    );
    assert.equal(layers[1]!.experiments[0]!.from, 0);
    assert.deepEqual([...bySurface.keys()], ['related']);
    assert.deepEqual(parse({}).layers, []);
  });

  it('takes thirds, and experiments side by side in a layer', () => {
    const thirds = ['a', 'b', 'c'].map((name) => ({ name, share: 1 / 3 }));
    const { layers } = parse(
      inLayer({
        experiments: [
          { ...EXPERIMENT, arms: thirds },
          { ...EXPERIMENT, name: 'other', from: 5000, to: 6000 },
        ],
      }),
    );
    assert.deepEqual(
      layers[0]!.experiments[0]!.arms.map(({ end }) => end),
      [3333, 6667, 10_000],
    );
  });
});
