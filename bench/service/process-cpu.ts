/** CPU time of another process, all of its threads together. */
import { readdirSync, readFileSync } from 'node:fs';

/** Seconds that the process has run; null where the system does not tell to the nanosecond. */
export function cpuSecondsOf(pid: number): number | null {
  if (process.platform !== 'linux') return null;
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]);
    } catch {
      // The thread has ended since the folder was listed, or the kernel keeps no such numbers
      return null;
    }
  }
  return nanoseconds / 1e9;
}
