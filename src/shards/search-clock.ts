/**
 * CPU time that a thread spends in searches. Before 23.9 Node tells it of a process only, and what Linux shows of a thread
 * that runs is as old as its last tick. But how long a thread has waited for a core is known as soon as it runs again, and
 * a search waits for nothing else: its CPU time is its time by the clock less that. Where the system does not tell, it
 * is the time by the clock.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { monotonicMs } from './protocol.ts';

/** Two numbers and one after them, as text (Linux, Documentation/scheduler/sched-stats.rst). */
const SCHEDSTAT = '/proc/thread-self/schedstat';
const SCHEDSTAT_BYTES = 64;
/**
 * A look at it takes 3 us, twice a task: a task of fewer searches stands for those before it, until they are as many, so
 * that a search that comes alone is not held up.
 */
const SEARCHES_PER_LOOK = 8;
const SPACE = 0x20;
const ZERO = 0x30;

export class SearchClock {
  /** Nanoseconds, of all threads together. */
  readonly #total: BigInt64Array;
  readonly #searchesPerLook: number;
  /** Of this thread, whoever reads it; undefined where there is none. */
  #schedstat: number | undefined;
  readonly #text = new Uint8Array(SCHEDSTAT_BYTES);
  #startedMs = 0;
  /** Of this task, by the clock. */
  #taskNs = 0;
  /** What is not in the total yet; less than 0 when the waits of one task stood for more than others had. */
  #owedNs = 0;
  /** Searches of this task and of those before it that were not looked at. */
  #unseen = 0;
  #searches = 0;
  #waitedNs = 0;

  /**
   * To be made in the thread whose searches it counts.
   *
   * @param total one number, in shared memory, which it adds to
   * @param searchesPerLook 1 where a search waits for a core longer than it runs: what one waits says nothing of others
   * @param schedstat the file that tells how long the thread has waited for a core
   */
  constructor(total: BigInt64Array, searchesPerLook = SEARCHES_PER_LOOK, schedstat = SCHEDSTAT) {
    this.#total = total;
    this.#searchesPerLook = searchesPerLook;
    this.#schedstat = openIfThere(schedstat);
  }

  /** Begins a task of so many searches. */
  begin(searches: number): void {
    this.#taskNs = 0;
    this.#searches = searches;
    this.#unseen += searches;
    if (this.#unseen >= this.#searchesPerLook) this.#waitedNs = this.#waited();
  }

  /** When that is, on the clock of monotonicMs. */
  startSearch(): number {
    this.#startedMs = monotonicMs();
    return this.#startedMs;
  }

  /** Milliseconds since its start, by the clock. */
  endSearch(): number {
    const ms = monotonicMs() - this.#startedMs;
    this.#taskNs += ms * 1e6;
    return ms;
  }

  /** Adds what the searches of the task have taken. A wait between two of them counts as one in them. */
  end(): void {
    this.#owedNs += this.#taskNs;
    if (this.#unseen >= this.#searchesPerLook) {
      const waitedNs = Math.min(this.#waited() - this.#waitedNs, this.#taskNs);
      this.#owedNs -= (waitedNs * this.#unseen) / this.#searches;
      this.#unseen = 0;
    }
    if (this.#owedNs <= 0) return;
    Atomics.add(this.#total, 0, BigInt(Math.round(this.#owedNs)));
    this.#owedNs = 0;
  }

  /** Gives its file back, which Node does by itself when a thread that is not the main one ends. */
  close(): void {
    if (this.#schedstat !== undefined) closeSync(this.#schedstat);
    this.#schedstat = undefined;
  }

  /** Nanoseconds that the thread could have run and had no core: the second number. */
  #waited(): number {
    if (this.#schedstat === undefined) return 0;
    const text = this.#text;
    const length = readSync(this.#schedstat, text, 0, SCHEDSTAT_BYTES, 0);
    let ns = 0;
    let at = text.indexOf(SPACE) + 1;
    for (; at < length && text[at] !== SPACE; at++) ns = ns * 10 + (text[at]! - ZERO);
    return ns;
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined;
  }
}
