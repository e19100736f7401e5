/**
 * Recall against speed: every engine builds an index of the same data in a process of its own, and answers the same
 * queries at every ef. Building goes chunk by chunk in turns and measuring pass by pass in turns, so that whatever else
 * the machine does falls on all engines alike.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NearpinError } from '../../src/lib/errors.ts';
import type { BenchSet } from '../data/sets.ts';
import { recallOf, type Truth } from '../data/truth.ts';
import type { SearchRecord } from '../report/record.ts';
import { quantile, spreadOf } from '../report/statistics.ts';
import { EngineProcess } from './engine-process.ts';
import type { Timing } from './protocol.ts';

export interface CurvesOptions {
  readonly set: BenchSet;
  readonly truth: Truth;
  readonly engines: readonly string[];
  readonly k: number;
  readonly efs: readonly number[];
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  readonly passes: number;
  /** As taskset takes them; null to let processes move. */
  readonly cores: string | null;
  /** Whether to save and load the index as well. */
  readonly load: boolean;
}

export interface Reporter {
  /** A remark that belongs to the results. */
  note(line: string): void;
  progress(label: string, done: number, total: number): void;
}

const CHUNKS = 50;
const CHUNK_ROWS_MIN = 1000;

interface Contender {
  readonly name: string;
  readonly version: string;
  readonly isGraph: boolean;
  readonly process: EngineProcess;
}

interface Built {
  readonly build: Timing;
  readonly bytes: number | null;
  readonly fileBytes: number | null;
  readonly rssBytes: number;
  readonly loadS: number | null;
}

/** Starts the engines; one whose package is not installed is left out, with a note. */
async function start(options: CurvesOptions, reporter: Reporter): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const name of options.engines) {
    const process = new EngineProcess(name, options.cores);
    try {
      contenders.push({ name, process, ...(await process.ask('open', { engine: name })) });
    } catch (error) {
      await process.close();
      if (!(error instanceof NearpinError) || error.code !== 'engine_unavailable') throw error;
      reporter.note(`${name} was left out: ${error.message}`);
    }
  }
  return contenders;
}

async function build(
  contenders: readonly Contender[],
  options: CurvesOptions,
  reporter: Reporter,
): Promise<Map<Contender, Built>> {
  const { set, m, efConstruction, seed } = options;
  const { base, queries, metric } = set;
  const spec = { dim: base.dim, metric, count: base.rows, m, efConstruction, seed };
  for (const { process } of contenders) await process.ask('create', { spec, base, queries });

  const total = new Map(contenders.map((contender) => [contender, { wallS: 0, cpuS: 0 }]));
  const step = Math.max(CHUNK_ROWS_MIN, Math.ceil(base.rows / CHUNKS));
  for (let first = 0; first < base.rows; first += step) {
    const count = Math.min(step, base.rows - first);
    for (const contender of contenders) {
      const { wallS, cpuS } = await contender.process.ask('add', { first, count });
      const sum = total.get(contender)!;
      sum.wallS += wallS;
      sum.cpuS += cpuS;
    }
    reporter.progress(`${set.name}: building`, first + count, base.rows);
  }

  const folder = mkdtempSync(join(tmpdir(), 'nearpin-bench-'));
  try {
    const built = new Map<Contender, Built>();
    for (const contender of contenders) {
      const { process } = contender;
      const { wallS, cpuS, bytes, rssBytes } = await process.ask('finish', {});
      const sum = total.get(contender)!;
      const path = join(folder, contender.name);
      const saved = options.load ? await process.ask('save', { path }) : null;
      const loaded = saved ? await process.ask('load', { path, saved: saved.saved, spec, queries }) : null;
      rmSync(path, { force: true });
      built.set(contender, {
        build: { wallS: sum.wallS + wallS, cpuS: sum.cpuS + cpuS },
        bytes: bytes ?? saved?.bytes ?? null,
        fileBytes: saved?.bytes ?? null,
        rssBytes,
        loadS: loaded?.wallS ?? null,
      });
    }
    return built;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Pass {
  readonly qps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
}

/** Measures the engines' curves. Engines that are not installed are left out and noted. */
export async function measureCurves(options: CurvesOptions, reporter: Reporter): Promise<SearchRecord[]> {
  const { set, truth, k, efs, passes } = options;
  const contenders = await start(options, reporter);
  try {
    const built = await build(contenders, options, reporter);
    const points = contenders.flatMap((contender) =>
      (contender.isGraph ? efs.filter((ef) => ef >= k) : [0]).map((ef) => ({
        contender,
        ef,
        recall: { recall: 0, recallById: 0 },
        passes: [] as Pass[],
      })),
    );
    // Also brings code and data into the caches and the compiler's attention
    for (const point of points) {
      const { ordinals, counts } = await point.contender.process.ask('answer', { k, ef: point.ef });
      point.recall = recallOf(ordinals, counts, k, truth, set.base, set.queries, set.metric);
    }
    for (let pass = 0; pass < passes; pass++) {
      for (const [i, point] of points.entries()) {
        const { wallS, cpuS, latenciesUs } = await point.contender.process.ask('pass', { k, ef: point.ef });
        point.passes.push({
          qps: set.queries.rows / wallS,
          p50Us: quantile(latenciesUs, 0.5),
          p99Us: quantile(latenciesUs, 0.99),
          cpuUs: (cpuS * 1e6) / set.queries.rows,
        });
        reporter.progress(`${set.name}: searching`, pass * points.length + i + 1, passes * points.length);
      }
    }
    return points.map((point): SearchRecord => {
      const { contender, ef } = point;
      const { build, bytes, fileBytes, rssBytes, loadS } = built.get(contender)!;
      const n = set.base.rows;
      const spread = (value: keyof Pass) => spreadOf(point.passes.map((pass) => pass[value]));
      const qps = spread('qps');
      const cpuUs = spread('cpuUs');
      return {
        kind: 'search',
        engine: contender.name,
        version: contender.version,
        dataset: set.name,
        n,
        dim: set.base.dim,
        metric: set.metric,
        k,
        params: contender.isGraph ? { m: options.m, efConstruction: options.efConstruction } : {},
        ef,
        threads: 1,
        ...point.recall,
        qps: qps.median,
        qpsSpread: qps,
        p50Us: spread('p50Us').median,
        p99Us: spread('p99Us').median,
        cpuUs: cpuUs.median,
        cpuUsSpread: cpuUs,
        passes,
        buildS: build.wallS,
        buildCpuS: build.cpuS,
        bytesPerVector: bytes === null ? null : bytes / n,
        fileBytesPerVector: fileBytes === null ? null : fileBytes / n,
        rssBytesPerVector: rssBytes / n,
        loadS,
      };
    });
  } finally {
    for (const { process } of contenders) await process.close();
  }
}
