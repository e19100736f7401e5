/**
 * One process at a time writes to an index. The lock is a file that holds the id of the process and the moment at which
 * the system started it, so that the lock of a process that was killed is not held for one that got its id.
 */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NearpinError } from '../lib/errors.ts';
import { fileError } from './file-error.ts';

const LOCK_FILE = 'WRITER';

/** Locks of this process; a second opening in it must not write either. */
const held = new Set<string>();

/** When the system started a process, in its own ticks; empty where the system does not say. */
function startOf(pid: number): string {
  try {
    // The name of the program, in brackets, may hold anything
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
    return fields[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive(owner: string): boolean {
  const [pid = '', start = ''] = owner.trim().split(' ');
  if (Number(pid) === process.pid && start === startOf(process.pid)) return true;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return startOf(Number(pid)) === start;
}

/** Whether a live process, this one or another, writes to an index. */
export function isLocked(indexDir: string): boolean {
  try {
    return isAlive(readFileSync(join(indexDir, LOCK_FILE), 'utf8'));
  } catch {
    return false;
  }
}

/**
 * Takes the lock of an index. @returns how to give it back
 * Throws index_locked when a live process has it, io_error when the directory cannot be written to.
 */
export function lockIndex(indexDir: string): () => void {
  const path = resolve(indexDir, LOCK_FILE);
  const refusal = (owner: string) =>
    new NearpinError('index_locked', `process ${owner.trim().split(' ')[0]} writes to ${indexDir}`);
  if (held.has(path)) throw refusal(String(process.pid));
  const mine = `${path}-${process.pid}`;
  try {
    // Whole before it has its name: a link is made or is not
    writeFileSync(mine, `${process.pid} ${startOf(process.pid)}\n`);
    for (;;) {
      try {
        linkSync(mine, path);
        held.add(path);
        return () => {
          if (held.delete(path)) rmSync(path, { force: true });
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        let owner = '';
        try {
          owner = readFileSync(path, 'utf8');
        } catch {
          continue;
        }
        if (isAlive(owner)) throw refusal(owner);
        rmSync(path, { force: true });
      }
    }
  } catch (error) {
    throw fileError(error, join(indexDir, LOCK_FILE), null);
  } finally {
    rmSync(mine, { force: true });
  }
}
