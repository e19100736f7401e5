/**
 * Recall as it is, not as it was when somebody measured: a sample of live searches is asked again, by the graph as it was
 * asked and of every matching pin, and what the first finds of the second is counted. Both are asked at the same moment,
 * so that writes since the live answer are no misses; what a deadline had cut off is told by coverage.
 *
 * It takes little and delays nobody. What compares every pin runs on threads that give way to all others (src/shards/
 * background.ts), one search at a time, and rests after each for ninety-nine times as long as it took.
 */
import type { EngineQuery } from '../../engines/engine.ts';
import { Prng } from '../../lib/prng.ts';
import type { LiveRecall } from '../../retrieval/contract.ts';
import type { Clock } from '../../retrieval/open-index.ts';
import { recallInterval } from '../../retrieval/recall.ts';
import { type Catalog, openIndex } from '../catalog.ts';

/** Replays of a group that count. */
const WINDOW = 1000;
/** Searches that wait to be replayed. */
const WAITING_MAX = 4;
/** Replays take at most one part of time in so many. */
const TIME_PARTS = 100;
/** A replay that takes longer is given up: what it holds is kept from being used again. */
const DEADLINE_MS = 10_000;
/** Widths that are told apart: each is the greatest of its group. */
const WIDTHS: readonly number[] = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];

export interface ReplayCounts {
  readonly compared: number;
  readonly failed: number;
  /** Others waited already. */
  readonly dropped: number;
}

export interface RecallMonitorOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** Of live searches, over 0 and up to 1. */
  readonly share: number;
  /** Draws them. */
  readonly seed: number;
}

interface Waiting {
  readonly index: string;
  readonly query: EngineQuery;
}

/** The latest replays of a group, as rings. */
interface Group {
  readonly ef: number;
  readonly filtered: boolean;
  readonly found: number[];
  readonly wanted: number[];
  next: number;
}

/** Groups of the generation that is served. */
interface Groups {
  readonly generation: string;
  readonly groups: Map<string, Group>;
}

export class RecallMonitor {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #share: number;
  readonly #prng: Prng;
  /** Searches until the next one that is taken. */
  #gap: number;
  readonly #waiting: Waiting[] = [];
  readonly #groups = new Map<string, Groups>();
  #running: Promise<void> | undefined;
  #resting: NodeJS.Timeout | undefined;
  #isClosed = false;
  #compared = 0;
  #failed = 0;
  #dropped = 0;

  constructor({ catalog, clock, share, seed }: RecallMonitorOptions) {
    this.#catalog = catalog;
    this.#clock = clock;
    this.#share = share;
    this.#prng = new Prng(seed);
    this.#gap = this.#drawGap();
  }

  /** Of a sequence of draws that each take with the share's chance, how many it is to the next that does. */
  #drawGap(): number {
    if (this.#share >= 1) return 1;
    const u = (this.#prng.u32() + 1) / 2 ** 32;
    return 1 + Math.floor(Math.log(u) / Math.log(1 - this.#share));
  }

  /** A live search of an index; few are taken, and none waits for anything. */
  offer(index: string, query: EngineQuery): void {
    if (--this.#gap > 0) return;
    this.#gap = this.#drawGap();
    if (query.exact === true || this.#isClosed) return;
    if (this.#waiting.length >= WAITING_MAX) {
      this.#dropped++;
      return;
    }
    this.#waiting.push({ index, query });
    this.#wake();
  }

  #wake(): void {
    if (this.#running || this.#resting || this.#isClosed) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    const startedAtMs = this.#clock();
    this.#running = this.#replay(next).then(() => {
      this.#running = undefined;
      const restMs = (this.#clock() - startedAtMs) * (TIME_PARTS - 1);
      this.#resting = setTimeout(() => {
        this.#resting = undefined;
        this.#wake();
      }, restMs).unref();
    });
  }

  async #replay({ index, query }: Waiting): Promise<void> {
    try {
      const { vector, k, ef, filter, minScore, exclude } = query;
      const asked = { vector, k, ef, filter, minScore, exclude };
      const deadlineAtMs = this.#clock() + DEADLINE_MS;
      const [exact, live] = await openIndex(this.#catalog, index).use(({ engine }) =>
        Promise.all([
          engine.search({ ...asked, exact: true, background: true, deadlineAtMs }),
          engine.search({ ...asked, deadlineAtMs }),
        ]),
      );
      if (exact.coverage.degraded !== undefined || live.coverage.degraded !== undefined)
        throw new Error('the deadline has passed');
      const truth = new Set(exact.hits.map(({ id }) => id));
      if (truth.size > 0) {
        const found = live.hits.filter(({ id }) => truth.has(id)).length;
        const group = this.#groupOf(index, live.generation, ef ?? live.ef, filter !== undefined);
        group.found[group.next] = found;
        group.wanted[group.next] = truth.size;
        group.next = (group.next + 1) % WINDOW;
      }
      this.#compared++;
    } catch {
      // The index may be gone or closing: a sample less
      this.#failed++;
    }
  }

  #groupOf(index: string, generation: string, width: number, filtered: boolean): Group {
    let known = this.#groups.get(index);
    if (known?.generation !== generation) {
      known = { generation, groups: new Map() };
      this.#groups.set(index, known);
    }
    const ef = WIDTHS.find((most) => width <= most) ?? WIDTHS.at(-1)!;
    const key = `${ef} ${filtered}`;
    const group = known.groups.get(key) ?? { ef, filtered, found: [], wanted: [], next: 0 };
    known.groups.set(key, group);
    return group;
  }

  /** What is known of an index, of the generation that was replayed last. */
  of(index: string): readonly LiveRecall[] {
    const groups = [...(this.#groups.get(index)?.groups.values() ?? [])];
    groups.sort((a, b) => a.ef - b.ef || Number(a.filtered) - Number(b.filtered));
    return groups.map(({ ef, filtered, found, wanted }) => ({
      ef,
      filtered,
      ...recallInterval(found, wanted),
      samples: found.length,
    }));
  }

  counts(): ReplayCounts {
    return { compared: this.#compared, failed: this.#failed, dropped: this.#dropped };
  }

  /** Waits for what runs; nothing is replayed after it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#resting);
    this.#waiting.length = 0;
    await this.#running;
  }
}
