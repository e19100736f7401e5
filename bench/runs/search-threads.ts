/** Several threads of one process that search one index at once. */
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { IndexTask, Passed, SearchTask, ThreadResult, ThreadStart, ThreadTask } from './protocol.ts';

const [PASS, READY] = [0, 1];

export class SearchThreads {
  readonly #workers: readonly Worker[];
  readonly #signals: Int32Array;
  #passes = 0;

  private constructor(workers: readonly Worker[], signals: Int32Array) {
    this.#workers = workers;
    this.#signals = signals;
  }

  static async start(
    engine: string,
    task: IndexTask,
    shared: unknown,
    count: number,
  ): Promise<SearchThreads> {
    const control = new SharedArrayBuffer(8);
    const workers: Worker[] = [];
    for (let thread = 0; thread < count; thread++) {
      const workerData: ThreadStart = { engine, task, shared, thread, control };
      const worker = new Worker(new URL('./search-thread-worker.js', import.meta.url), { workerData });
      workers.push(worker);
      await once(worker, 'message');
    }
    return new SearchThreads(workers, new Int32Array(control));
  }

  get count(): number {
    return this.#workers.length;
  }

  /** Every thread answers every query; the time is from the first start to the last end. */
  async pass(search: SearchTask): Promise<Passed> {
    const pass = this.#passes + 1;
    const ended = Promise.all(
      this.#workers.map((worker) => once(worker, 'message') as Promise<[ThreadResult]>),
    );
    let failed = false;
    ended.catch(() => {
      failed = true;
    });
    Atomics.store(this.#signals, READY, 0);
    for (const worker of this.#workers) worker.postMessage({ ...search, pass } satisfies ThreadTask);
    while (!failed && Atomics.load(this.#signals, READY) < this.count) await setTimeout(1);
    const cpu = process.cpuUsage();
    this.#passes = pass;
    Atomics.store(this.#signals, PASS, pass);
    Atomics.notify(this.#signals, PASS);
    const results = (await ended).map(([result]) => result);
    const { user, system } = process.cpuUsage(cpu);
    const latenciesUs = new Float64Array(results.length * results[0]!.latenciesUs.length);
    for (const [i, result] of results.entries()) {
      latenciesUs.set(result.latenciesUs, i * result.latenciesUs.length);
    }
    const started = Math.min(...results.map(({ startedAtMs }) => startedAtMs));
    const last = Math.max(...results.map(({ endedAtMs }) => endedAtMs));
    return { wallS: (last - started) / 1000, cpuS: (user + system) / 1e6, latenciesUs };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
