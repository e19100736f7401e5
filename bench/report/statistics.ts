/** What was measured several times. */
import { median } from '../../src/lib/quantile.ts';

/** A value measured several times: machines are shared, so the median counts, and the spread says how far to trust it. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Of each pass, in order; absent in runs before they were kept. */
  readonly values?: readonly number[];
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), values: [...values] };
}

/** A value of each pass; null where a pass does not tell. */
export type ByPass = readonly (number | null)[];

export const passesOf = ({ values, median }: Spread): readonly number[] => values ?? [median];

const isKnown = (value: number | null): value is number => value !== null;

/** The median of the passes that tell. */
export function middleOf(values: ByPass): number | null {
  const known = values.filter(isKnown);
  return known.length === 0 ? null : median(known);
}

/**
 * a over b, of what was measured in turns: pass by pass, since whatever slows the machine for a while falls on both sides of
 * the same pass, but not on as many passes of both. Null where no pass tells both.
 */
export function ratioOf(a: ByPass, b: ByPass): Spread | null {
  const ratios = a.map((value, pass) => over(value, b[pass] ?? null)).filter(isKnown);
  return ratios.length === 0 ? null : spreadOf(ratios);
}

/** The same of two that were measured in turns in the same run: every pass tells both. */
export const ratioOfSpreads = (a: Spread, b: Spread): Spread => ratioOf(passesOf(a), passesOf(b))!;

/** a less b, pass by pass. */
export const differenceOfSpreads = (a: Spread, b: Spread): Spread =>
  spreadOf(passesOf(a).map((value, pass) => value - passesOf(b)[pass]!));

const over = (a: number | null, b: number | null) => (a === null || b === null ? null : a / b);
