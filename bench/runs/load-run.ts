/**
 * Seconds from a file to an index that can be searched, beside a bare read of the same bytes into fresh shared memory,
 * in turns. The file is in the page cache: what is measured is the engine and not the disk.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchSet } from '../data/sets.ts';
import type { LoadRecord } from '../report/record.ts';
import { spreadOf } from '../report/statistics.ts';
import { buildIndexes, indexTask } from './build.ts';
import { EngineProcess } from './engine-process.ts';
import type { RunContext } from './run-context.ts';

export interface LoadRunOptions {
  /** Of the definition. */
  readonly title: string;
  readonly set: BenchSet;
  readonly engines: readonly string[];
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  readonly passes: number;
  readonly reuse: boolean;
  readonly rebuild: boolean;
}

export async function runLoads(options: LoadRunOptions, context: RunContext): Promise<LoadRecord[]> {
  const { set, passes } = options;
  const contenders = await EngineProcess.startAll(options.engines, context);
  const folder = mkdtempSync(join(tmpdir(), 'nearpin-bench-'));
  try {
    const indexOptions = { ...options, threads: 1, attributes: [] };
    await buildIndexes(contenders, set, indexOptions, context);
    const task = indexTask(set, indexOptions);
    const records: LoadRecord[] = [];
    for (const { name, version, process } of contenders) {
      const path = join(folder, name);
      const saved = await process.ask('save', { path });
      if (saved === null) {
        context.note(`${name} does not save its indexes here`);
        continue;
      }
      const loads: number[] = [];
      const reads: number[] = [];
      for (let pass = 0; pass < passes; pass++) {
        reads.push((await process.ask('bareRead', { path })).wallS);
        loads.push((await process.ask('load', { ...task, path, saved: saved.saved })).wallS);
        context.progress(`${set.name}: ${name} loading`, pass + 1, passes);
      }
      rmSync(path);
      const loadS = spreadOf(loads);
      const bareReadS = spreadOf(reads);
      records.push({
        kind: 'load',
        run: options.title,
        engine: name,
        version,
        dataset: set.name,
        n: set.base.rows,
        dim: set.base.dim,
        metric: set.metric,
        bytes: saved.bytes,
        loadS: loadS.median,
        loadSSpread: loadS,
        bareReadS: bareReadS.median,
        bareReadSSpread: bareReadS,
      });
    }
    return records;
  } finally {
    for (const { process } of contenders) await process.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
