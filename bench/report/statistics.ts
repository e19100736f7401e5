/** What was measured several times. */
import { median } from '../../src/lib/quantile.ts';

/** A value measured several times: machines are shared, so the median counts, and the spread says how far to trust it. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}
