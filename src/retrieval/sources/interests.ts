/**
 * Pins near the interests of a history (PinnerSage, Pal et al., KDD 2020): its pins are clustered, some of the clusters are
 * drawn by importance, and each is asked for by its medoid, a pin that is there, where a mean would lie between pins. What
 * a pin of the history says fades with its age.
 */
import type { EngineHit } from '../../engines/engine.ts';
import type { Metric } from '../../index/config.ts';
import { checkRecord, fieldPath } from '../../index/shape.ts';
import { DAY_MS } from '../../index/time.ts';
import { type ErrorCode, errorAt } from '../../lib/errors.ts';
import { Prng } from '../../lib/prng.ts';
import { findInterests, type HistoryPin, sampleInterests } from '../interests.ts';
import { similarity, squaresOf } from '../similarity.ts';
import { asOne, bestOf } from './best-of.ts';
import {
  byScore,
  type CandidateList,
  nothing,
  type OpenSource,
  type PastPin,
  type Source,
  type SourceContext,
  searchNear,
  shareOf,
} from './source.ts';

/**
 * How the interests' candidates come together:
 *
 *   history     in one list, by how near they are to the whole history: what fits several interests comes first
 *   importance  a list an interest, each with room by its importance: every interest is seen
 *   score       in one list, by the interest that they are nearest to
 */
const BLENDS = ['history', 'importance', 'score'] as const;

interface InterestsParams {
  /** Interests that are asked for. */
  readonly most: number;
  /** As `findInterests` has it. */
  readonly mergeBelow: number;
  /** Days in which a pin of the history comes to say half as much. */
  readonly halfLifeDays: number;
  /** Pins that are clustered, those that say most. */
  readonly pins: number;
  readonly blend: (typeof BLENDS)[number];
}

const RANGES = {
  most: { fallback: 5, min: 1, max: 32, isWhole: true },
  mergeBelow: { fallback: 0.7, min: 0, max: 1e6, isWhole: false },
  halfLifeDays: { fallback: 60, min: 1e-3, max: 36_500, isWhole: false },
  pins: { fallback: 128, min: 1, max: 512, isWhole: true },
} as const;
/** What is older says as much: a weight of 0 would be none. */
const HALVINGS_MAX = 64;

export const interests: Source = (params, { path, code }) => {
  const checked = checkParams(params, path, code);
  return (context) => {
    const { history } = context.input;
    return history === undefined || history.length === 0 ? nothing : openInterests(context, history, checked);
  };
};

function checkParams(
  params: Readonly<Record<string, unknown>>,
  path: string,
  code: ErrorCode,
): InterestsParams {
  const { blend = 'history', ...numbers } = checkRecord(
    params,
    [...Object.keys(RANGES), 'blend'],
    path,
    code,
  );
  if (!(BLENDS as readonly unknown[]).includes(blend))
    throw errorAt(code, fieldPath(path, 'blend'), `must be one of ${BLENDS.join(', ')}`);
  const number = (name: keyof typeof RANGES): number => {
    const { fallback, min, max, isWhole } = RANGES[name];
    const value = numbers[name] ?? fallback;
    const isInRange = typeof value === 'number' && value >= min && value <= max;
    if (isInRange && (!isWhole || Number.isInteger(value))) return value;
    const kind = isWhole ? 'whole number' : 'number';
    throw errorAt(code, fieldPath(path, name), `must be a ${kind} from ${min} to ${max}`);
  };
  return {
    most: number('most'),
    mergeBelow: number('mergeBelow'),
    halfLifeDays: number('halfLifeDays'),
    pins: number('pins'),
    blend: blend as InterestsParams['blend'],
  };
}

function openInterests(
  context: SourceContext,
  past: readonly PastPin[],
  { most, mergeBelow, halfLifeDays, pins, blend }: InterestsParams,
): OpenSource {
  const history = past
    .map((pin) => ({ ...pin, importance: importanceOf(pin, context.nowMs, halfLifeDays) }))
    .sort((a, b) => b.importance - a.importance)
    .slice(0, pins);
  const { metric } = context.index.engine.config;
  const found = findInterests(history, metric !== 'l2', mergeBelow);
  const drawn = sampleInterests(found, most, new Prng(context.seed));
  const total = drawn.reduce((sum, { importance }) => sum + importance, 0);
  const isOneList = blend !== 'importance';
  return async (wanted) => {
    const lists = await Promise.all(
      drawn.map(({ medoid, importance }) => {
        const { id, vector } = history[medoid]!;
        const share = isOneList ? wanted : shareOf(wanted, importance / total);
        return searchNear(context, vector, share, {
          part: id,
          weight: importance,
          withVectors: isOneList || drawn.length > 1,
        });
      }),
    );
    if (!isOneList) return lists;
    return [blend === 'score' ? bestOf(lists) : nearHistory(lists, history, metric)];
  };
}

/** The candidates of all lists by their similarity to the mean of the history, of directions where only those count. */
function nearHistory(
  lists: readonly CandidateList[],
  history: readonly HistoryPin[],
  metric: Metric,
): CandidateList {
  const mean = meanOf(history, metric);
  const candidates = new Map<string, EngineHit>();
  for (const list of lists)
    for (const { id, vector } of list.candidates)
      if (!candidates.has(id))
        candidates.set(id, { id, score: similarity(metric, mean, vector!), vector: vector! });
  return asOne(lists, [...candidates.values()].sort(byScore));
}

/** The mean by importance: of unit vectors, under l2 of the vectors; itself of unit length under cosine. */
function meanOf(history: readonly HistoryPin[], metric: Metric): Float32Array {
  const mean = new Float32Array(history[0]!.vector.length);
  const total = history.reduce((sum, { importance }) => sum + importance, 0);
  for (const { vector, importance } of history) {
    const length = metric === 'l2' ? 1 : Math.sqrt(squaresOf(vector)) || 1;
    for (let d = 0; d < mean.length; d++) mean[d]! += (importance / total / length) * vector[d]!;
  }
  const length = metric === 'cosine' ? Math.sqrt(squaresOf(mean)) || 1 : 1;
  return mean.map((x) => x / length);
}

function importanceOf({ weight, atMs }: PastPin, nowMs: number, halfLifeDays: number): number {
  if (atMs === undefined) return weight;
  const halvings = Math.max(0, nowMs - atMs) / (halfLifeDays * DAY_MS);
  return weight * 2 ** -Math.min(halvings, HALVINGS_MAX);
}
