/** Building the engines' indexes of a set, in turns of a chunk each, or reading those that an earlier run has kept. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchSet } from '../data/sets.ts';
import type { EngineProcess } from './engine-process.ts';
import type { IndexTask, Opened, Sizes, Timing } from './protocol.ts';
import type { RunContext } from './run-context.ts';

export interface Contender extends Opened {
  readonly name: string;
  readonly process: EngineProcess;
}

export interface IndexOptions {
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  /** Threads that will search at once. */
  readonly threads: number;
  readonly attributes: readonly string[];
  /** Whether to keep indexes in the cache, and to read those that are there instead of building. */
  readonly reuse: boolean;
  /** Whether those that are there are built all the same, to learn how long that takes. */
  readonly rebuild: boolean;
}

export interface BuiltIndex {
  /** Null when the index was read from the cache. */
  readonly build: Timing | null;
  readonly sizes: Sizes;
}

const CHUNKS = 50;
const CHUNK_ROWS_MIN = 1000;

export function indexTask(set: BenchSet, options: IndexOptions): IndexTask {
  const { base, queries, metric } = set;
  const { m, efConstruction, seed, threads, attributes } = options;
  return {
    spec: { dim: base.dim, metric, count: base.rows, m, efConstruction, seed, threads },
    attributes,
    base,
    queries,
  };
}

/** Indexes of a set, one for each engine. */
export async function buildIndexes(
  contenders: readonly Contender[],
  set: BenchSet,
  options: IndexOptions,
  context: RunContext,
): Promise<Map<Contender, BuiltIndex>> {
  const task = indexTask(set, options);
  const built = new Map<Contender, BuiltIndex>();
  const building: { contender: Contender; wallS: number; cpuS: number }[] = [];
  for (const contender of contenders) {
    const kept = options.reuse && !options.rebuild ? await readKept(contender, task, context) : undefined;
    if (kept) {
      built.set(contender, kept);
      context.note(`${contender.name}: the index of ${set.name} was built by an earlier run`);
      continue;
    }
    building.push({ contender, ...(await contender.process.ask('create', task)) });
  }
  const { rows } = set.base;
  const step = Math.max(CHUNK_ROWS_MIN, Math.ceil(rows / CHUNKS));
  for (let first = 0; first < rows && building.length > 0; first += step) {
    const count = Math.min(step, rows - first);
    for (const sum of building) {
      const { wallS, cpuS } = await sum.contender.process.ask('add', { first, count });
      sum.wallS += wallS;
      sum.cpuS += cpuS;
    }
    context.progress(`${set.name}: building`, first + count, rows);
  }
  for (const { contender, wallS, cpuS } of building) {
    const finished = await contender.process.ask('finish', {});
    built.set(contender, {
      build: { wallS: wallS + finished.wallS, cpuS: cpuS + finished.cpuS },
      sizes: finished,
    });
    if (options.reuse) await keep(contender, task, context);
  }
  return built;
}

/** Where an index is kept: under everything that it follows from, but not what its searches are. */
function keptPath({ name, version, build }: Contender, task: IndexTask, cacheDir: string): string {
  const { spec, attributes, base } = task;
  const { threads: _threads, ...rest } = spec;
  const key = createHash('sha256')
    .update(JSON.stringify([name, version, build, rest, attributes, base.sha256]))
    .digest('hex');
  return join(cacheDir, `index-${name}-${key.slice(0, 24)}`);
}

async function readKept(contender: Contender, task: IndexTask, context: RunContext) {
  const path = keptPath(contender, task, context.cacheDir);
  if (!existsSync(`${path}.json`)) return undefined;
  const { saved } = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as { saved: unknown };
  return { build: null, sizes: await contender.process.ask('load', { ...task, path, saved }) };
}

async function keep(contender: Contender, task: IndexTask, context: RunContext): Promise<void> {
  const path = keptPath(contender, task, context.cacheDir);
  const temporary = `${path}.${process.pid}.part`;
  const saved = await contender.process.ask('save', { path: temporary });
  if (saved === null) return;
  renameSync(temporary, path);
  writeFileSync(`${path}.json`, JSON.stringify({ saved: saved.saved ?? null }));
}
