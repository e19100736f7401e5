/**
 * Pins near the seeds of a request and away from its negatives, by one of three strategies:
 *
 *   average    one search, by the weighted mean of the seeds minus the negatives
 *   bestScore  a search a seed; a pin counts by the seed that it is nearest to, times that seed's weight
 *   perSeed    a search a seed, each a list of its own whose quota is the seed's weight (as PinnerSage, Pal et al. 2020)
 *
 * With a search a seed, a pin that is nearer to a negative than to the seed is none of that seed's candidates, where each
 * similarity counts times its weight.
 */
import type { EngineHit } from '../../engines/engine.ts';
import type { Metric } from '../../index/config.ts';
import { checkRecord, fieldPath } from '../../index/shape.ts';
import { errorAt } from '../../lib/errors.ts';
import { scaleScore } from '../boosts.ts';
import { combineSeeds } from '../seeds.ts';
import { similarity } from '../similarity.ts';
import { bestOf } from './best-of.ts';
import {
  type CandidateList,
  nothing,
  type OpenSource,
  type Source,
  type SourceContext,
  searchNear,
  shareOf,
  type WeightedPin,
} from './source.ts';

export const STRATEGIES = ['average', 'bestScore', 'perSeed'] as const;
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

  bestScore: (context, named, negatives) => {
    const seeds = distinct(named);
    const greatest = Math.max(...seeds.map(({ weight }) => weight));
    return async (wanted) => {
      const lists = await Promise.all(seeds.map((seed) => searchSeed(context, seed, negatives, wanted)));
      return [
        bestOf(
          lists,
          seeds.map(({ weight }) => weight / greatest),
        ),
      ];
    };
  },

  perSeed: (context, named, negatives) => {
    const seeds = distinct(named);
    const total = seeds.reduce((sum, { weight }) => sum + weight, 0);
    return (wanted) =>
      Promise.all(
        seeds.map(async (seed) => {
          const list = await searchSeed(context, seed, negatives, shareOf(wanted, seed.weight / total));
          return { ...list, part: seed.id, weight: seed.weight };
        }),
      );
  },
};

/** A search by one seed, without what is nearer to a negative. Vectors come along where there are more lists. */
async function searchSeed(
  context: SourceContext,
  seed: WeightedPin,
  negatives: readonly WeightedPin[],
  wanted: number,
): Promise<CandidateList> {
  const isAlone = context.input.seeds!.length === 1 && negatives.length === 0;
  const list = await searchNear(context, seed.vector, wanted, { withVectors: !isAlone });
  if (negatives.length === 0) return list;
  const { metric } = context.index.engine.config;
  return {
    ...list,
    candidates: list.candidates.filter((hit) => !isNearerToNegative(hit, seed, negatives, metric)),
  };
}

function isNearerToNegative(
  { score, vector }: EngineHit,
  seed: WeightedPin,
  negatives: readonly WeightedPin[],
  metric: Metric,
): boolean {
  return negatives.some(
    (negative) =>
      scaleScore(similarity(metric, vector!, negative.vector), negative.weight / seed.weight) > score,
  );
}

/** A seed that is named twice has both weights. */
function distinct(seeds: readonly WeightedPin[]): WeightedPin[] {
  const byId = new Map<string, WeightedPin>();
  for (const seed of seeds)
    byId.set(seed.id, { ...seed, weight: seed.weight + (byId.get(seed.id)?.weight ?? 0) });
  return [...byId.values()];
}
