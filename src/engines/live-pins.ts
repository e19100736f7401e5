/**
 * The pins of a loaded generation as they are now: its pin store, and over it the pins that updates have changed since.
 *
 * This is what decides whether a pin can be seen. A writer inserts into the graph while the log is still waiting for the
 * disk, and removes what was replaced a little later; so a search may find a vector that is not acknowledged yet, or one
 * that is no more. Each hit is held against what stands here, and everything that an update changes becomes visible in
 * one step of this thread, over all shards. A search that began before such a step may have passed where the pin lies
 * now, so it is to find it where it lay: that place stays in the graph until such searches have ended.
 */
import type { Attributes } from '../index/pin.ts';
import type { Standing } from '../shards/merge.ts';
import type { PinStore } from '../storage/pin-store.ts';
import type { StoredPin } from '../storage/stored-pin.ts';

/** The ordinal of a pin that is not there. */
export const NOWHERE = -1;

/** Where a pin lay until an update. */
interface Past {
  readonly ordinal: number;
  readonly until: number;
}

/** A pin that an update has changed; its ordinal is NOWHERE when it was deleted. */
interface ChangedPin extends StoredPin {
  /** Where it lay while searches that still run began, in the order of the updates. */
  readonly past: readonly Past[];
}

/** A pin as an update leaves it; null when it deletes it. */
export type Effect = StoredPin | null;

export class LivePins {
  #store: PinStore;
  #seq: number;
  #count: number;
  readonly #changed = new Map<string, ChangedPin>();
  /** Ids that updates on their way will change, and by how many. */
  readonly #awaited = new Map<string, number>();
  /** Searches under way, by the last update that could be seen when they began; in that order. */
  readonly #searches = new Map<number, number>();
  #onSearchesEnd: () => void = () => {};
  /** Keywords that the store does not have. */
  readonly #keywords = new Map<string, Map<string, number>>();
  /** The last code given in each attribute; unknown until the first new keyword. */
  #lastCodes: Map<string, number> | undefined;

  /** @param seq of the generation @param count pins that it holds */
  constructor(store: PinStore, seq: number, count: number) {
    this.#store = store;
    this.#seq = seq;
    this.#count = count;
  }

  /** The last update that can be seen. */
  get seq(): number {
    return this.#seq;
  }

  /** Pins that can be seen. */
  get count(): number {
    return this.#count;
  }

  /** Pins that are kept here because they changed since the generation. */
  get changes(): number {
    return this.#changed.size;
  }

  /** The pin of an id, or undefined. */
  get(id: string): StoredPin | undefined {
    const changed = this.#changed.get(id);
    if (changed === undefined) return this.#store.get(id);
    return changed.ordinal === NOWHERE ? undefined : changed;
  }

  /** The pins that have changed since the generation, as they are now; null where they are deleted. */
  *changedPins(): Generator<[id: string, seq: number, pin: Effect]> {
    for (const [id, pin] of this.#changed) yield [id, pin.seq, pin.ordinal === NOWHERE ? null : pin];
  }

  /** Says that a search begins; returns the last update that it is to see. */
  beginSearch(): number {
    this.#searches.set(this.#seq, (this.#searches.get(this.#seq) ?? 0) + 1);
    return this.#seq;
  }

  /** Says that a search has ended that was to see updates up to `since`. */
  endSearch(since: number): void {
    const left = this.#searches.get(since)! - 1;
    if (left > 0) {
      this.#searches.set(since, left);
      return;
    }
    const wasOldest = this.oldestSearch === since;
    this.#searches.delete(since);
    if (wasOldest) this.#onSearchesEnd();
  }

  /** What the search that began first of those under way is to see; Infinity when there is none. */
  get oldestSearch(): number {
    for (const since of this.#searches.keys()) return since;
    return Number.POSITIVE_INFINITY;
  }

  /** Sets what is called when the search that began first has ended. */
  onSearchesEnd(action: () => void): void {
    this.#onSearchesEnd = action;
  }

  /** Says that an update on its way will change a pin. */
  await(id: string): void {
    this.#awaited.set(id, (this.#awaited.get(id) ?? 0) + 1);
  }

  /** Says that the update has come or was dropped. */
  unawait(id: string): void {
    const left = this.#awaited.get(id)! - 1;
    if (left === 0) this.#awaited.delete(id);
    else this.#awaited.set(id, left);
  }

  isAwaited(id: string): boolean {
    return this.#awaited.has(id);
  }

  /** Whether a pin may have changed since a search that began at `since` evaluated its filter. */
  isRecent(id: string, since: number): boolean {
    return this.#awaited.has(id) || (this.#changed.get(id)?.seq ?? 0) > since;
  }

  /** What a hit that lies at an ordinal is to a search that began when `since` was the last update to be seen. */
  standingOf(id: string, shard: number, ordinal: number, since: number): Standing {
    // An id that is looked up is hashed, even where there is nothing to find
    if (this.#changed.size === 0 && this.#awaited.size === 0) return 'current';
    const changed = this.#changed.get(id);
    if (changed === undefined) {
      if (!this.#awaited.has(id)) return 'current';
      const stored = this.#store.get(id);
      return stored?.shard === shard && stored.ordinal === ordinal ? 'current' : 'hidden';
    }
    if (changed.ordinal === ordinal && changed.shard === shard) return 'current';
    if (changed.ordinal === NOWHERE) return 'hidden';
    const then = changed.past.find(({ until }) => until > since);
    return then?.ordinal === ordinal ? 'before' : 'hidden';
  }

  /**
   * Makes updates up to `seq` visible, all at once.
   * @returns the ordinals, by shard, that no pin lies at any more
   */
  show(seq: number, effects: ReadonlyMap<string, Effect>): Map<number, number[]> {
    const left = new Map<number, number[]>();
    const oldest = this.oldestSearch;
    for (const [id, effect] of effects) {
      const before = this.get(id);
      if (before === undefined && effect === null) continue;
      this.#count += (effect === null ? 0 : 1) - (before === undefined ? 0 : 1);
      if (before && before.ordinal !== effect?.ordinal) {
        const ordinals = left.get(before.shard);
        if (ordinals) ordinals.push(before.ordinal);
        else left.set(before.shard, [before.ordinal]);
      }
      let past = this.#changed.get(id)?.past ?? NO_PAST;
      if (past.length > 0) past = past.filter(({ until }) => until > oldest);
      if (before && before.ordinal !== effect?.ordinal && seq > oldest) {
        past = [...past, { ordinal: before.ordinal, until: seq }];
      }
      const now = effect ?? deleted(before!.shard, seq);
      // Field by field: an object that is made by spreading another takes three times as much memory
      this.#changed.set(id, {
        shard: now.shard,
        ordinal: now.ordinal,
        seq: now.seq,
        attributes: now.attributes,
        payload: now.payload,
        text: now.text,
        past,
      });
    }
    this.#seq = seq;
    return left;
  }

  /** The dictionary's code of a keyword, 0 when no pin has it. */
  keywordCode(attribute: string, value: string): number {
    return this.#keywords.get(attribute)?.get(value) ?? this.#store.keywordCode(attribute, value);
  }

  /** The code of a keyword, which is given the next one when it is new. */
  addKeyword(attribute: string, value: string): number {
    const known = this.keywordCode(attribute, value);
    if (known !== 0) return known;
    this.#lastCodes ??= this.#countCodes();
    const code = (this.#lastCodes.get(attribute) ?? 0) + 1;
    this.#lastCodes.set(attribute, code);
    const codes = this.#keywords.get(attribute);
    if (codes) codes.set(value, code);
    else this.#keywords.set(attribute, new Map([[value, code]]));
    return code;
  }

  #countCodes(): Map<string, number> {
    const last = new Map<string, number>();
    for (const [attribute, , code] of this.#store.keywords()) {
      last.set(attribute, Math.max(code, last.get(attribute) ?? 0));
    }
    return last;
  }

  /** The keywords that the store does not have. */
  newKeywords(): [attribute: string, value: string, code: number][] {
    return [...this.#keywords].flatMap(([attribute, codes]) =>
      [...codes].map(([value, code]) => [attribute, value, code] as [string, string, number]),
    );
  }

  /** Goes on over the pin store of a generation that holds the updates up to `seq`; returns the store before. */
  rebase(store: PinStore, seq: number): PinStore {
    const before = this.#store;
    this.#store = store;
    for (const [id, { seq: changedBy }] of this.#changed) if (changedBy <= seq) this.#changed.delete(id);
    for (const [attribute, codes] of this.#keywords) {
      for (const value of codes.keys()) if (store.keywordCode(attribute, value) !== 0) codes.delete(value);
    }
    return before;
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

const NO_PAST: readonly Past[] = [];
const NO_ATTRIBUTES: Attributes = {};

function deleted(shard: number, seq: number): StoredPin {
  return { shard, ordinal: NOWHERE, seq, attributes: NO_ATTRIBUTES, payload: undefined, text: undefined };
}
