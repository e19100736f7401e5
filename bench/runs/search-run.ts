/**
 * Recall against speed: every engine builds an index of the same data in a process of its own, and answers the same
 * queries at every width, with every filter, in every number of threads. Measuring goes pass by pass in turns, so that
 * whatever else the machine does falls on all engines alike; the first round of all is not timed and gives the recall.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAttribute, maskBelow } from '../data/attributes.ts';
import type { BenchSet } from '../data/sets.ts';
import { findTruth, type Recall, recallOf, type Truth } from '../data/truth.ts';
import type { BenchFilter } from '../engines/adapter.ts';
import type { SearchRecord } from '../report/record.ts';
import { quantile, spreadOf } from '../report/statistics.ts';
import { type BuiltIndex, buildIndexes, type Contender } from './build.ts';
import { EngineProcess } from './engine-process.ts';
import type { RunContext } from './run-context.ts';
import { setTruth, TRUTH_DEPTH } from './set-truth.ts';

export interface SearchRunOptions {
  /** Of the definition. */
  readonly title: string;
  readonly set: BenchSet;
  readonly engines: readonly string[];
  readonly k: number;
  readonly efs: readonly number[];
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  readonly passes: number;
  readonly threads: readonly number[];
  /** Attributes to filter by, and the shares of the vectors that pass; no filter is always measured, too. */
  readonly filters: readonly string[];
  readonly selectivities: readonly number[];
  readonly reuse: boolean;
}

interface Pass {
  readonly qps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
}

/** What the queries are held against. */
interface Goal {
  readonly filter: BenchFilter | null;
  readonly truth: Truth;
  readonly mask: Uint8Array | undefined;
}

interface Point {
  readonly contender: Contender;
  readonly goal: Goal;
  readonly ef: number;
  readonly threads: number;
  readonly recall: Recall;
  readonly passes: Pass[];
}

/** Measures the engines' curves. Engines that are not installed, or do not filter, are left out and noted. */
export async function runSearches(options: SearchRunOptions, context: RunContext): Promise<SearchRecord[]> {
  const { set, passes } = options;
  const goals = await goalsOf(options, context);
  const contenders = await EngineProcess.startAll(options.engines, context);
  try {
    const built = await buildIndexes(
      contenders,
      set,
      { ...options, threads: Math.max(...options.threads), attributes: options.filters },
      context,
    );
    const files = await weighFiles(contenders);
    const points = await pointsOf(contenders, goals, options, context);
    for (let pass = 0; pass < passes; pass++) {
      for (const [i, point] of points.entries()) {
        point.passes.push(await measure(point, options));
        context.progress(`${set.name}: searching`, pass * points.length + i + 1, passes * points.length);
      }
    }
    return points.map((point) => recordOf(point, built.get(point.contender)!, files, options));
  } finally {
    for (const { process } of contenders) await process.close();
  }
}

/** No filter, and each attribute at each selectivity. */
async function goalsOf(options: SearchRunOptions, context: RunContext): Promise<Goal[]> {
  const { set, filters, selectivities, k } = options;
  const goals: Goal[] = [{ filter: null, truth: await setTruth(set, k, context), mask: undefined }];
  for (const attribute of filters) {
    const values = makeAttribute(attribute, set.base);
    for (const below of selectivities) {
      const mask = maskBelow(values, below);
      if (!mask.includes(1)) {
        context.note(`${set.name}: no vector passes the filter ${attribute} at ${below}`);
        continue;
      }
      const truth = await findTruth(set.base, set.queries, {
        ...context,
        metric: set.metric,
        depth: Math.max(k, TRUTH_DEPTH),
        mask,
      });
      goals.push({ filter: { attribute, below }, truth, mask });
    }
  }
  return goals;
}

/** Sizes of the indexes as files, where engines save. */
async function weighFiles(contenders: readonly Contender[]): Promise<Map<Contender, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'nearpin-bench-'));
  try {
    const sizes = new Map<Contender, number>();
    for (const contender of contenders) {
      const path = join(folder, contender.name);
      const saved = await contender.process.ask('save', { path });
      rmSync(path, { force: true });
      if (saved) sizes.set(contender, saved.bytes);
    }
    return sizes;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The points that each engine can be measured at, with their recall. */
async function pointsOf(
  contenders: readonly Contender[],
  goals: readonly Goal[],
  options: SearchRunOptions,
  context: RunContext,
): Promise<Point[]> {
  const { set, k } = options;
  const points: Point[] = [];
  for (const contender of contenders) {
    const efs = contender.takesEf ? options.efs.map((ef) => Math.max(ef, k)) : [0];
    for (const goal of goals) {
      for (const ef of new Set(efs)) {
        const task = { k, ef, filter: goal.filter };
        if (goal.filter && !(await contender.process.ask('pass', { ...task, threads: 1 }))) {
          context.note(`${contender.name} does not filter`);
          break;
        }
        const { ordinals, counts } = await contender.process.ask('answer', task);
        const recall = recallOf({ ordinals, counts, k, ...goal }, set);
        for (const threads of options.threads)
          points.push({ contender, goal, ef, threads, recall, passes: [] });
      }
    }
  }
  const able: Point[] = [];
  const unable = new Set<Contender>();
  for (const point of points) {
    if (unable.has(point.contender) && point.threads > 1) continue;
    const { contender, threads, ef, goal } = point;
    if (threads > 1 && !(await contender.process.ask('pass', { k, ef, threads, filter: goal.filter }))) {
      unable.add(contender);
      context.note(`${contender.name} does not search in several threads`);
    } else able.push(point);
  }
  return able;
}

async function measure(point: Point, { set, k }: SearchRunOptions): Promise<Pass> {
  const { contender, ef, threads, goal } = point;
  const passed = await contender.process.ask('pass', { k, ef, threads, filter: goal.filter });
  const { wallS, cpuS, latenciesUs } = passed!;
  const searches = set.queries.rows * threads;
  return {
    qps: searches / wallS,
    p50Us: quantile(latenciesUs, 0.5),
    p99Us: quantile(latenciesUs, 0.99),
    cpuUs: (cpuS * 1e6) / searches,
  };
}

function recordOf(
  point: Point,
  { build, bytes, rssBytes }: BuiltIndex,
  files: ReadonlyMap<Contender, number>,
  options: SearchRunOptions,
): SearchRecord {
  const { contender, ef, threads, goal, recall } = point;
  const { set, k, m, efConstruction, seed, passes } = options;
  const n = set.base.rows;
  const spread = (value: keyof Pass) => spreadOf(point.passes.map((pass) => pass[value]));
  const qps = spread('qps');
  const cpuUs = spread('cpuUs');
  const fileBytes = files.get(contender) ?? null;
  const perVector = (value: number | null) => (value === null ? null : value / n);
  return {
    kind: 'search',
    run: options.title,
    engine: contender.name,
    version: contender.version,
    dataset: set.name,
    n,
    dim: set.base.dim,
    metric: set.metric,
    k,
    params: { m, efConstruction, seed },
    ef,
    threads,
    ...recall,
    qps: qps.median,
    qpsSpread: qps,
    p50Us: spread('p50Us').median,
    p99Us: spread('p99Us').median,
    cpuUs: cpuUs.median,
    cpuUsSpread: cpuUs,
    queries: set.queries.rows,
    passes,
    buildS: build?.wallS ?? null,
    buildCpuS: build?.cpuS ?? null,
    bytesPerVector: perVector(bytes ?? fileBytes),
    fileBytesPerVector: perVector(fileBytes),
    rssBytesPerVector: perVector(rssBytes),
    ...(goal.filter && { filter: goal.filter.attribute, selectivity: goal.filter.below }),
  };
}
