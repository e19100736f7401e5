/** A run of the benchmark: from definitions to results. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NearpinError } from '../src/lib/errors.ts';
import { type BenchSet, prepareSet, type SetSpec } from './data/sets.ts';
import type { Definition } from './definition.ts';
import { barsOf } from './report/bars.ts';
import { coresFor, describeEnvironment } from './report/environment.ts';
import { reportPage } from './report/page.ts';
import type { BenchRecord, Results } from './report/record.ts';
import { barTable } from './report/tables.ts';
import { markdownTable } from './report/text.ts';
import { runKernels } from './runs/kernel-run.ts';
import { runLoads } from './runs/load-run.ts';
import { runOverload } from './runs/overload-run.ts';
import type { RunContext } from './runs/run-context.ts';
import { runSearches } from './runs/search-run.ts';
import { runService } from './runs/service-run.ts';

export interface BenchOptions {
  readonly definitions: readonly Definition[];
  readonly outDir: string;
  readonly cacheDir: string;
  /** Folder of the data of named sets. */
  readonly dataDir: string | undefined;
  /** Cores for the engines, as taskset takes them; null to let them move, undefined to choose. */
  readonly cores: string | null | undefined;
  /** Whether to keep indexes in the cache, and to read those that are there instead of building. */
  readonly reuse: boolean;
  /** What was typed, for the results. */
  readonly command: string;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly onNote: (line: string) => void;
  readonly onProgress: (label: string, done: number, total: number) => void;
}

export interface BenchRun {
  readonly results: Results;
  /** What ended definitions early, though others were measured. */
  readonly failures: readonly unknown[];
}

const ROWS_PER_PROGRESS = 1000;

/**
 * Measures what the definitions say, and writes results.json, report.html, and bars.md, which documents quote, after each
 * of them, so that an interruption costs the one under way. A set whose data are not there is left out with a note, and
 * what a definition that fails does not measure; throws when that leaves nothing.
 */
export async function runBench(options: BenchOptions): Promise<BenchRun> {
  const started = options.now();
  const notes = new Set<string>();
  const environment = describeEnvironment();
  const threads = Math.max(...options.definitions.flatMap((definition) => definition.threads));
  const context: RunContext = {
    cores: options.cores === undefined ? coresFor(threads) : options.cores,
    signal: options.signal,
    cacheDir: options.cacheDir,
    threads: environment.machine.cores,
    note(line) {
      if (notes.has(line)) return;
      notes.add(line);
      options.onNote(line);
    },
    progress: options.onProgress,
  };

  const records: BenchRecord[] = [];
  const failures: unknown[] = [];
  const titles: string[] = [];
  let results: Results | undefined;
  for (const definition of options.definitions) {
    if (definition.title !== '') titles.push(definition.title);
    try {
      for await (const part of runDefinition(definition, options, context)) records.push(...part);
    } catch (error) {
      options.signal.throwIfAborted();
      // The others take an hour and more
      failures.push(error);
      context.note(`${definition.title || 'a definition'} failed: ${(error as Error).message}`);
    }
    if (records.length === 0) continue;
    results = {
      schema: 1,
      startedAt: started.toISOString(),
      tookS: (options.now().getTime() - started.getTime()) / 1000,
      ...environment,
      pinnedTo: context.cores,
      command: options.command,
      titles,
      records,
      notes: [...notes],
    };
    writeResults(results, options.outDir);
  }
  if (results === undefined) {
    throw failures[0] ?? new NearpinError('bad_request', 'there was nothing to measure');
  }
  return { results, failures };
}

function writeResults(results: Results, dir: string): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(dir, 'report.html'), reportPage(results));
  writeFileSync(join(dir, 'bars.md'), `${markdownTable(barTable(barsOf(results.records)))}\n`);
}

async function* runDefinition(
  definition: Definition,
  options: BenchOptions,
  context: RunContext,
): AsyncGenerator<readonly BenchRecord[]> {
  const { kind, ef: efs, ...rest } = definition;
  if (kind === 'kernels') {
    yield await runKernels(definition, context);
    return;
  }
  const run = { ...rest, efs, reuse: options.reuse };
  const sets: BenchSet[] = [];
  for (const spec of definition.sets) {
    const set = await findSet(spec, options, context);
    if (set !== undefined) sets.push(set);
  }
  if (kind === 'search') {
    yield await runSearches({ ...run, sets }, context);
    return;
  }
  for (const set of sets) {
    if (kind === 'load') yield await runLoads({ ...run, set }, context);
    else if (kind === 'service') yield await runService({ ...run, set }, context);
    else yield await runOverload({ ...run, set }, context);
  }
}

/** Undefined, with a note, when the data of a named set are not there. */
async function findSet(
  spec: SetSpec,
  options: BenchOptions,
  context: RunContext,
): Promise<BenchSet | undefined> {
  const { cacheDir, dataDir } = options;
  const name = spec.name ?? spec.base!;
  const onRow = (row: number) => {
    if (row % ROWS_PER_PROGRESS === 0)
      context.progress(`${name}: vectors`, row, Math.max(row, spec.count ?? row));
    context.signal.throwIfAborted();
  };
  try {
    return await prepareSet(spec, { cacheDir, dataDir, onRow });
  } catch (error) {
    const isAbsent =
      error instanceof NearpinError && error.code === 'missing_file' && spec.base === undefined;
    if (!isAbsent) throw error;
    context.note(`${name} was left out: ${error.message}`);
    return undefined;
  }
}
