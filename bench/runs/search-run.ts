/**
 * Recall against speed: every engine builds an index of each set in a process of its own, and answers the same queries at
 * every width, with every filter, in every number of threads. Measuring goes pass by pass over all sets, and the engines
 * take turns at every point of a pass, so that whatever else the machine does falls on all alike, and ratios can be taken
 * within a pass; the first round of all is not timed and gives the recall.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantile } from '../../src/lib/quantile.ts';
import { makeAttribute } from '../data/attributes.ts';
import { type FilterSpec, type Windows, windowsOf } from '../data/filters.ts';
import type { BenchSet } from '../data/sets.ts';
import { findTruth, type Recall, recallOf, type Truth } from '../data/truth.ts';
import type { SearchRecord } from '../report/record.ts';
import { spreadOf } from '../report/statistics.ts';
import { type BuiltIndex, buildIndexes, type Contender, type IndexOptions, indexTask } from './build.ts';
import { EngineProcess } from './engine-process.ts';
import type { Requests } from './protocol.ts';
import type { RunContext } from './run-context.ts';
import { setTruth, TRUTH_DEPTH } from './set-truth.ts';
import { isEnough } from './timing.ts';

export interface SearchRunOptions {
  /** Of the definition. */
  readonly title: string;
  readonly sets: readonly BenchSet[];
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
  readonly rebuild: boolean;
}

interface Pass {
  readonly wallS: number;
  readonly qps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
}

/** What the queries are held against. */
interface Goal {
  readonly filter: FilterSpec | null;
  readonly truth: Truth;
  readonly windows: Windows | undefined;
}

interface Point {
  readonly set: BenchSet;
  readonly contender: Contender;
  readonly goal: Goal;
  readonly ef: number;
  readonly threads: number;
  readonly recall: Recall;
  readonly work: Readonly<Record<string, number>>;
  readonly passes: Pass[];
}

/** An index as a file, and in the memory of a process that has read it and done nothing else: building leaves much behind. */
interface Weight {
  readonly fileBytes: number;
  readonly loadS: number;
  readonly rssBytes: number;
}

/** Times that an index is read. */
const LOADS = 3;

/** A set with the indexes of it, and what is measured on them. */
interface Field {
  readonly set: BenchSet;
  readonly contenders: readonly Contender[];
  readonly built: ReadonlyMap<Contender, BuiltIndex>;
  readonly points: readonly Point[];
}

/** Measures the engines' curves. Engines that are not installed, or do not filter, are left out and noted. */
export async function runSearches(options: SearchRunOptions, context: RunContext): Promise<SearchRecord[]> {
  const { sets, passes } = options;
  const started: Contender[] = [];
  try {
    const fields: Field[] = [];
    for (const set of sets) {
      const contenders = await EngineProcess.startAll(options.engines, context);
      started.push(...contenders);
      fields.push(await prepare(set, contenders, options, context));
    }
    const all = fields.flatMap(({ points }) => points);
    for (let pass = 0; pass < passes; pass++) {
      for (const [i, point] of all.entries()) {
        if (!isEnough(point.passes)) point.passes.push(await measure(point, options.k));
        context.progress(`${point.set.name}: searching`, pass * all.length + i + 1, passes * all.length);
      }
    }
    const records: SearchRecord[] = [];
    for (const { set, contenders, built, points } of fields) {
      const weights = await weigh(contenders, set, indexOptionsOf(options), context);
      records.push(...points.map((point) => recordOf(point, built.get(point.contender)!, weights, options)));
    }
    return records;
  } finally {
    for (const { process } of started) await process.close();
  }
}

const indexOptionsOf = (options: SearchRunOptions): IndexOptions => ({
  ...options,
  threads: Math.max(...options.threads),
  attributes: options.filters,
});

async function prepare(
  set: BenchSet,
  contenders: readonly Contender[],
  options: SearchRunOptions,
  context: RunContext,
): Promise<Field> {
  const goals = await goalsOf(set, options, context);
  const built = await buildIndexes(contenders, set, indexOptionsOf(options), context);
  return { set, contenders, built, points: await pointsOf(contenders, set, goals, options, context) };
}

/** No filter; and each attribute at each selectivity, with one filter for all queries and with one for each. */
async function goalsOf(
  set: BenchSet,
  { filters, selectivities, k }: SearchRunOptions,
  context: RunContext,
): Promise<Goal[]> {
  const goals: Goal[] = [{ filter: null, truth: await setTruth(set, k, context), windows: undefined }];
  for (const attribute of filters) {
    const values = makeAttribute(attribute, set.base);
    for (const share of selectivities) {
      for (const isFresh of [false, true]) {
        const filter = { attribute, share, isFresh };
        const windows = windowsOf(filter, values, set.queries.rows);
        context.progress(`${set.name}: exact neighbours, ${attribute} ${share}`, 0, 1);
        const truth = await findTruth(set.base, set.queries, {
          ...context,
          metric: set.metric,
          depth: Math.max(k, TRUTH_DEPTH),
          windows,
        });
        goals.push({ filter, truth, windows });
      }
    }
  }
  return goals;
}

/** The indexes as files, and what reading them from the page cache takes, where engines save. */
async function weigh(
  contenders: readonly Contender[],
  set: BenchSet,
  options: IndexOptions,
  context: RunContext,
): Promise<Map<Contender, Weight>> {
  const folder = mkdtempSync(join(tmpdir(), 'nearpin-bench-'));
  const task = indexTask(set, options);
  try {
    const weights = new Map<Contender, Weight>();
    for (const contender of contenders) {
      const { name, process } = contender;
      const path = join(folder, name);
      const saved = await process.ask('save', { path });
      if (saved === null) continue;
      context.progress(`${set.name}: ${name} loading`, 0, 1);
      const loads = await loadAnew(name, { ...task, path, saved: saved.saved }, context);
      rmSync(path);
      weights.set(contender, { fileBytes: saved.bytes, ...loads });
    }
    return weights;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads an index in a process of its own, some times; the first time tells what it takes of memory. */
async function loadAnew(
  name: string,
  task: Requests['load'],
  context: RunContext,
): Promise<Pick<Weight, 'loadS' | 'rssBytes'>> {
  const process = new EngineProcess(name, context);
  try {
    await process.ask('open', { engine: name });
    const { wallS, rssBytes } = await process.ask('load', task);
    const loads = [wallS];
    while (loads.length < LOADS) loads.push((await process.ask('load', task)).wallS);
    return { loadS: spreadOf(loads).median, rssBytes };
  } finally {
    await process.close();
  }
}

/** The points that each engine can be measured at, with their recall. */
async function pointsOf(
  contenders: readonly Contender[],
  set: BenchSet,
  goals: readonly Goal[],
  options: SearchRunOptions,
  context: RunContext,
): Promise<Point[]> {
  const { k } = options;
  const points: Point[] = [];
  for (const contender of contenders) {
    const efs = contender.takesEf ? options.efs.map((ef) => Math.max(ef, k)) : [0];
    for (const goal of goals) {
      for (const ef of new Set(efs)) {
        const task = { k, ef, filter: goal.filter };
        context.progress(`${set.name}: recall of ${contender.name}`, 0, 1);
        const answered = await contender.process.ask('answer', task);
        if (answered === null) {
          context.note(`${contender.name} does not filter`);
          break;
        }
        const { work, ...answers } = answered;
        const recall = recallOf({ ...answers, k, ...goal }, set);
        for (const threads of options.threads)
          points.push({ set, contender, goal, ef, threads, recall, work, passes: [] });
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
  const places = new Map(goals.map((goal, i) => [goal, i]));
  return able.sort(
    (a, b) => places.get(a.goal)! - places.get(b.goal)! || a.threads - b.threads || a.ef - b.ef,
  );
}

async function measure({ set, contender, ef, threads, goal }: Point, k: number): Promise<Pass> {
  const passed = await contender.process.ask('pass', { k, ef, threads, filter: goal.filter });
  const { wallS, cpuS, latenciesUs } = passed!;
  const searches = set.queries.rows * threads;
  return {
    wallS,
    qps: searches / wallS,
    p50Us: quantile(latenciesUs, 0.5),
    p99Us: quantile(latenciesUs, 0.99),
    cpuUs: (cpuS * 1e6) / searches,
  };
}

function recordOf(
  point: Point,
  { build, sizes }: BuiltIndex,
  weights: ReadonlyMap<Contender, Weight>,
  { title, k, m, efConstruction, seed }: SearchRunOptions,
): SearchRecord {
  const { set, contender, ef, threads, goal, recall, work } = point;
  const n = set.base.rows;
  const spread = (value: keyof Pass) => spreadOf(point.passes.map((pass) => pass[value]));
  const qps = spread('qps');
  const p50Us = spread('p50Us');
  const cpuUs = spread('cpuUs');
  const { fileBytes = null, loadS = null, rssBytes = sizes.rssBytes } = weights.get(contender) ?? {};
  const bytes = sizes.bytes ?? fileBytes;
  const perVector = (value: number | null) => (value === null ? null : value / n);
  return {
    kind: 'search',
    run: title,
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
    work,
    qps: qps.median,
    qpsSpread: qps,
    p50Us: p50Us.median,
    p50UsSpread: p50Us,
    p99Us: spread('p99Us').median,
    cpuUs: cpuUs.median,
    cpuUsSpread: cpuUs,
    queries: set.queries.rows,
    passes: point.passes.length,
    buildS: build?.wallS ?? null,
    buildCpuS: build?.cpuS ?? null,
    bytesPerVector: perVector(bytes === null ? null : bytes + sizes.filterBytes),
    fileBytesPerVector: perVector(fileBytes),
    rssBytesPerVector: perVector(rssBytes),
    loadS,
    ...(goal.filter && {
      filter: goal.filter.attribute,
      selectivity: goal.filter.share,
      isFresh: goal.filter.isFresh,
    }),
  };
}
