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
    },
    node: process.version,
    nearpin: version,
    commit: git('rev-parse', 'HEAD'),
    // Which results are kept does not change what was measured
    isDirty: Boolean(git('status', '--porcelain', '--', 'src', 'native', 'bench', ':!bench/results')),
    coreSha256: createHash('sha256').update(readCoreBinary()).digest('hex'),
  };
}

/**
 * The cores to run engines on, as taskset takes them: the last `threads` of those that this process may use. Null
 * where there is no taskset.
 */
export function coresFor(threads: number): string | null {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0) return null;
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (allowed === undefined) return null;
  const cores = allowed.split(',').flatMap((part) => {
    const [first, last] = part.split('-').map(Number);
    return Array.from({ length: (last ?? first!) - first! + 1 }, (_, i) => first! + i);
  });
  return cores.slice(-threads).join(',');
}
