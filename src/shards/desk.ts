/**
 * Where a search thread and the one that asks hand over tasks and answers in shared memory. A message between threads is
 * cheap in a loop of nothing else; with the cold caches that searches leave behind, two and what Piscina does about them
 * cost 100 to 150 us of CPU, and a desk a small part of that (docs/decisions/0009-service.md).
 *
 * Who asks opens the desk and has the thread come to it. The thread serves what lies there, in order, and leaves when
 * nothing has come for a while, when it is sent away, or with a result that has no place there. Tasks can lie ready
 * while another is served. Where a desk is closed or full, tasks take the way of messages.
 */

/** Tasks that can lie at a desk at a time. */
export const DESK_PLACES = 16;
/** Room of a place for queries, and as much again for answers. */
export const DESK_AREA_BYTES = 256 * 1024;
/**
 * After this long with nothing to do a thread leaves: what comes to a desk keeps the process alive. Longer than a turn of a
 * busy event loop, after which it would have to be called back by messages.
 */
const IDLE_MS = 250;
/** Times that one stay can be asked. */
const TASKS_MAX = 2 ** 29;

/** Int32 words: twice the tasks asked in this stay, plus 1 when the thread is sent away, or CLOSED; the tasks answered. */
const ASKED = 0;
const ANSWERED = 1;
/** Of each place: number of the set, bytes of the queries, bytes of the answers. */
const PLACES = 2;
const PLACE_WORDS = 3;
/** Whole lines of memory. */
const HEAD_BYTES = 64 * Math.ceil((PLACES + DESK_PLACES * PLACE_WORDS) / 16);
const SET = 0;
const QUERIES = 1;
const ANSWERS = 2;

const CLOSED = -1;

export interface DeskTask {
  /** Number of the shard set. */
  readonly set: number;
  readonly queries: ArrayBuffer;
}

/** Memory of a desk, closed. */
export function deskBuffer(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(HEAD_BYTES + 2 * DESK_PLACES * DESK_AREA_BYTES);
  new Int32Array(buffer)[ASKED] = CLOSED;
  return buffer;
}

class Desk {
  protected readonly words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, HEAD_BYTES / 4);
    this.#bytes = new Uint8Array(buffer, HEAD_BYTES);
  }

  /** A word of the place of a task, by its number in this stay. */
  protected word(task: number, which: number): number {
    return PLACES + (task % DESK_PLACES) * PLACE_WORDS + which;
  }

  #area(task: number, which: number): number {
    return (2 * (task % DESK_PLACES) + which - QUERIES) * DESK_AREA_BYTES;
  }

  protected write(task: number, which: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#area(task, which));
    this.words[this.word(task, which)] = bytes.length;
  }

  protected read(task: number, which: number): ArrayBuffer {
    const at = this.#area(task, which);
    const copy = new Uint8Array(this.words[this.word(task, which)]!);
    copy.set(this.#bytes.subarray(at, at + copy.length));
    return copy.buffer;
  }
}

/** The side that asks. */
export class AskingSide extends Desk {
  /** Tasks of this stay whose answers were taken. */
  #taken = 0;

  /** Opens a desk that is closed; the thread is to be told. */
  open(): void {
    this.#taken = 0;
    Atomics.store(this.words, ANSWERED, 0);
    Atomics.store(this.words, ASKED, 0);
  }

  /** Whether tasks may be put here. */
  get isOpen(): boolean {
    const asked = Atomics.load(this.words, ASKED);
    return asked !== CLOSED && asked % 2 === 0;
  }

  /**
   * Puts a task here. A place must be free.
   * @returns false when the desk is not open, or the queries need more room
   */
  ask({ set, queries }: DeskTask): boolean {
    const asked = Atomics.load(this.words, ASKED);
    if (asked === CLOSED || asked % 2 === 1 || queries.byteLength > DESK_AREA_BYTES) return false;
    const task = asked / 2;
    this.write(task, QUERIES, new Uint8Array(queries));
    this.words[this.word(task, SET)] = set;
    // The thread may have left meanwhile
    if (Atomics.compareExchange(this.words, ASKED, asked, asked + 2) !== asked) return false;
    Atomics.notify(this.words, ASKED);
    if (task === TASKS_MAX) this.sendAway();
    return true;
  }

  /** The answers to the first task whose answers were not taken; undefined when they are not there. */
  take(): ArrayBuffer | undefined {
    if (Atomics.load(this.words, ANSWERED) === this.#taken) return undefined;
    return this.read(this.#taken++, ANSWERS);
  }

  /** Resolves when there may be answers to take. */
  async answered(): Promise<void> {
    const { async, value } = Atomics.waitAsync(this.words, ANSWERED, this.#taken);
    if (async) await value;
  }

  /** Has the thread leave when it has served what lies here; nothing more can be put here. */
  sendAway(): void {
    const asked = Atomics.load(this.words, ASKED);
    if (asked === CLOSED || asked % 2 === 1) return;
    Atomics.compareExchange(this.words, ASKED, asked, asked + 1);
    Atomics.notify(this.words, ASKED);
  }

  /** When the thread is gone: closes the desk and returns the queries of `count` tasks whose answers were not taken. */
  clear(count: number): ArrayBuffer[] {
    Atomics.store(this.words, ASKED, CLOSED);
    Atomics.notify(this.words, ANSWERED);
    return Array.from({ length: count }, (_, i) => this.read(this.#taken + i, QUERIES));
  }
}

/** The thread's side. */
export class ServingSide extends Desk {
  /**
   * Serves what lies here until it is time to leave.
   * @param serve returns at most DESK_AREA_BYTES of answers, or a result to leave with
   * @returns that result, or null
   */
  stay<Result>(serve: (task: DeskTask) => Uint8Array | Result): Result | null {
    for (let task = 0; this.#waitFor(task); task++) {
      const set = this.words[this.word(task, SET)]!;
      const answers = serve({ set, queries: this.read(task, QUERIES) });
      if (!(answers instanceof Uint8Array)) {
        Atomics.store(this.words, ASKED, CLOSED);
        return answers;
      }
      this.write(task, ANSWERS, answers);
      Atomics.store(this.words, ANSWERED, task + 1);
      Atomics.notify(this.words, ANSWERED);
    }
    return null;
  }

  /** Waits for a task; false when none is to come, and then the desk is closed. */
  #waitFor(task: number): boolean {
    for (;;) {
      const asked = Atomics.load(this.words, ASKED);
      if (asked === CLOSED) return false;
      if (asked >> 1 > task) return true;
      const isSentAway = asked % 2 === 1;
      if (!isSentAway && Atomics.wait(this.words, ASKED, asked, IDLE_MS) !== 'timed-out') continue;
      if (Atomics.compareExchange(this.words, ASKED, asked, CLOSED) === asked) return false;
    }
  }
}
