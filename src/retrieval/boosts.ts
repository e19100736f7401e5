/** Boosts: factors on a pin's score by its attributes and its age. */
import { matches } from '../index/filter.ts';
import type { Attributes } from '../index/pin.ts';
import type { CheckedBoost } from './surfaces/surface.ts';

/**
 * The factor of each boost for a pin, in their order; 1 where a boost does not apply, and for the age of a pin that has
 * none. What lies in the future is as fresh as what is of now.
 */
export function boostFactors(
  boosts: readonly CheckedBoost[],
  attributes: Attributes,
  nowMs: number,
): number[] {
  return boosts.map((boost) => {
    if ('matches' in boost) return matches(boost.matches, attributes) ? boost.factor : 1;
    const at = Object.hasOwn(attributes, boost.field) ? (attributes[boost.field] as number) : undefined;
    if (at === undefined) return 1;
    return 1 + boost.weight * 2 ** (-Math.max(0, nowMs - at) / boost.halfLifeMs);
  });
}

/** The score times the factor; a score below 0 is divided by it, so that a factor over 1 always raises. */
export function scaleScore(score: number, factor: number): number {
  return score < 0 ? score / factor : score * factor;
}
