/**
 * Pins near the seeds of a request and away from its negatives, by one of three strategies:
 *
 *   average    one search, by the weighted mean of the seeds minus the negatives
 *   bestScore  a search a seed; a pin counts by the seed that it is nearest to
 *   perSeed    a search a seed, each a list of its own whose quota is the seed's weight (as PinnerSage, Pal et al. 2020)
 */
import { checkRecord, fieldPath } from '../../index/shape.ts';
import { errorAt } from '../../lib/errors.ts';
import { combineSeeds } from '../seeds.ts';
import {
  nothing,
  type OpenSource,
  type Source,
  type SourceContext,
  searchNear,
  type WeightedPin,
} from './source.ts';

export const STRATEGIES = ['average'] as const;
export type Strategy = (typeof STRATEGIES)[number];

export const seeds: Source = (params, { path, code }) => {
  const { strategy = 'average' } = checkRecord(params, ['strategy'], path, code);
  if (!isStrategy(strategy))
    throw errorAt(code, fieldPath(path, 'strategy'), `must be one of ${STRATEGIES.join(', ')}`);
  return (context) => {
    const { seeds, negatives = [] } = context.input;
    return seeds === undefined ? nothing : OPENINGS[strategy](context, seeds, negatives);
  };
};

const isStrategy = (value: unknown): value is Strategy => (STRATEGIES as readonly unknown[]).includes(value);

type OpeningOfSeeds = (
  context: SourceContext,
  seeds: readonly WeightedPin[],
  negatives: readonly WeightedPin[],
) => OpenSource;

const OPENINGS: Readonly<Record<Strategy, OpeningOfSeeds>> = {
  average: (context, seeds, negatives) => {
    const vector = combineSeeds(seeds, negatives, context.index.engine.config.metric);
    return async (wanted) => [await searchNear(context, vector, wanted)];
  },
};
