/**
 * Filters of a run: each passes the vectors whose number lies in a window as wide as the share that is to pass. Either
 * every query has the same window, as surfaces do that show one country or one kind of pin; or each has its own, and no
 * two searches ever have the same filter, so that nothing that was found out for one filter is of use to another.
 */
import { Prng } from '../../src/lib/prng.ts';

/** What is filtered by, in all searches of a point. */
export interface FilterSpec {
  readonly attribute: string;
  /** Share of the vectors that passes, above 0 and up to 1. */
  readonly share: number;
  /** Whether no two searches have the same filter. */
  readonly isFresh: boolean;
}

/** The vectors whose number is at least `from` and below `below`. */
export interface BenchFilter {
  readonly attribute: string;
  readonly from: number;
  readonly below: number;
}

const SEED = 11;

/**
 * How far the windows of one round of searches lie from those of the last: so little that they hold the same vectors,
 * and enough for the numbers to be others.
 */
const ROUND_STEP = 2 ** -50;

/**
 * The filters of `count` queries, in their order: one filter for all of them, or each its own. Rounds differ where
 * filters are fresh, though not in what passes.
 */
export function filtersOf(spec: FilterSpec, count: number, round: number): readonly BenchFilter[] {
  const { attribute, share, isFresh } = spec;
  if (!isFresh) return [{ attribute, from: 0, below: share }];
  const prng = new Prng(SEED);
  return Array.from({ length: count }, (_, q) => {
    // Windows that hold everything differ beyond the ends
    if (share === 1) return { attribute, from: -1 - q, below: 2 + round };
    const from = prng.float() * (1 - share) - round * ROUND_STEP;
    return { attribute, from, below: from + share };
  });
}

/** Which vectors may be hits of which query. */
export interface Windows {
  /** f64[vectors] */
  readonly values: Float64Array;
  /** f64[2 * queries]: where the window of each begins, and where it ends. */
  readonly bounds: Float64Array;
}

/** The windows of `count` queries over the numbers of the attribute. */
export function windowsOf(spec: FilterSpec, values: Float64Array, count: number): Windows {
  const filters = filtersOf(spec, count, 0);
  const bounds = new Float64Array(2 * count);
  for (let q = 0; q < count; q++) {
    const { from, below } = filters[q % filters.length]!;
    bounds.set([from, below], 2 * q);
  }
  return { values, bounds };
}

/** Whether a vector may be a hit of a query; every one may where there are no windows. */
export function passes(windows: Windows | undefined, q: number, ordinal: number): boolean {
  if (windows === undefined) return true;
  const { values, bounds } = windows;
  return values[ordinal]! >= bounds[2 * q]! && values[ordinal]! < bounds[2 * q + 1]!;
}
