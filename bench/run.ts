/** A run of the benchmark: from what was asked for to results.json. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchSet, clusteredSet } from './data/sets.ts';
import { findTruth } from './data/truth.ts';
import { coresFor, describeEnvironment } from './report/environment.ts';
import type { BenchRecord, Results } from './report/record.ts';
import { measureCurves, type Reporter } from './runs/curves.ts';

export interface BenchOptions {
  readonly count: number;
  readonly dim: number;
  readonly queries: number;
  readonly engines: readonly string[];
  readonly k: number;
  readonly efs: readonly number[];
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  readonly passes: number;
  readonly outDir: string;
  readonly cacheDir: string;
  readonly cores: string | null | undefined;
  readonly command: string;
  readonly now: () => Date;
}

const TRUTH_DEPTH = 100;

export async function runBench(options: BenchOptions, reporter: Reporter): Promise<Results> {
  const started = options.now();
  const notes: string[] = [];
  const collecting: Reporter = {
    ...reporter,
    note: (line) => {
      notes.push(line);
      reporter.note(line);
    },
  };
  const environment = describeEnvironment();
  const { count, dim, queries, seed, cacheDir, k } = options;
  const set: BenchSet = clusteredSet({ name: 'clustered', count, dim, queries, seed: 1 }, cacheDir, (row) => {
    if (row % 1000 === 0) reporter.progress('drawing vectors', row, count);
  });
  reporter.progress(`${set.name}: exact neighbours`, 0, 1);
  const truth = await findTruth(set.base, set.queries, {
    metric: set.metric,
    depth: Math.max(k, TRUTH_DEPTH),
    threads: environment.machine.cores,
    cacheDir,
  });
  const cores = options.cores === undefined ? coresFor(1) : options.cores;
  const records: BenchRecord[] = await measureCurves(
    { ...options, set, truth, seed, cores, load: true },
    collecting,
  );
  const results: Results = {
    schema: 1,
    startedAt: started.toISOString(),
    tookS: (options.now().getTime() - started.getTime()) / 1000,
    ...environment,
    pinnedTo: cores,
    command: options.command,
    records,
    notes,
  };
  mkdirSync(options.outDir, { recursive: true });
  writeFileSync(join(options.outDir, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  return results;
}
