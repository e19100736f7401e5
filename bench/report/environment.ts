/** What a run was measured on. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { readCoreBinary } from '../../src/storage/core-binary.ts';
import type { Results } from './record.ts';

/** Where package.json is; compiled, this file lies two folders below the folder of the output. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

function git(...args: string[]): string | null {
  if (!existsSync(`${ROOT}/.git`)) return null;
  const { status, stdout } = spawnSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

type Environment = Pick<Results, 'machine' | 'node' | 'nearpin' | 'commit' | 'isDirty' | 'coreSha256'>;

export function describeEnvironment(): Environment {
  const { version } = createRequire(import.meta.url)('nearpin/package.json') as { version: string };
  return {
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      os: `${type()} ${release()} ${process.arch}`,
      hugePages: hugePagesSetting(),
    },
    node: process.version,
    nearpin: version,
    commit: git('rev-parse', 'HEAD'),
    // Which results are kept does not change what was measured
    isDirty: Boolean(git('status', '--porcelain', '--', 'src', 'native', 'bench', ':!bench/results')),
    coreSha256: createHash('sha256').update(readCoreBinary()).digest('hex'),
  };
}

/** The setting of this system, as `Machine` has it. */
export function hugePagesSetting(): string | null {
  const path = '/sys/kernel/mm/transparent_hugepage/enabled';
  return existsSync(path) ? (/\[(\w+)\]/.exec(readFileSync(path, 'utf8'))?.[1] ?? null) : null;
}

/** The cores that this process may use; undefined where taskset cannot choose among them. */
function allowedCores(): number[] | undefined {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return allowed === undefined ? undefined : parseCores(allowed);
}

/** Cores of a list like `0,2-3`. */
export function parseCores(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

/** The cores to run engines on, as taskset takes them: the last `threads` of those there are, or null. */
export function coresFor(threads: number): string | null {
  return allowedCores()?.slice(-threads).join(',') ?? null;
}

/** Keeps this process off some cores where there are others; returns how to end that. */
export function leaveCores(cores: string | null): () => void {
  const allowed = allowedCores();
  if (cores === null || allowed === undefined) return () => {};
  const taken = new Set(parseCores(cores));
  const rest = allowed.filter((core) => !taken.has(core));
  const moveTo = (list: readonly number[]) =>
    spawnSync('taskset', ['-a', '-c', '-p', list.join(','), String(process.pid)]);
  if (rest.length > 0) moveTo(rest);
  return () => moveTo(allowed);
}
