/** Experiments for tests, over two surfaces of a made-up service whose parameters are numbers. */
import { errorAt } from '../../../src/lib/errors.ts';
import {
  type Experiments,
  parseExperiments,
  type SurfaceRules,
} from '../../../src/retrieval/experiments/config.ts';

const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  related: [
    'ef',
    'diversity',
    'diversity.lambda',
    'sources.seeds.quota',
    'sources.new.quota',
    'sources.seeds.fallback',
  ],
  homefeed: ['ef', 'sources.fresh.quota'],
};

export const rules: SurfaceRules = {
  surfaces: Object.keys(PARAMETERS),
  hasSource: (_surface, name) => name === 'seeds',
  check: (surface, parameters) => {
    for (const [path, value] of Object.entries(parameters)) {
      if (!PARAMETERS[surface]!.includes(path)) throw errorAt('bad_config', path, 'is not a known field');
      if (typeof value !== 'number') throw errorAt('bad_config', path, 'must be a number');
    }
  },
};

export const parse = (experiments: unknown): Experiments =>
  parseExperiments(experiments, 'experiments', rules);

/** Two layers: lambda in halves of the first half of the buckets, ef in three arms of all of them. */
export const twoLayers = {
  layers: [
    {
      name: 'diversity',
      salt: 'd1',
      parameters: ['related.diversity.lambda'],
      experiments: [
        {
          name: 'lambda',
          surface: 'related',
          from: 0,
          to: 5000,
          arms: [{ name: 'control' }, { name: 'diverse', parameters: { 'related.diversity.lambda': 0.5 } }],
        },
      ],
    },
    {
      name: 'width',
      salt: 'w1',
      parameters: ['related.ef', 'homefeed.ef'],
      experiments: [
        {
          name: 'wide',
          surface: 'related',
          to: 10_000,
          arms: [
            { name: 'control', share: 0.5 },
            { name: 'wide', share: 0.3, parameters: { 'related.ef': 200 } },
            { name: 'wider', share: 0.2, parameters: { 'related.ef': 400 } },
          ],
        },
      ],
    },
  ],
} as const;
