/** Seeds of a related request: pins with weights, and the one query vector that they make together. */
import type { Metric } from '../index/config.ts';
import { checkPinId } from '../index/pin.ts';
import { checkRecord } from '../index/shape.ts';
import { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { checkList, checkWeight } from './plan.ts';
import type { WeightedPin } from './sources/source.ts';

/** A pin that a request names, with its weight. */
export interface Seed {
  readonly id: string;
  /** Over 0. */
  readonly weight: number;
  /** Where in the request it stands. */
  readonly path: string;
}

/** A sum of unit vectors shorter than this, relative to the seeds' weight, is rounding noise: no direction. */
const NO_DIRECTION = 1e-6;

/** Checks a list of ids and `{id, weight}`; bad_request, bad_pin_id or limit_exceeded with the seed's path. */
export function checkSeeds(value: unknown, path: string): Seed[] {
  return checkList(value, path, LIMITS.seedsMax).map((entry, i) => {
    const at = `${path}[${i}]`;
    if (typeof entry !== 'object' || entry === null)
      return { id: checkPinId(entry, at), weight: 1, path: at };
    const { id, weight } = checkRecord(entry, ['id', 'weight'], at, 'bad_request');
    return { id: checkPinId(id, `${at}.id`), weight: checkWeight(weight, `${at}.weight`), path: at };
  });
}

/**
 * The query vector, f32[dim]. A negative counts like a seed of the opposite weight, and the sum is divided by the
 * weight of the seeds. Under cosine and dot that is their mean minus the negatives (vectors are unit under cosine);
 * under L2, where the origin means nothing, each negative pushes the mean away from itself instead:
 * mean + sum of weight * (mean - negative). A pin that occurs twice counts twice.
 * @throws NearpinError zero_vector when nothing is left under cosine
 */
export function combineSeeds(
  seeds: readonly WeightedPin[],
  negatives: readonly WeightedPin[],
  metric: Metric,
): Float32Array {
  const dim = seeds[0]!.vector.length;
  const sum = new Float64Array(dim);
  const add = ({ vector }: WeightedPin, factor: number) => {
    for (let i = 0; i < dim; i++) sum[i]! += factor * vector[i]!;
  };
  const weight = total(seeds);
  for (const seed of seeds) add(seed, seed.weight / weight);
  if (metric === 'l2') {
    const stretch = 1 + total(negatives) / weight;
    for (let i = 0; i < dim; i++) sum[i]! *= stretch;
  }
  for (const negative of negatives) add(negative, -negative.weight / weight);

  let squares = 0;
  for (let i = 0; i < dim; i++) squares += sum[i]! ** 2;
  if (metric === 'cosine' && Math.sqrt(squares) < NO_DIRECTION)
    throw new NearpinError(
      'zero_vector',
      `The ${negatives.length > 0 ? 'negatives cancel the pins' : 'pins cancel each other'}: no direction is left`,
      [{ path: negatives.length > 0 ? 'negatives' : 'pins', message: 'cancels out' }],
    );
  return Float32Array.from(sum);
}

function total(seeds: readonly WeightedPin[]): number {
  return seeds.reduce((sum, { weight }) => sum + weight, 0);
}
