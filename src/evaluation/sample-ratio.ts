/**
 * The sample-ratio check (Fabijan et al., 2019): whether the arms of an experiment have as many units as their shares
 * say. If they have not, units were lost on the way, and no other figure of the experiment is to be believed.
 */
import { chiSquareTail } from './gamma.ts';

/** Below this, chance is no explanation. */
export const SUSPECT_P = 0.001;

export interface ArmCount {
  readonly arm: string;
  /** Of the units, as configured; over 0, or 0 for an arm that is not. */
  readonly share: number;
  readonly units: number;
  readonly expected: number;
}

export interface SampleRatio {
  readonly arms: readonly ArmCount[];
  readonly units: number;
  readonly chiSquare: number;
  readonly degrees: number;
  /** Chance of a difference at least this great between fair arms. */
  readonly p: number;
  readonly isSuspect: boolean;
}

/**
 * Pearson's chi-square test of counts against shares.
 * @param shares of the arms, at least 0 and not all; relative to their sum
 * @param units seen in each arm; in one that has no share there should be none
 */
export function checkSampleRatio(
  shares: ReadonlyMap<string, number>,
  units: ReadonlyMap<string, number>,
): SampleRatio {
  const names = [...new Set([...shares.keys(), ...units.keys()])];
  const total = [...units.values()].reduce((sum, count) => sum + count, 0);
  const whole = [...shares.values()].reduce((sum, share) => sum + share, 0);
  const arms = names.map((arm): ArmCount => {
    const share = (shares.get(arm) ?? 0) / whole;
    return { arm, share, units: units.get(arm) ?? 0, expected: share * total };
  });
  const possible = arms.filter(({ share, units: count }) => share > 0 || count > 0);
  const degrees = possible.length - 1;
  const chiSquare =
    total === 0 ? 0 : possible.reduce((sum, arm) => sum + (arm.units - arm.expected) ** 2 / arm.expected, 0);
  const p =
    degrees === 0 ? 1 : chiSquare === Number.POSITIVE_INFINITY ? 0 : chiSquareTail(chiSquare, degrees);
  return { arms, units: total, chiSquare, degrees, p, isSuspect: p < SUSPECT_P };
}
