/**
 * The pool of search threads. Every thread attaches to every shard set, so any idle one serves any shard.
 *
 * Searches that arrive in the same turn of the event loop travel together, one task per thread: a thread hop costs
 * about as much as a search. While all threads are busy, arrivals wait here and travel together too, so load makes
 * tasks longer, not queues of tasks.
 */
import { BroadcastChannel, threadId } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { LAYOUT } from '../core/layout.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { errorAt, NearpinError, toErrorRecord } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { letGo } from './collect-garbage.ts';
import { type Asked, packQueries, unpackAnswers } from './packing.ts';
import {
  bytesOf,
  monotonicMs,
  type SearchAnswers,
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
/**
 * Heap of a thread. It holds results and nothing else, so a small young generation is enough; and below 2 GB V8 does
 * without a copy of its own code per thread.
 */
const THREAD_HEAP = { maxYoungGenerationSizeMb: 3, maxOldGenerationSizeMb: 1024 };

type JobResult = ShardHits | ShardFailure;

/** A registered set of shards. */
interface ShardSetEntry {
  readonly name: string;
  /** Empty once it is forgotten. */
  memories: readonly WasmMemory[];
  /** Searches that are not answered yet. */
  searching: number;
  /** Called when they are, once the set is to be forgotten. */
  onIdle: (() => void) | undefined;
  forgotten: Promise<void> | undefined;
}

interface Job {
  readonly set: ShardSetEntry;
  readonly query: ShardQuery;
  readonly shard: number;
  readonly settle: (result: JobResult) => void;
}

/** Pools made in this thread; with the thread's id it makes the name of a pool's channel its own. */
let pools = 0;

export interface SearchPoolOptions {
  /** The worker's file: which engine searches. */
  readonly workerFile: URL;
  readonly module: WasmModule;
  /** Threads, 1 to LIMITS.readersMax - 1. */
  readonly workers: number;
}

export class SearchPool {
  readonly workers: number;
  readonly #piscina: Piscina<SearchTask, SearchResult>;
  readonly #slots: Int32Array;
  readonly #sets = new Map<string, ShardSetEntry>();
  readonly #forget: BroadcastChannel;
  /** Ends the tasks that run, each with an error. */
  readonly #running = new Set<(error: unknown) => void>();
  #waiting: Job[] = [];
  #registered = 0;
  #scheduled = false;
  #closed: Promise<void> | undefined;

  /** Throws limit_exceeded. */
  constructor({ workerFile, module, workers }: SearchPoolOptions) {
    if (!Number.isInteger(workers) || workers < 1 || workers >= LIMITS.readersMax) {
      throw errorAt('limit_exceeded', 'workers', `must be a whole number from 1 to ${LIMITS.readersMax - 1}`);
    }
    this.workers = workers;
    this.#slots = new Int32Array(new SharedArrayBuffer(workers * 4));
    const forgetChannel = `nearpin:forget:${threadId}:${pools++}`;
    this.#forget = new BroadcastChannel(forgetChannel);
    (this.#forget as unknown as { unref(): void }).unref();
    const clockOffsetMs = performance.timeOrigin + performance.now() - monotonicMs();
    this.#piscina = new Piscina({
      filename: workerFile.href,
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      // A thread that waits in Atomics.wait would not hear the forget channel, and keep a dropped set's memory
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: THREAD_HEAP,
      workerData: { module, slots: this.#slots, forgetChannel, clockOffsetMs } satisfies WorkerStart,
    });
    this.#piscina.on('workerDestroy', ({ id }: { id: number }) => this.#onThreadGone(id));
    // The tasks of a thread that dies are rejected one by one, which is where its failure is answered
    this.#piscina.on('error', () => {});
  }

  /** The scratch slots that a memory needs to be searched here: one per thread and one for the thread that asks. */
  get readers(): number {
    return this.workers + 1;
  }

  /** Gives back the slots of threads that are gone, and ends their searches in every memory. */
  #onThreadGone(gone: number): void {
    const alive = new Set(this.#piscina.threads.map((thread) => thread.threadId));
    // Still in the list, and with its id when it ended by an error
    alive.delete(gone);
    for (let i = 0; i < this.#slots.length; i++) {
      const owner = Atomics.load(this.#slots, i);
      if (owner === 0 || alive.has(owner)) continue;
      for (const memory of [...this.#sets.values()].flatMap(({ memories }) => memories)) {
        const at = (LAYOUT.NP_READER_EPOCHS + (i + 1) * LAYOUT.NP_READER_EPOCH_STRIDE) / 4;
        // Its epoch, and the mask that it used
        Atomics.store(new Int32Array(memory.buffer), at, 0);
        Atomics.store(new Int32Array(memory.buffer), at + 1, 0);
      }
      Atomics.store(this.#slots, i, 0);
    }
    // Threads that fail while they start are not replaced, and what waits for them would wait for ever
    setImmediate(() => {
      if (this.#closed || this.#piscina.threads.length > 0) return;
      for (const end of this.#running) end(new NearpinError('internal', 'no search thread starts'));
    });
  }

  /** Makes a set of shards known; returns the name to search it by. */
  register(memories: readonly WasmMemory[]): string {
    const name = String(this.#registered++);
    this.#sets.set(name, { name, memories, searching: 0, onIdle: undefined, forgotten: undefined });
    return name;
  }

  /** Refuses further searches of a set, waits for those under way, and drops it here and in every thread. */
  forget(name: string): Promise<void> {
    const set = this.#sets.get(name);
    if (!set) return Promise.resolve();
    set.forgotten ??= this.#drop(set);
    return set.forgotten;
  }

  async #drop(set: ShardSetEntry): Promise<void> {
    if (set.searching > 0) {
      await new Promise<void>((resolve) => {
        set.onIdle = resolve;
      });
    }
    this.#sets.delete(set.name);
    this.#forget.postMessage(set.name);
    const bytes = bytesOf(set.memories);
    set.memories = [];
    await letGo(bytes);
  }

  /** Searches every shard of the set; one result per shard, in order. Rejects with `closed`, and with nothing else. */
  search(name: string, query: ShardQuery): Promise<JobResult[]> {
    const set = this.#sets.get(name);
    if (!set || set.forgotten || this.#closed)
      return Promise.reject(new NearpinError('closed', 'the index is closed'));
    set.searching++;
    return new Promise((resolve) => {
      const results = new Array<JobResult>(set.memories.length);
      let missing = results.length;
      for (let shard = 0; shard < results.length; shard++) {
        const settle = (result: JobResult) => {
          results[shard] = result;
          if (--missing > 0) return;
          resolve(results);
          if (--set.searching === 0) set.onIdle?.();
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
    const share = Math.min(Math.ceil(this.#waiting.length / this.workers), JOBS_PER_TASK_MAX);
    while (this.#waiting.length > 0 && this.#running.size < this.workers * TASKS_PER_THREAD) {
      const { set } = this.#waiting[0]!;
      let n = 1;
      while (n < share && this.#waiting[n]?.set === set) n++;
      void this.#run(set, this.#waiting.splice(0, n));
    }
  }

  async #run(set: ShardSetEntry, jobs: readonly Job[]): Promise<void> {
    let results: readonly JobResult[];
    try {
      results = resultsOf(await this.#runTask(set, askedOf(jobs)), jobs.length);
    } catch (error) {
      const failure = { error: toErrorRecord(error) };
      results = jobs.map(() => failure);
    }
    jobs.forEach((job, i) => {
      job.settle(results[i]!);
    });
    this.#schedule();
  }

  /** Has a thread run a task, unless there is none that could. */
  #runTask(set: ShardSetEntry, asked: readonly Asked[]): Promise<SearchAnswers> {
    return new Promise((resolve, reject) => {
      const end = (error: unknown) => {
        this.#running.delete(end);
        reject(error);
      };
      this.#running.add(end);
      this.#ask(set, asked).then((answers) => {
        this.#running.delete(end);
        resolve(answers);
      }, end);
    });
  }

  async #ask(set: ShardSetEntry, asked: readonly Asked[]): Promise<SearchAnswers> {
    const send = (memories?: readonly WasmMemory[]) => {
      const queries = packQueries(asked);
      const task: SearchTask = { set: set.name, queries, ...(memories && { memories }) };
      return this.#piscina.run(task, { transferList: [queries] });
    };
    let answer = await send();
    // Whichever thread takes it the second time learns the set
    if (answer === 'unknown_set') answer = await send(set.memories);
    return answer as SearchAnswers;
  }

  /** Forgets every set, as `forget` does, and ends the threads. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#sets.keys()].map((name) => this.forget(name)));
    this.#forget.close();
    await this.#piscina.close();
  }
}

/** Jobs by their queries; jobs of one query stand side by side. */
function askedOf(jobs: readonly Job[]): Asked[] {
  const asked: { readonly query: ShardQuery; readonly shards: number[] }[] = [];
  for (const { query, shard } of jobs) {
    const last = asked.at(-1);
    if (last?.query === query) last.shards.push(shard);
    else asked.push({ query, shards: [shard] });
  }
  return asked;
}

/** One result per job, in order. */
function resultsOf({ packed, rest }: SearchAnswers, jobs: number): JobResult[] {
  const failed = [...rest.values()].filter((each) => 'error' in each).length;
  const found = unpackAnswers(packed, jobs - failed);
  if (rest.size === 0) return found;
  let next = 0;
  return Array.from({ length: jobs }, (_, job) => {
    const more = rest.get(job);
    if (more && 'error' in more) return more;
    return { ...found[next++]!, ...more };
  });
}
