/** Wall and CPU time of a job, and how often it is measured. */
import type { BenchIndex } from '../engines/adapter.ts';
import type { SearchTask, Timing } from './protocol.ts';

export async function timed(job: () => unknown): Promise<Timing> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await job();
  const wallS = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { wallS, cpuS: (user + system) / 1e6 };
}

const ENOUGH_PASSES = 2;
const ENOUGH_S = 15;

/** Whether what took so long has no more passes: one that takes minutes would leave no time for those of all others. */
export function isEnough(passes: readonly { readonly wallS: number }[]): boolean {
  return passes.length >= ENOUGH_PASSES && passes.reduce((sum, { wallS }) => sum + wallS, 0) >= ENOUGH_S;
}

/** Queries before each pass that are not timed: they bring code and data back into the caches. */
export const WARM_UP = 100;

/**
 * Answers `count` queries from `first` on, beginning again at the first after the last, and writes the time of each, in
 * microseconds, to `latencies` unless that is null.
 */
export async function answerAll(
  index: BenchIndex,
  queries: number,
  first: number,
  count: number,
  { k, ef }: SearchTask,
  latencies: Float64Array | null,
): Promise<void> {
  const out = new Uint32Array(k);
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const found = index.search((first + i) % queries, k, ef, out);
    // To await a number would cost a turn of the event loop
    if (typeof found !== 'number') await found;
    if (latencies) latencies[i] = (performance.now() - start) * 1000;
  }
}
