/**
 * Pins near the interests of a history (PinnerSage, Pal et al., KDD 2020): its pins are clustered, some of the clusters are
 * drawn by importance, and each is asked for by its medoid, a pin that is there, where a mean would lie between pins. What
 * a pin of the history says fades with its age.
 */
import { checkRecord, fieldPath } from '../../index/shape.ts';
import { type ErrorCode, errorAt } from '../../lib/errors.ts';
import { Prng } from '../../lib/prng.ts';
import { findInterests, sampleInterests } from '../interests.ts';
import { bestOf } from './best-of.ts';
import {
  nothing,
  type OpenSource,
  type PastPin,
  type Source,
  type SourceContext,
  searchNear,
  shareOf,
} from './source.ts';

/** How the interests' lists come together: each has room by its importance, or the best score wins. */
const BLENDS = ['importance', 'score'] as const;

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
  most: { fallback: 8, min: 1, max: 32, isWhole: true },
  mergeBelow: { fallback: 0.7, min: 0, max: 1e6, isWhole: false },
  halfLifeDays: { fallback: 60, min: 1e-3, max: 36_500, isWhole: false },
  pins: { fallback: 128, min: 1, max: 512, isWhole: true },
} as const;
const DAY_MS = 86_400_000;
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
  const { blend = 'importance', ...numbers } = checkRecord(
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
  const isAngular = context.index.engine.config.metric !== 'l2';
  const found = findInterests(history, isAngular, mergeBelow);
  const drawn = sampleInterests(found, most, new Prng(context.seed));
  const total = drawn.reduce((sum, { importance }) => sum + importance, 0);
  return async (wanted) => {
    const lists = await Promise.all(
      drawn.map(({ medoid, importance }) => {
        const { id, vector } = history[medoid]!;
        const share = blend === 'score' ? wanted : shareOf(wanted, importance / total);
        return searchNear(context, vector, share, {
          part: id,
          weight: importance,
          withVectors: drawn.length > 1,
        });
      }),
    );
    return blend === 'score' ? [bestOf(lists)] : lists;
  };
}

function importanceOf({ weight, atMs }: PastPin, nowMs: number, halfLifeDays: number): number {
  if (atMs === undefined) return weight;
  const halvings = Math.max(0, nowMs - atMs) / (halfLifeDays * DAY_MS);
  return weight * 2 ** -Math.min(halvings, HALVINGS_MAX);
}
