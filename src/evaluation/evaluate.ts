/**
 * An evaluation: every system makes a list for every case, each list is measured, and what the surface has more than
 * each baseline is told with confidence intervals. Cases are read as they are needed, a few at a time, and added up in
 * their order, so that memory does not grow with them and the same input gives the same figures.
 */
import { type ErrorCode, NearpinError } from '../lib/errors.ts';
import { bootstrap, ClusterSums, type Estimate, estimate, RESAMPLES } from './bootstrap.ts';
import type { EvaluationCase } from './case.ts';
import {
  diversityOf,
  gainsOf,
  hitAt,
  idealGains,
  meanAt,
  ndcgAt,
  recallAt,
  reciprocalRankAt,
} from './metrics.ts';
import type { System } from './systems.ts';
import type { ReadVector } from './vectors.ts';

/** Means over cases; coverage, which is none, stands beside them. */
export const METRICS = ['recall', 'hitRate', 'mrr', 'ndcg', 'diversity', 'novelty'] as const;
export type Metric = (typeof METRICS)[number];

/** Cases under way, each with a request per system. */
const CASES_AT_ONCE = 8;

export interface EvaluationOptions {
  /** Lengths of the lists to measure. */
  readonly ks: readonly number[];
  /** Of the bootstrap. */
  readonly seed: number;
  /** Pins that there are, of which coverage is a share. */
  readonly catalogue: number;
  /** Vectors of length one, for diversity. */
  readonly unitVector: ReadVector;
  /** Bits of surprise in a pin, for novelty; absent when nobody knows how popular pins are. */
  readonly selfInformation: ((id: string) => number) | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (cases: number) => void;
}

/** Requests that failed for the same reason. */
export interface Failure {
  readonly code: string;
  readonly count: number;
  /** Of the first. */
  readonly at: string;
  readonly message: string;
}

export interface SystemFigures {
  readonly name: string;
  /** Requests that failed; they count as empty lists. */
  readonly failed: number;
  readonly failures: readonly Failure[];
  readonly figures: readonly Figures[];
}

export interface Figures {
  readonly k: number;
  readonly metrics: Readonly<Record<Metric, Estimate>>;
  /** Share of the catalogue that was in any list. */
  readonly coverage: number;
}

/** The surface against a baseline, case by case. */
export interface Comparison {
  readonly baseline: string;
  readonly figures: readonly ComparedFigures[];
}

export interface ComparedFigures {
  readonly k: number;
  readonly metrics: Readonly<Record<Metric, Compared>>;
}

export interface Compared {
  /** Surface - baseline. */
  readonly difference: Estimate;
  /** Surface / baseline. */
  readonly ratio: Estimate;
}

export interface Evaluation {
  readonly cases: number;
  /** What the bootstrap drew from: users, and cases without one. */
  readonly clusters: number;
  readonly resamples: number;
  readonly seed: number;
  /** The surface first. */
  readonly systems: readonly SystemFigures[];
  readonly comparisons: readonly Comparison[];
}

/** Of one system and case. */
interface Outcome {
  /** What was shown; nothing when the request failed. */
  readonly ids: readonly string[];
  /** f64[ks][METRICS], NaN for what a list does not have. */
  readonly values: Float64Array;
  readonly failure?: { readonly code: string; readonly message: string };
}

type Failures = Map<string, { code: string; count: number; at: string; message: string }>;

/**
 * Evaluates systems, of which the first is held against each other one.
 * @throws what reading cases throws; the signal's reason; the first failure when the first system never answered;
 * any fault of the program, which is an error without a code
 */
export async function evaluate(
  cases: AsyncIterable<EvaluationCase>,
  systems: readonly System[],
  options: EvaluationOptions,
): Promise<Evaluation> {
  const { ks, seed } = options;
  const table = new ClusterSums(systems.length * ks.length * METRICS.length, seed);
  const shown = systems.map(() => ks.map(() => new Set<string>()));
  const failures = systems.map((): Failures => new Map());
  const run = (each: EvaluationCase) => runCase(each, systems, options);
  let count = 0;
  for await (const { of, outcomes } of inOrder(cases, CASES_AT_ONCE, run)) {
    table.add(Float64Array.from(outcomes.flatMap(({ values }) => [...values])), of.user);
    for (const [s, { ids, failure }] of outcomes.entries()) {
      for (const [i, k] of ks.entries()) for (const id of ids.slice(0, k)) shown[s]![i]!.add(id);
      if (failure === undefined) continue;
      const same = failures[s]!.get(failure.code);
      if (same) same.count++;
      else failures[s]!.set(failure.code, { ...failure, count: 1, at: of.at });
    }
    options.onProgress(++count);
  }
  if (count === 0) throw new NearpinError('bad_case', 'There is no case to evaluate');
  const failed = failures.map((own) => [...own.values()].reduce((sum, each) => sum + each.count, 0));
  if (failed[0] === count) {
    const { code, at, message } = [...failures[0]!.values()][0]!;
    throw new NearpinError(code as ErrorCode, `No request was answered; the first, ${at}: ${message}`);
  }

  const means = bootstrap(table, seed);
  const column = (s: number, i: number, metric: Metric) =>
    (s * ks.length + i) * METRICS.length + METRICS.indexOf(metric);
  return {
    cases: count,
    clusters: table.clusters,
    resamples: RESAMPLES,
    seed,
    systems: systems.map(({ name }, s) => ({
      name,
      failed: failed[s]!,
      failures: [...failures[s]!.values()],
      figures: ks.map((k, i) => ({
        k,
        metrics: byMetric((metric) => estimate(means, (all) => all[column(s, i, metric)]!)),
        coverage: shown[s]![i]!.size / options.catalogue,
      })),
    })),
    comparisons: systems.slice(1).map(({ name }, before) => ({
      baseline: name,
      figures: ks.map((k, i) => ({
        k,
        metrics: byMetric((metric) => {
          const [own, other] = [column(0, i, metric), column(before + 1, i, metric)];
          return {
            difference: estimate(means, (all) => all[own]! - all[other]!),
            ratio: estimate(means, (all) => all[own]! / all[other]!),
          };
        }),
      })),
    })),
  };
}

function byMetric<Value>(make: (metric: Metric) => Value): Record<Metric, Value> {
  return Object.fromEntries(METRICS.map((metric) => [metric, make(metric)])) as Record<Metric, Value>;
}

async function runCase(of: EvaluationCase, systems: readonly System[], options: EvaluationOptions) {
  options.signal.throwIfAborted();
  const ideal = idealGains(of.relevant);
  const k = Math.max(...options.ks);
  const outcomes = await Promise.all(
    systems.map(async (system): Promise<Outcome> => {
      try {
        const ids = (await system.list(of, k)).slice(0, k);
        return { ids, values: await measure(ids, of, ideal, options) };
      } catch (error) {
        const { code, message } = error as { code?: unknown; message: string };
        if (typeof code !== 'string') throw error;
        const values = await measure([], of, ideal, options);
        return { ids: [], values, failure: { code, message } };
      }
    }),
  );
  return { of, outcomes };
}

async function measure(
  ids: readonly string[],
  { relevant }: EvaluationCase,
  ideal: Float64Array,
  { ks, unitVector, selfInformation }: EvaluationOptions,
): Promise<Float64Array> {
  const gains = gainsOf(ids, relevant);
  const vectors = await Promise.all(ids.map(unitVector));
  const bits = selfInformation === undefined ? [] : ids.map(selfInformation);
  const values: Readonly<Record<Metric, (k: number) => number>> = {
    recall: (k) => recallAt(gains, relevant.size, k),
    hitRate: (k) => hitAt(gains, k),
    mrr: (k) => reciprocalRankAt(gains, k),
    ndcg: (k) => ndcgAt(gains, ideal, k),
    diversity: (k) => diversityOf(vectors.slice(0, k).filter((vector) => vector !== undefined)),
    novelty: (k) => meanAt(bits, k),
  };
  return Float64Array.from(ks.flatMap((k) => METRICS.map((metric) => values[metric](k))));
}

/** Runs something on each item, several at once, and yields what came of it in the order of the items. */
async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  atOnce: number,
  run: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  for await (const item of items) {
    const running = run(item);
    // It is waited for when it is its turn; until then its failure is nobody's
    running.catch(() => {});
    underWay.push(running);
    if (underWay.length === atOnce) yield await underWay.shift()!;
  }
  for (const running of underWay) yield await running;
}
