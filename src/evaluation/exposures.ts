/**
 * What a log of exposures says of each experiment: the units in each arm, held against the shares that are configured.
 * A unit counts once, however often it was exposed; what was forced for trying out counts not at all.
 */
import { isRecord } from '../index/shape.ts';
import { type Experiments, HELD, HOLDOUT, OPEN } from '../retrieval/experiments/config.ts';
import { BUCKETS } from '../retrieval/experiments/hash.ts';
import { checkSampleRatio, type SampleRatio } from './sample-ratio.ts';

export interface ExperimentRatio extends SampleRatio {
  readonly experiment: string;
  /** Units that were seen in several arms, and count for the first of them: a config that changed meanwhile moves them. */
  readonly moved: number;
}

export class ExposedUnits {
  readonly #index: string;
  /** The first arm of each unit, by experiment. */
  readonly #arms = new Map<string, Map<string, string>>();
  readonly #moved = new Map<string, Set<string>>();

  /** @param index name of the index whose experiments are checked: a server has one log for all of them */
  constructor(index: string) {
    this.#index = index;
  }

  /** Takes a record of the log; false when it is none. What is no exposure, or one on another index, is read over. */
  add(record: unknown): boolean {
    if (!isRecord(record) || typeof record.kind !== 'string') return false;
    const { kind, index, experiment, arm, unit, forced } = record;
    if (kind !== 'exposure') return true;
    if (typeof experiment !== 'string' || typeof arm !== 'string') return false;
    if (index !== this.#index || forced === true || typeof unit !== 'string') return true;
    const arms = this.#arms.get(experiment) ?? new Map<string, string>();
    this.#arms.set(experiment, arms);
    const first = arms.get(unit);
    if (first === undefined) arms.set(unit, arm);
    else if (first !== arm) this.#moved.set(experiment, (this.#moved.get(experiment) ?? new Set()).add(unit));
    return true;
  }

  /** The check of every experiment that is configured and shows arms apart. */
  check(experiments: Experiments): ExperimentRatio[] {
    return [...sharesOf(experiments)].map(([experiment, shares]) => {
      const units = new Map<string, number>();
      for (const arm of this.#arms.get(experiment)?.values() ?? []) units.set(arm, (units.get(arm) ?? 0) + 1);
      const moved = this.#moved.get(experiment)?.size ?? 0;
      return { experiment, ...checkSampleRatio(shares, units), moved };
    });
  }

  /** Experiments of the log that the config does not have. */
  unknown(experiments: Experiments): string[] {
    const known = new Set([
      HOLDOUT,
      ...experiments.layers.flatMap((layer) => layer.experiments.map(({ name }) => name)),
    ]);
    return [...this.#arms.keys()].filter((experiment) => !known.has(experiment));
  }
}

/** The share of each arm, by experiment; the holdout is one of two arms. */
function sharesOf({ layers, holdout }: Experiments): Map<string, Map<string, number>> {
  const shares = new Map<string, Map<string, number>>();
  for (const { name, arms, isInterleaved } of layers.flatMap(({ experiments }) => experiments)) {
    if (isInterleaved) continue;
    const starts = [0, ...arms.map(({ end }) => end)];
    shares.set(name, new Map(arms.map((arm, i) => [arm.name, (arm.end - starts[i]!) / BUCKETS])));
  }
  if (holdout !== undefined) {
    const held = holdout.end / BUCKETS;
    shares.set(
      HOLDOUT,
      new Map([
        [HELD, held],
        [OPEN, 1 - held],
      ]),
    );
  }
  return shares;
}
