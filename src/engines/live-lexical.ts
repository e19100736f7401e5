/**
 * The words of a loaded generation in step with its pins.
 *
 * A thread keeps them (src/lexical) and does what it is told in order. An update is sent to it in the same turn of the event
 * loop that makes the update visible; so a search by words that begins later sees it, one that began earlier does not, and an
 * update needs not wait for its words. A thread that has died is followed by one that begins with the pins as they are.
 *
 * An index whose pins have no words has no such thread.
 */
import { join } from 'node:path';
import { type FilterNode, matches, parseFilter } from '../index/filter.ts';
import type { Manifest } from '../index/manifest.ts';
import { wordsOf } from '../index/words.ts';
import {
  type Found,
  type LexicalCallOfSearch,
  LexicalThread,
  type PinChange,
  type StorePlace,
} from '../lexical/lexical-thread.ts';
import { NearpinError } from '../lib/errors.ts';
import type { EngineAnswer, LexicalDescription, LexicalEngine, LexicalQuery } from './engine.ts';
import type { Effect, LivePins } from './live-pins.ts';

/** Changed pins that the thread may be behind with before updates wait for it. */
const BEHIND_MAX = 100_000;
/** Threads that may die under one search. */
const ATTEMPTS = 3;
/** How often a search is made again because pins that it found were deleted or changed meanwhile. */
const ROUNDS = 4;
const LATE: Found = { hits: [], isComplete: false, isExhausted: false };

/** A generation, and where its files lie. */
export interface GenerationPlace {
  readonly dir: string;
  readonly manifest: Manifest;
}

export class LiveLexical implements LexicalEngine {
  readonly #pins: LivePins;
  #place: GenerationPlace;
  #thread: LexicalThread | undefined;
  /** Whether any pin has, or had, words. */
  #hasWords: boolean;
  #count = 0;
  /** Settles when the thread has read the words that were there when it started. */
  #opened: Promise<unknown> = Promise.resolve();
  #isReady = true;
  /** Changed pins that the thread was told of and has not answered. */
  #behind = 0;
  #onCaughtUp: (() => void)[] = [];
  #isClosed = false;

  constructor(place: GenerationPlace, pins: LivePins) {
    this.#place = place;
    this.#pins = pins;
    this.#hasWords = place.manifest.pins.words === true;
    if (this.#hasWords) this.#start();
  }

  describe(): LexicalDescription {
    return { pins: this.#count, isReady: this.#isReady };
  }

  /** Whether pins have, or had, words. */
  get hasWords(): boolean {
    return this.#hasWords;
  }

  /** Resolves when the words that were there at the start have been read, or could not be. */
  async ready(): Promise<void> {
    await this.#opened.catch(() => {});
  }

  /**
   * Tells of pins that updates up to `seq` have just made visible.
   * @param sameWords ids of those that keep their words
   */
  change(seq: number, effects: ReadonlyMap<string, Effect>, sameWords: ReadonlySet<string>): void {
    const changes = [...effects].map(([id, effect]) => changeOf(id, seq, effect, sameWords.has(id)));
    if (this.#thread) {
      this.#send(this.#thread, changes);
    } else if (changes.some(({ words }) => words !== undefined && words !== '')) {
      this.#hasWords = true;
      this.#start();
    }
  }

  /** Resolves when the thread is not too far behind. */
  async caughtUp(): Promise<void> {
    if (this.#behind > BEHIND_MAX) await new Promise<void>((resolve) => this.#onCaughtUp.push(resolve));
  }

  /** Goes on over the files of a generation that holds what this one has become. */
  rebase(place: GenerationPlace): void {
    this.#place = place;
    const thread = this.#thread;
    if (!thread) return;
    const { seq } = place.manifest;
    thread.call({ do: 'rebase', store: storeOf(place), seq }).catch(() => this.#drop(thread));
  }

  #start(): LexicalThread {
    const thread = new LexicalThread();
    this.#thread = thread;
    this.#isReady = false;
    const changed = [...this.#pins.changedPins()].map(([id, seq, pin]) => changeOf(id, seq, pin, false));
    this.#opened = thread.call({ do: 'open', store: storeOf(this.#place), changed }).then(({ count }) => {
      this.#count = count;
      this.#isReady = true;
    });
    this.#opened.catch(() => this.#drop(thread));
    return thread;
  }

  #send(thread: LexicalThread, pins: readonly PinChange[]): void {
    this.#behind += pins.length;
    thread
      .call({ do: 'change', pins })
      .then(({ count }) => {
        this.#count = count;
      })
      .catch(() => this.#drop(thread))
      .finally(() => {
        this.#behind -= pins.length;
        if (this.#behind <= BEHIND_MAX) for (const resolve of this.#onCaughtUp.splice(0)) resolve();
      });
  }

  /** Lets go of a thread that no longer knows what it should; the next search starts another. */
  #drop(thread: LexicalThread): void {
    if (this.#thread === thread) {
      this.#thread = undefined;
      this.#isReady = false;
    }
    void thread.close();
  }

  async search(query: LexicalQuery): Promise<EngineAnswer> {
    const { config } = this.#place.manifest;
    const filter = query.filter === undefined ? undefined : parseFilter(query.filter, config.attributes);
    const call: LexicalCallOfSearch = {
      do: 'search',
      text: query.text,
      k: query.k,
      filter,
      exclude: query.exclude ?? [],
      minScore: query.minScore ?? Number.NEGATIVE_INFINITY,
      deadlineAtMs: query.deadlineAtMs ?? Number.POSITIVE_INFINITY,
    };
    for (let round = 1; ; round++) {
      const since = this.#pins.seq;
      const found = await beforeDeadline(this.#ask(call), call.deadlineAtMs);
      const hits = found.hits.filter(({ id }) => this.#stands(id, since, filter));
      if (hits.length < found.hits.length && found.isComplete && round < ROUNDS) continue;
      return this.#answer({ ...found, hits });
    }
  }

  async #ask(call: LexicalCallOfSearch): Promise<Found> {
    for (let attempt = 1; ; attempt++) {
      if (this.#isClosed) throw new NearpinError('closed', 'the index is closed');
      if (!this.#hasWords) return { hits: [], isComplete: true, isExhausted: true };
      const thread = this.#thread ?? this.#start();
      try {
        return await thread.call(call);
      } catch (error) {
        this.#drop(thread);
        const hasDied = error instanceof NearpinError && error.code === 'closed';
        if (!hasDied || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** Whether a pin that a search found is still there and as its filter wants it. */
  #stands(id: string, since: number, filter: FilterNode | undefined): boolean {
    if (!this.#pins.isRecent(id, since)) return true;
    const pin = this.#pins.get(id);
    return pin !== undefined && (filter === undefined || matches(filter, pin.attributes));
  }

  #answer({ hits, isComplete, isExhausted }: Found): EngineAnswer {
    const { generation, shards } = this.#place.manifest;
    const coverage = isComplete
      ? { shards: shards.length, answered: shards.length }
      : { shards: shards.length, answered: 0, degraded: 'deadline' as const };
    return { hits, ef: 0, generation, coverage, exhausted: isExhausted };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.close();
  }
}

function storeOf({ dir, manifest }: GenerationPlace): StorePlace {
  return { dir: join(dir, manifest.pins.dir), entry: manifest.pins };
}

function changeOf(id: string, seq: number, pin: Effect, keepsWords: boolean): PinChange {
  if (pin === null) return { id, seq, words: '', attributes: null };
  const words = keepsWords ? undefined : wordsOf(pin.text, pin.payload);
  return { id, seq, words, attributes: pin.attributes };
}

/** A timer that is to wait for longer does not wait at all. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What is found, or that it is too late. */
async function beforeDeadline(found: Promise<Found>, deadlineAtMs: number): Promise<Found> {
  if (deadlineAtMs === Number.POSITIVE_INFINITY) return found;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Found>((resolve) => {
    const leftMs = deadlineAtMs - (performance.timeOrigin + performance.now());
    timer = setTimeout(resolve, Math.min(Math.max(0, leftMs), TIMER_MS_MAX), LATE);
  });
  try {
    return await Promise.race([found, late]);
  } finally {
    clearTimeout(timer);
    found.catch(() => {});
  }
}
