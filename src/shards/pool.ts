/**
 * The pool of search threads. Every thread attaches to every shard set, so any idle one serves any shard.
 *
 * Searches that arrive together travel together, one task per thread: a thread hop costs about as much as a search, and
 * whatever runs after another thread has had the core finds the caches cold. One that arrives alone need not travel
 * (lone-search.ts). While all threads are busy, arrivals wait
 * here and travel together too, so load makes tasks longer, not queues of tasks. What waits is bounded; what nobody waits
 * for any more, because its deadline has passed or its caller is gone, is answered from here, without a search.
 */
import { Piscina, queueOptionsSymbol } from 'piscina';
import { LAYOUT } from '../core/layout.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { errorAt, NearpinError, toErrorRecord } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { NO_WORK } from '../lib/watch.ts';
import { letGo } from './collect-garbage.ts';
import { AskingSide, DESK_PLACES, deskBuffer } from './desk.ts';
import { LoneSearch } from './lone-search.ts';
import { QueryQueue, unpackAnswers } from './packing.ts';
import {
  type Attend,
  bytesOf,
  type Housekeeping,
  monotonicMs,
  type SearchAnswers,
  type SearchCaller,
  type SearchResult,
  type SearchTask,
  type ShardFailure,
  type ShardHits,
  type ShardQuery,
  type UnknownSet,
  type WorkerStart,
} from './protocol.ts';
import type { MakeSearcher, TaskAnswers } from './task-runner.ts';

/** Tasks in flight per thread: one that runs, and one that is there when it ends. */
const TASKS_PER_THREAD = 2;
/** Jobs of one task at most, so that a burst is spread in time and over threads. */
const JOBS_PER_TASK_MAX = 32;
/**
 * Where so much waits that all tasks are full, a thread has as many as it does in about this time. Under overload a turn of the
 * event loop takes tens of milliseconds, most of it to refuse requests, and a thread that has done what it was given stands idle
 * until the next. What it has is not taken back from it, so it is not more.
 */
const AHEAD_MS = 200;
/**
 * Heap of a thread. It holds results and nothing else, so a small young generation is enough; and below 2 GB V8 does
 * without a copy of its own code per thread.
 */
const THREAD_HEAP = { maxYoungGenerationSizeMb: 3, maxOldGenerationSizeMb: 1024 };
/** After this long with a new set, threads collect what starting and attaching left behind: some 3 MB each. */
const SETTLED_AFTER_MS = 1000;

/** What is told to the balancer: the thread that a task is meant for, and whether the task is to come to its desk. */
interface Meant {
  readonly threadId: number;
  readonly attend: boolean;
}

/** The desk of a thread. */
interface Station {
  readonly desk: AskingSide;
  /** What was put there and is not answered, in order. */
  readonly tasks: Task[];
  /** The thread is there, or on its way. */
  attended: boolean;
  listening: boolean;
}

type LoadBalancer = NonNullable<NonNullable<ConstructorParameters<typeof Piscina>[0]>['loadBalancer']>;

type JobResult = ShardHits | ShardFailure;

/** Of a search that did not begin. */
const NOT_BEGUN: ShardHits = {
  ids: [],
  ordinals: [],
  distances: [],
  ef: 0,
  complete: false,
  work: NO_WORK,
};

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
  /** Epoch milliseconds; Infinity for none. */
  readonly deadlineAtMs: number;
  readonly caller: SearchCaller | undefined;
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

/** Jobs that travel together. */
interface Task {
  readonly set: ShardSetEntry;
  readonly jobs: readonly Job[];
}

export interface SearchPoolOptions {
  /** The worker's file: which engine searches. */
  readonly workerFile: URL;
  readonly module: WasmModule;
  /** Threads. */
  readonly workers: number;
  /** Bytes of queries that may wait; LIMITS.waitingSearchBytesMax when absent. */
  readonly waitingBytesMax?: number;
  /** The first of the scratch slots that the threads take, 1 when absent; the last is below LIMITS.readersMax. */
  readonly firstSlot?: number;
  /** What searches here what comes alone, and its scratch slot; without it all searches take threads. */
  readonly alone?: { readonly makeSearcher: MakeSearcher; readonly slot: number };
  /** Whether the threads give way to all others of the machine, for searches that nobody waits for. */
  readonly isBackground?: boolean;
}

export class SearchPool {
  readonly workers: number;
  readonly #firstSlot: number;
  readonly #piscina: Piscina<SearchTask | Attend | Housekeeping, SearchResult>;
  readonly #slots: Int32Array;
  readonly #here: LoneSearch | undefined;
  /** By place of the scratch slot. */
  readonly #stations: readonly Station[];
  readonly #searchNs = new BigInt64Array(new SharedArrayBuffer(8));
  readonly #sets = new Map<string, ShardSetEntry>();
  readonly #running = new Set<Task>();
  readonly #waiting: Job[] = [];
  /** What the waiting jobs ask, in the same order. */
  readonly #queue = new QueryQueue();
  readonly #waitingBytesMax: number;
  readonly #clockOffsetMs: number;
  /** What one of the searches of the last task took. */
  #searchMs = Number.POSITIVE_INFINITY;
  #registered = 0;
  #scheduled = false;
  #settling: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  /** Throws limit_exceeded. */
  constructor(options: SearchPoolOptions) {
    const { workerFile, module, workers, alone, waitingBytesMax } = options;
    const { firstSlot = 1, isBackground = false } = options;
    const most = LIMITS.readersMax - firstSlot;
    if (!Number.isInteger(workers) || workers < 1 || workers > most) {
      throw errorAt('limit_exceeded', 'workers', `must be a whole number from 1 to ${most}`);
    }
    this.workers = workers;
    this.#firstSlot = firstSlot;
    this.#waitingBytesMax = waitingBytesMax ?? LIMITS.waitingSearchBytesMax;
    this.#slots = new Int32Array(new SharedArrayBuffer(workers * 4));
    const desks = Array.from({ length: workers }, deskBuffer);
    this.#stations = desks.map((buffer) => ({
      desk: new AskingSide(buffer),
      tasks: [],
      attended: false,
      listening: false,
    }));
    this.#clockOffsetMs = performance.timeOrigin + performance.now() - monotonicMs();
    const searchNs = this.#searchNs;
    const clockOffsetMs = this.#clockOffsetMs;
    this.#here = alone && new LoneSearch({ ...alone, module, clockOffsetMs, searchNs });
    this.#piscina = new Piscina({
      filename: workerFile.href,
      minThreads: workers,
      maxThreads: workers,
      // And its stay at the desk
      concurrentTasksPerWorker: TASKS_PER_THREAD + 1,
      // An idle thread waits without an event loop, so nothing but a task reaches it
      atomics: 'sync',
      loadBalancer: (task, threads) => this.#chooseThread(task, threads),
      recordTiming: false,
      resourceLimits: THREAD_HEAP,
      workerData: {
        module,
        slots: this.#slots,
        clockOffsetMs,
        desks,
        searchNs,
        firstSlot,
        isBackground,
      } satisfies WorkerStart,
    });
    this.#piscina.on('workerDestroy', ({ id }: { id: number }) => this.#onThreadGone(id));
    // The tasks of a thread that dies are rejected one by one, which is where its failure is answered
    this.#piscina.on('error', () => {});
  }

  /**
   * The scratch slots that a memory needs to be searched here: those before the first one, one per thread, and one for the
   * thread that asks.
   */
  get readers(): number {
    return this.#firstSlot + this.workers;
  }

  /** CPU time that searches have taken, in all threads, since the pool was made, in seconds. */
  get searchCpuS(): number {
    return Number(Atomics.load(this.#searchNs, 0)) / 1e9;
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
        const slot = this.#firstSlot + i;
        const at = (LAYOUT.NP_READER_EPOCHS + slot * LAYOUT.NP_READER_EPOCH_STRIDE) / 4;
        // Its epoch, and the mask that it used
        Atomics.store(new Int32Array(memory.buffer), at, 0);
        Atomics.store(new Int32Array(memory.buffer), at + 1, 0);
      }
      Atomics.store(this.#slots, i, 0);
    }
    // Threads that fail while they start are not replaced, and what waits for them would wait for ever
    setImmediate(() => {
      if (this.#closed || this.#piscina.threads.length > 0) return;
      for (const task of this.#running)
        this.#fail(task, new NearpinError('internal', 'no search thread starts'));
    });
  }

  /** Makes a set of shards known; returns the name to search it by. */
  register(memories: readonly WasmMemory[]): string {
    const name = String(this.#registered++);
    this.#sets.set(name, { name, memories, searching: 0, onIdle: undefined, forgotten: undefined });
    this.#here?.attach(name, memories);
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
    this.#here?.forget(set.name);
    void this.#tellThreads({ forget: set.name });
    const bytes = bytesOf(set.memories);
    set.memories = [];
    await letGo(bytes);
  }

  /** Has every thread do something when it has time; resolves when all have done it or are gone. */
  async #tellThreads(what: Housekeeping): Promise<void> {
    await Promise.allSettled(
      this.#piscina.threads.map(({ threadId }) => {
        const task = { ...what, [queueOptionsSymbol]: { threadId, attend: false } satisfies Meant };
        return this.#piscina.run(task);
      }),
    );
  }

  /**
   * Searches every shard of the set for the query's vector, each component multiplied by `scale`; the vector is read
   * before this returns. One result per shard, in order. Rejects with `closed`, with `overloaded` when too much waits
   * already, and with nothing else.
   */
  search(name: string, query: ShardQuery, scale = 1, caller?: SearchCaller): Promise<JobResult[]> {
    const set = this.#sets.get(name);
    if (!set || set.forgotten || this.#closed)
      return Promise.reject(new NearpinError('closed', 'the index is closed'));
    if (this.#queue.bytes >= this.#waitingBytesMax)
      return Promise.reject(new NearpinError('overloaded', 'More searches wait than are taken'));
    set.searching++;
    return new Promise((resolve) => {
      const missing = set.memories.length;
      const { deadlineAtMs } = query;
      const results = new Array<JobResult>(missing);
      const search = { set, deadlineAtMs, caller, results, missing, resolve };
      const askedMs = monotonicMs();
      for (let shard = 0; shard < missing; shard++) {
        this.#queue.push(query, shard, scale, askedMs);
        this.#waiting.push({ search, shard });
      }
      if (this.#waiting.length >= JOBS_PER_TASK_MAX * this.workers) this.#goOn();
      this.#schedule();
    });
  }

  /**
   * What the end of a turn would do, when a whole task is there for every thread: a turn in which a thousand requests are
   * refused takes long, and what waits for its end, threads and answers, would wait as long.
   */
  #goOn(): void {
    for (const station of this.#stations) if (station.tasks.length > 0) this.#takeAnswers(station);
    this.#dispatch();
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
    while (this.#waiting.length > 0 && this.#mayStart(share)) {
      const { search } = this.#waiting[0]!;
      if (!this.#isWanted(search)) {
        this.#queue.drop();
        settle(this.#waiting.shift()!, NOT_BEGUN);
        continue;
      }
      let n = 1;
      while (n < share && this.#joins(this.#waiting[n], search.set)) n++;
      this.#run(search.set, this.#waiting.splice(0, n));
    }
  }

  /** @param share jobs of a task where that many wait */
  #mayStart(share: number): boolean {
    const perThread = this.#running.size / this.workers;
    if (perThread < TASKS_PER_THREAD) return true;
    if (share < JOBS_PER_TASK_MAX || this.#waiting.length < share) return false;
    return perThread < Math.min(DESK_PLACES, AHEAD_MS / (share * this.#searchMs)) && this.#areAllAttended();
  }

  #areAllAttended(): boolean {
    return this.#stations.every(({ desk }) => desk.isOpen);
  }

  #joins(job: Job | undefined, set: ShardSetEntry): boolean {
    return job !== undefined && job.search.set === set && this.#isWanted(job.search);
  }

  /** Whether anybody waits for it. */
  #isWanted({ deadlineAtMs, caller }: Search): boolean {
    if (caller?.isGone()) return false;
    return deadlineAtMs === Number.POSITIVE_INFINITY || monotonicMs() + this.#clockOffsetMs < deadlineAtMs;
  }

  #run(set: ShardSetEntry, jobs: readonly Job[]): void {
    const task = { set, jobs };
    const queries = this.#queue.shift(jobs.length);
    const isAlone = jobs.length === 1 && this.#waiting.length === 0 && this.#running.size === 0;
    this.#running.add(task);
    const { deadlineAtMs } = jobs[0]!.search;
    const found = isAlone && this.#here?.run(set.name, queries, deadlineAtMs, this.#searchMs);
    if (found) this.#endTask(task, resultsOf(found, 1));
    else this.#send(task, queries);
  }

  #send(task: Task, queries: ArrayBuffer, memories?: readonly WasmMemory[]): void {
    if (!memories && this.#putOnDesk(task, queries)) return;
    const message: SearchTask = { set: task.set.name, queries, ...(memories && { memories }) };
    this.#piscina
      .run(message, { transferList: [queries] })
      .then((result) => this.#onResult(task, result as SearchAnswers | UnknownSet))
      .catch((error: unknown) => this.#fail(task, error));
  }

  #onResult(task: Task, result: SearchAnswers | UnknownSet): void {
    if ('packed' in result) {
      if (result.rest.size === 0) this.#open(result.place);
      this.#endTask(task, resultsOf(result, task.jobs.length));
      return;
    }
    // Whichever thread takes it the second time learns the set
    this.#send(task, result.queries, task.set.memories);
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      void this.#tellThreads({});
    }, SETTLED_AFTER_MS).unref();
  }

  /** Whether there is a desk for it. */
  #putOnDesk(task: Task, queries: ArrayBuffer): boolean {
    let best: Station | undefined;
    for (const station of this.#stations) {
      if (!station.desk.isOpen) continue;
      if (best === undefined || station.tasks.length < best.tasks.length) best = station;
    }
    // A second task only where every thread has one
    const places = this.#areAllAttended() ? DESK_PLACES : 1;
    if (best === undefined || best.tasks.length >= places) return false;
    if (!best.desk.ask({ set: Number(task.set.name), queries })) return false;
    best.tasks.push(task);
    this.#listen(best);
    return true;
  }

  #listen(station: Station): void {
    if (station.listening || station.tasks.length === 0) return;
    station.listening = true;
    void station.desk.answered().then(() => {
      station.listening = false;
      this.#takeAnswers(station);
      this.#listen(station);
    });
  }

  #takeAnswers({ desk, tasks }: Station): void {
    for (let packed = desk.take(); packed; packed = desk.take()) {
      const task = tasks.shift()!;
      this.#endTask(task, unpackAnswers(packed, task.jobs.length));
    }
  }

  /** Has the thread of a place come to its desk: what follows needs no messages. */
  #open(place: number): void {
    const station = this.#stations[place]!;
    if (station.attended || this.#closed) return;
    station.attended = true;
    station.desk.open();
    const threadId = Atomics.load(this.#slots, place);
    const come = { attend: true, [queueOptionsSymbol]: { threadId, attend: true } satisfies Meant } as const;
    this.#piscina.run(come).then(
      (result) =>
        this.#onLeft(station, (task, queries, first) => {
          if (first && result) this.#onResult(task, result);
          else this.#send(task, queries);
        }),
      (error: unknown) => this.#onLeft(station, (task) => this.#fail(task, error)),
    );
  }

  /** Hands on what the thread has left on its desk. */
  #onLeft(station: Station, handOn: (task: Task, queries: ArrayBuffer, isFirst: boolean) => void): void {
    this.#takeAnswers(station);
    const tasks = station.tasks.splice(0);
    const queries = station.desk.clear(tasks.length);
    station.attended = false;
    tasks.forEach((task, i) => {
      handOn(task, queries[i]!, i === 0);
    });
  }

  #fail(task: Task, error: unknown): void {
    const failure = { error: toErrorRecord(error) };
    this.#endTask(
      task,
      task.jobs.map(() => failure),
    );
  }

  #endTask(task: Task, results: readonly JobResult[]): void {
    // One whose threads are gone has ended, whatever Piscina says of it later
    if (!this.#running.delete(task)) return;
    let searchMs = 0;
    for (let i = 0; i < results.length; i++) {
      const result = results[i]!;
      if ('work' in result) searchMs += result.work.searchMs;
      settle(task.jobs[i]!, result);
    }
    this.#searchMs = searchMs / results.length;
    this.#schedule();
  }

  #stationOf(threadId: number): Station | undefined {
    return this.#stations[this.#slots.indexOf(threadId)];
  }

  /** The thread that a task is meant for, or the one with the least to do; it is sent away from its desk. */
  #chooseThread: LoadBalancer = (task, threads) => {
    const meant = (task as { [queueOptionsSymbol]?: Meant })[queueOptionsSymbol];
    if (meant?.attend) return threads.find(({ id }) => id === meant.threadId) ?? threads[0] ?? null;
    let chosen: (typeof threads)[number] | null = null;
    if (meant) chosen = threads.find(({ id }) => id === meant.threadId) ?? threads[0] ?? null;
    else {
      let least = Number.POSITIVE_INFINITY;
      for (const thread of threads) {
        const onDesk = this.#stationOf(thread.id)?.tasks.length ?? 0;
        const usage = thread.currentUsage + onDesk;
        if (usage >= least) continue;
        chosen = thread;
        least = usage;
      }
    }
    if (chosen) this.#stationOf(chosen.id)?.desk.sendAway();
    return chosen;
  };

  /** Forgets every set, as `forget` does, and ends the threads. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#sets.keys()].map((name) => this.forget(name)));
    clearTimeout(this.#settling);
    // Piscina ends idle threads where they are, and so those that load: a native library must not be ended (thread.ts)
    await this.#tellThreads({ forget: '' });
    await this.#piscina.close();
    this.#here?.close();
  }
}

function settle({ search, shard }: Job, result: JobResult): void {
  const { set, results } = search;
  results[shard] = result;
  if (--search.missing > 0) return;
  search.resolve(results);
  if (--set.searching === 0) set.onIdle?.();
}

/** One result per job, in order. */
function resultsOf({ packed, rest }: Pick<TaskAnswers, 'packed' | 'rest'>, jobs: number): JobResult[] {
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
