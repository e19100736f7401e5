/** Builds the shards of an index side by side, in a pool of threads of its own. */
import { Piscina } from 'piscina';
import type { WasmModule } from '../core/webassembly.ts';
import { fromErrorRecord } from '../lib/errors.ts';
import type { BuildOutcome, BuildResult, BuildStart, BuildTask } from './build-worker.ts';

/**
 * Runs one task per shard on at most `threads` threads. `onProgress` hears now and then how many pins are inserted.
 * An abort, or the first shard that fails, ends the threads where they are.
 * @returns one result per task, in order. Throws shard_full, io_error, and the signal's reason.
 */
export async function buildShards(
  module: WasmModule,
  tasks: readonly BuildTask[],
  threads: number,
  onProgress: (inserted: number) => void,
  signal?: AbortSignal,
): Promise<BuildResult[]> {
  signal?.throwIfAborted();
  const progress = new Int32Array(new SharedArrayBuffer(tasks.length * 4));
  const piscina = new Piscina<BuildTask, BuildOutcome>({
    filename: new URL('./build-worker.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: Math.min(threads, tasks.length),
    atomics: 'disabled',
    workerData: { module, progress } satisfies BuildStart,
  });
  // A thread that fails has its task rejected
  piscina.on('error', () => {});
  const report = () => onProgress(progress.reduce((sum, n) => sum + n, 0));
  const timer = setInterval(report, 100);
  const stop = () => void piscina.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const results = await Promise.all(
      tasks.map(async (task) => {
        const outcome = await piscina.run(task);
        if ('error' in outcome) throw fromErrorRecord(outcome.error);
        return outcome;
      }),
    );
    report();
    return results;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', stop);
    await piscina.destroy();
  }
}
