/** CPU time of another process: of all its threads together, and of a server in searches. */
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

/** Seconds that the searches of a nearpin server on this machine have run, as it tells who has a key of scope `metrics`. */
export async function searchCpuSecondsOf(port: number, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`, { headers })).text();
  const [, seconds] = /^nearpin_search_cpu_seconds_total (\S+)$/m.exec(metrics) ?? [];
  if (seconds === undefined) throw new Error(`a server without the CPU time of its searches: ${metrics}`);
  return Number(seconds);
}
