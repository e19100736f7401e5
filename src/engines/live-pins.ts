/**
 * The pins of a loaded generation as they are now: its pin store, and over it the pins that updates have changed since.
 *
 * This is what decides whether a pin can be seen. A writer inserts into the graph while the log is still waiting for the
 * disk, and removes what was replaced a little later; so a search may find a vector that is not acknowledged yet, or one
 * that is no more. Each hit is held against what stands here, and everything that an update changes becomes visible in
 * one step of this thread, over all shards.
 */
import type { Attributes } from '../index/pin.ts';
import type { Standing } from '../shards/merge.ts';
import type { PinStore } from '../storage/pin-store.ts';
import type { StoredPin } from '../storage/stored-pin.ts';

/** The ordinal of a pin that is not there. */
export const NOWHERE = -1;

/** A pin that an update has changed. */
export interface ChangedPin extends StoredPin {
  /** Its ordinal before; NOWHERE when there was no such pin. `ordinal` is NOWHERE when it was deleted. */
  readonly was: number;
}

/** A pin as an update leaves it; null when it deletes it. */
export type Effect = Omit<ChangedPin, 'was'> | null;

export class LivePins {
  #store: PinStore;
  #seq: number;
  #count: number;
  readonly #changed = new Map<string, ChangedPin>();
  /** Ids that updates on their way will change, and by how many. */
  readonly #awaited = new Map<string, number>();
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
    const changed = this.#changed.get(id);
    if (changed === undefined) {
      if (!this.#awaited.has(id)) return 'current';
      const stored = this.#store.get(id);
      return stored?.shard === shard && stored.ordinal === ordinal ? 'current' : 'hidden';
    }
    if (changed.ordinal === ordinal && changed.shard === shard) return 'current';
    const wasHere = changed.was === ordinal && changed.shard === shard && changed.ordinal !== NOWHERE;
    return wasHere && changed.seq > since ? 'before' : 'hidden';
  }

  /**
   * Makes updates up to `seq` visible, all at once.
   * @returns the ordinals, by shard, that no pin lies at any more
   */
  show(seq: number, effects: ReadonlyMap<string, Effect>): Map<number, number[]> {
    const left = new Map<number, number[]>();
    for (const [id, effect] of effects) {
      const before = this.get(id);
      if (before === undefined && effect === null) continue;
      this.#count += (effect === null ? 0 : 1) - (before === undefined ? 0 : 1);
      if (before && before.ordinal !== effect?.ordinal) {
        const ordinals = left.get(before.shard);
        if (ordinals) ordinals.push(before.ordinal);
        else left.set(before.shard, [before.ordinal]);
      }
      const was = before?.ordinal ?? NOWHERE;
      if (effect !== null) this.#changed.set(id, { ...effect, was });
      else this.#changed.set(id, { shard: before!.shard, ordinal: NOWHERE, was, seq, ...NOTHING });
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

const NOTHING: { attributes: Attributes; payload: undefined } = { attributes: {}, payload: undefined };
