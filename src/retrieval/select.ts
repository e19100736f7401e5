/**
 * Choosing k hits from more candidates than that: at most so many per group, and not too alike. Both take
 * candidates in score order; grouping keeps that order, diversity returns the order of selection.
 */
import type { EngineHit } from '../engines/engine.ts';
import type { Metric } from '../index/config.ts';

/** The score that one stored vector has for another: dot product of unit or raw vectors, or minus squared L2. */
export function similarity(metric: Metric, a: Float32Array, b: Float32Array): number {
  let sum = 0;
  if (metric === 'l2') for (let i = 0; i < a.length; i++) sum -= (a[i]! - b[i]!) ** 2;
  else for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Drops every hit that would be more than the `size`-th with one of its values. A hit with several values needs
 * room in all of them; one without a value shares none and always stays.
 */
export function limitGroups(
  hits: readonly EngineHit[],
  valuesOf: (hit: EngineHit) => readonly unknown[],
  size: number,
): EngineHit[] {
  const taken = new Map<unknown, number>();
  return hits.filter((hit) => {
    const values = valuesOf(hit);
    if (values.some((value) => (taken.get(value) ?? 0) >= size)) return false;
    for (const value of values) taken.set(value, (taken.get(value) ?? 0) + 1);
    return true;
  });
}

/**
 * Maximal marginal relevance (Carbonell and Goldstein, 1998): takes k times the candidate with the greatest
 * lambda * score - (1 - lambda) * (its greatest similarity to what is taken); ties go to the better candidate.
 * Candidates must carry vectors. Costs candidates * k similarities.
 */
export function diversify(
  candidates: readonly EngineHit[],
  k: number,
  lambda: number,
  metric: Metric,
): EngineHit[] {
  const left = candidates.map((hit) => ({ hit, redundancy: Number.NEGATIVE_INFINITY }));
  const taken: EngineHit[] = [];
  while (taken.length < k && left.length > 0) {
    let best = 0;
    let bestValue = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < left.length; i++) {
      const { hit, redundancy } = left[i]!;
      // Nothing is redundant before the first is taken: only its score counts.
      const value = taken.length === 0 ? hit.score : lambda * hit.score - (1 - lambda) * redundancy;
      if (value > bestValue) {
        best = i;
        bestValue = value;
      }
    }
    const { hit: chosen } = left.splice(best, 1)[0]!;
    taken.push(chosen);
    for (const candidate of left) {
      const alike = similarity(metric, candidate.hit.vector!, chosen.vector!);
      if (alike > candidate.redundancy) candidate.redundancy = alike;
    }
  }
  return taken;
}
