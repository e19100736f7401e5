/**
 * The pool of search threads. Every thread attaches to every shard set, so any idle one serves any shard.
 *
 * Searches that arrive together travel together, one task per thread: a thread hop costs about as much as a search, and
 * whatever runs after another thread has had the core finds the caches cold. While all threads are busy, arrivals wait
 * here and travel together too, so load makes tasks longer, not queues of tasks.
 */
import { Piscina, queueOptionsSymbol } from 'piscina';
import { LAYOUT } from '../core/layout.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { errorAt, NearpinError, toErrorRecord } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { letGo } from './collect-garbage.ts';
import { type Asked, packQueries, unpackAnswers } from './packing.ts';
import {
  bytesOf,
  type Housekeeping,
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
/** After this long with a new set, threads collect what starting and attaching left behind: some 3 MB each. */
const SETTLED_AFTER_MS = 1000;

type LoadBalancer = NonNullable<NonNullable<ConstructorParameters<typeof Piscina>[0]>['loadBalancer']>;

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

/** A search under way. */
interface Search {
  readonly set: ShardSetEntry;
  readonly query: ShardQuery;
  readonly results: JobResult[];
  /** Results that are not there yet. */
  missing: number;
  readonly resolve: (results: JobResult[]) => void;
}

/** The part of a search that concerns one shard. */
interface Job {
  readonly search: Search;
  readonly shard: number;
}

export interface SearchPoolOptions {
  /** The worker's file: which engine searches. */
  readonly workerFile: URL;
  readonly module: WasmModule;
  /** Threads, 1 to LIMITS.readersMax - 1. */
  readonly workers: number;
}

export class SearchPool {
  readonly workers: number;
  readonly #piscina: Piscina<SearchTask | Housekeeping, SearchResult>;
  readonly #slots: Int32Array;
  readonly #sets = new Map<string, ShardSetEntry>();
  /** Ends the tasks that run, each with an error. */
  readonly #running = new Set<(error: unknown) => void>();
  #waiting: Job[] = [];
  #registered = 0;
  #scheduled = false;
  #settling: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  /** Throws limit_exceeded. */
  constructor({ workerFile, module, workers }: SearchPoolOptions) {
    if (!Number.isInteger(workers) || workers < 1 || workers >= LIMITS.readersMax) {
      throw errorAt('limit_exceeded', 'workers', `must be a whole number from 1 to ${LIMITS.readersMax - 1}`);
    }
    this.workers = workers;
    this.#slots = new Int32Array(new SharedArrayBuffer(workers * 4));
    const clockOffsetMs = performance.timeOrigin + performance.now() - monotonicMs();
    this.#piscina = new Piscina({
      filename: workerFile.href,
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      // An idle thread waits without an event loop, so nothing but a task reaches it
      atomics: 'sync',
      loadBalancer: chooseThread,
      recordTiming: false,
      resourceLimits: THREAD_HEAP,
      workerData: { module, slots: this.#slots, clockOffsetMs } satisfies WorkerStart,
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
    this.#tellThreads({ forget: set.name });
    const bytes = bytesOf(set.memories);
    set.memories = [];
    await letGo(bytes);
  }

  /** Has every thread do something when it has time. */
  #tellThreads(what: Housekeeping): void {
    for (const { threadId } of this.#piscina.threads) {
      const task = { ...what, [queueOptionsSymbol]: { threadId } };
      // A thread that ends before has nothing left to keep
      this.#piscina.run(task).catch(() => {});
    }
  }

  /** Searches every shard of the set; one result per shard, in order. Rejects with `closed`, and with nothing else. */
  search(name: string, query: ShardQuery): Promise<JobResult[]> {
    const set = this.#sets.get(name);
    if (!set || set.forgotten || this.#closed)
      return Promise.reject(new NearpinError('closed', 'the index is closed'));
    set.searching++;
    return new Promise((resolve) => {
      const missing = set.memories.length;
      const search = { set, query, results: new Array<JobResult>(missing), missing, resolve };
      for (let shard = 0; shard < missing; shard++) this.#waiting.push({ search, shard });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    // After this turn's input events: what they ask for is then here, too. Where that was something, the next turn may
    // bring more; a search that is alone is sent at once
    let known = this.#waiting.length;
    const endTurn = () => {
      if (this.#waiting.length > known && this.#waiting.length < JOBS_PER_TASK_MAX) {
        known = this.#waiting.length;
        setImmediate(endTurn);
        return;
      }
      this.#scheduled = false;
      this.#dispatch();
    };
    setImmediate(endTurn);
  }

  #dispatch(): void {
    const share = Math.min(Math.ceil(this.#waiting.length / this.workers), JOBS_PER_TASK_MAX);
    while (this.#waiting.length > 0 && this.#running.size < this.workers * TASKS_PER_THREAD) {
      const { set } = this.#waiting[0]!.search;
      let n = 1;
      while (n < share && this.#waiting[n]?.search.set === set) n++;
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
    for (let i = 0; i < jobs.length; i++) settle(jobs[i]!, results[i]!);
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
    if (answer === 'unknown_set') {
      answer = await send(set.memories);
      this.#settling ??= setTimeout(() => {
        this.#settling = undefined;
        this.#tellThreads({});
      }, SETTLED_AFTER_MS).unref();
    }
    return answer as SearchAnswers;
  }

  /** Forgets every set, as `forget` does, and ends the threads. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#sets.keys()].map((name) => this.forget(name)));
    clearTimeout(this.#settling);
    await this.#piscina.close();
  }
}

/** The thread that a task is meant for, or the one with the least to do. */
const chooseThread: LoadBalancer = (task, threads) => {
  const meant = (task as { [queueOptionsSymbol]?: { threadId: number } })[queueOptionsSymbol]?.threadId;
  if (meant !== undefined) return threads.find(({ id }) => id === meant) ?? threads[0] ?? null;
  let idlest: (typeof threads)[number] | null = null;
  let least = TASKS_PER_THREAD;
  for (const thread of threads) {
    const { currentUsage } = thread;
    if (currentUsage >= least) continue;
    idlest = thread;
    least = currentUsage;
  }
  return idlest;
};

function settle({ search, shard }: Job, result: JobResult): void {
  const { set, results } = search;
  results[shard] = result;
  if (--search.missing > 0) return;
  search.resolve(results);
  if (--set.searching === 0) set.onIdle?.();
}

/** Jobs by their queries; jobs of one query stand side by side. */
function askedOf(jobs: readonly Job[]): Asked[] {
  const asked: { readonly query: ShardQuery; readonly shards: number[] }[] = [];
  for (const { search, shard } of jobs) {
    const { query } = search;
    const last = asked.at(-1);
    if (last?.query === query) last.shards.push(shard);
    else asked.push({ query, shards: [shard] });
  }
  return asked;
}

/** One result per job, in order. */
function resultsOf({ packed, rest }: SearchAnswers, jobs: number): JobResult[] {
  if (rest.size === 0) return unpackAnswers(packed, jobs);
  const failed = [...rest.values()].filter((each) => 'error' in each).length;
  const found = unpackAnswers(packed, jobs - failed);
  let next = 0;
  return Array.from({ length: jobs }, (_, job) => {
    const more = rest.get(job);
    if (more && 'error' in more) return more;
    return { ...found[next++]!, ...more };
  });
}
