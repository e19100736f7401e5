/**
 * The pool of search threads. Every thread attaches to every shard set, so any idle one serves any shard.
 *
 * Searches that arrive in the same turn of the event loop travel together, one task per thread: a thread hop costs
 * about as much as a search. While all threads are busy, arrivals wait here and travel together too, so load makes
 * tasks longer, not queues of tasks.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { LAYOUT } from '../core/layout.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { NearpinError, toErrorRecord } from '../lib/errors.ts';
import {
  FORGET_CHANNEL,
  type SearchResult,
  type SearchTask,
  type ShardFailure,
  type ShardHits,
  type ShardQuery,
  type WorkerStart,
} from './protocol.ts';

/** Tasks in flight per thread: one that runs, and one that is there when it ends. */
const TASKS_PER_THREAD = 2;
/** Jobs of one task at most, so that a burst is spread in time and over threads. */
const JOBS_PER_TASK_MAX = 32;

type JobResult = ShardHits | ShardFailure;

interface Job {
  readonly set: string;
  readonly query: ShardQuery;
  readonly shard: number;
  readonly settle: (result: JobResult) => void;
}

export interface SearchPoolOptions {
  /** The worker's file: which engine searches. */
  readonly workerFile: URL;
  readonly module: WasmModule;
  /** Threads, at least 1. */
  readonly workers: number;
}

export class SearchPool {
  readonly workers: number;
  readonly #piscina: Piscina<SearchTask, SearchResult>;
  readonly #slots: Int32Array;
  readonly #sets = new Map<string, readonly WasmMemory[]>();
  readonly #forget = new BroadcastChannel(FORGET_CHANNEL);
  #waiting: Job[] = [];
  #running = 0;
  #registered = 0;
  #scheduled = false;
  #closed = false;

  constructor(options: SearchPoolOptions) {
    this.workers = options.workers;
    this.#slots = new Int32Array(new SharedArrayBuffer(options.workers * 4));
    (this.#forget as unknown as { unref(): void }).unref();
    this.#piscina = new Piscina({
      filename: options.workerFile.href,
      minThreads: options.workers,
      maxThreads: options.workers,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      // A thread that waits in Atomics.wait would not hear the forget channel, and keep a dropped set's memory
      atomics: 'disabled',
      recordTiming: false,
      workerData: { module: options.module, slots: this.#slots } satisfies WorkerStart,
    });
    this.#piscina.on('workerDestroy', () => this.#freeSlots());
    // The tasks of a thread that dies are rejected one by one, which is where its failure is answered
    this.#piscina.on('error', () => {});
  }

  /** The scratch slots that a memory needs to be searched here: one per thread and one for the thread that asks. */
  get readers(): number {
    return this.workers + 1;
  }

  /** Gives back the slots of threads that are gone, and ends their searches in every memory. */
  #freeSlots(): void {
    const alive = new Set(this.#piscina.threads.map((thread) => thread.threadId));
    for (let i = 0; i < this.#slots.length; i++) {
      const owner = Atomics.load(this.#slots, i);
      if (owner === 0 || alive.has(owner)) continue;
      for (const memory of [...this.#sets.values()].flat()) {
        const at = (LAYOUT.NP_READER_EPOCHS + (i + 1) * LAYOUT.NP_READER_EPOCH_STRIDE) / 4;
        Atomics.store(new Int32Array(memory.buffer), at, 0);
      }
      Atomics.store(this.#slots, i, 0);
    }
  }

  /** Makes a set of shards known; returns the name to search it by. */
  register(memories: readonly WasmMemory[]): string {
    const set = String(this.#registered++);
    this.#sets.set(set, memories);
    return set;
  }

  /** Drops a set here and in every thread. */
  forget(set: string): void {
    this.#sets.delete(set);
    this.#forget.postMessage(set);
  }

  /** Searches every shard of the set; one result per shard, in order. Never rejects. */
  search(set: string, query: ShardQuery): Promise<JobResult[]> {
    const shards = this.#sets.get(set)?.length;
    if (this.#closed || shards === undefined) {
      return Promise.reject(new NearpinError('closed', 'the index is closed'));
    }
    return new Promise((resolve) => {
      const results = new Array<JobResult>(shards);
      let missing = shards;
      for (let shard = 0; shard < shards; shard++) {
        const settle = (result: JobResult) => {
          results[shard] = result;
          if (--missing === 0) resolve(results);
        };
        this.#waiting.push({ set, query, shard, settle });
      }
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    // After this turn's input events: what they ask for is then here, too
    setImmediate(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#waiting.length > 0 && this.#running < this.workers * TASKS_PER_THREAD) {
      const share = Math.ceil(this.#waiting.length / this.workers);
      const { set } = this.#waiting[0]!;
      let n = 1;
      const most = Math.min(share, JOBS_PER_TASK_MAX);
      while (n < most && this.#waiting[n]?.set === set) n++;
      void this.#run(set, this.#waiting.splice(0, n));
    }
  }

  async #run(set: string, jobs: readonly Job[]): Promise<void> {
    const queries: ShardQuery[] = [];
    const pairs = jobs.map((job) => {
      // Jobs of one query stand side by side
      if (queries.at(-1) !== job.query) queries.push(job.query);
      return [queries.length - 1, job.shard] as const;
    });
    const task = { set, queries, jobs: pairs };
    this.#running++;
    let results: readonly JobResult[];
    try {
      let answer = await this.#piscina.run(task);
      if (answer === 'unknown_set') {
        answer = await this.#piscina.run({ ...task, memories: this.#sets.get(set) ?? [] });
      }
      results = answer as readonly JobResult[];
    } catch (error) {
      const failure = { error: toErrorRecord(error) };
      results = jobs.map(() => failure);
    }
    this.#running--;
    jobs.forEach((job, i) => {
      job.settle(results[i]!);
    });
    this.#schedule();
  }

  /** Waits for what runs, then ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forget.close();
    await this.#piscina.close();
  }
}
