/**
 * The words of a loaded generation, in a thread of their own, seen from the thread that serves. What is asked of it is done in
 * the order in which it was asked: a search sees exactly the changes that were sent before it.
 */
import type { FilterNode } from '../index/filter.ts';
import type { PinsEntry } from '../index/manifest.ts';
import type { Attributes } from '../index/pin.ts';
import { Thread } from '../shards/thread.ts';
import type { WordHit } from './word-index.ts';

/** A pin as an update leaves it; `words` are undefined where they stay, `attributes` null where the pin is deleted. */
export interface PinChange {
  readonly id: string;
  readonly seq: number;
  readonly words: string | undefined;
  readonly attributes: Attributes | null;
}

/** A pin store, and where it lies. */
export interface StorePlace {
  readonly dir: string;
  readonly entry: PinsEntry;
}

export interface LexicalCallOfSearch {
  readonly do: 'search';
  readonly text: string;
  readonly k: number;
  readonly filter: FilterNode | undefined;
  readonly exclude: readonly string[];
  readonly minScore: number;
  /** Epoch milliseconds; Infinity for none. */
  readonly deadlineAtMs: number;
}

export type LexicalCall =
  | {
      readonly do: 'open';
      readonly store: StorePlace;
      /** Pins that have changed since the generation, as they are now. */
      readonly changed: readonly PinChange[];
    }
  | { readonly do: 'change'; readonly pins: readonly PinChange[] }
  /** Goes on over the pin store of a generation that holds the updates up to `seq`. */
  | { readonly do: 'rebase'; readonly store: StorePlace; readonly seq: number }
  | LexicalCallOfSearch;

export interface Counted {
  /** Pins with words. */
  readonly count: number;
}

export interface Found {
  readonly hits: readonly WordHit[];
  readonly isComplete: boolean;
  readonly isExhausted: boolean;
}

export class LexicalThread {
  readonly #thread = new Thread(new URL('./lexical-worker.js', import.meta.url), undefined);

  /** Every call rejects with `closed` when the thread is closed or has died, and with what went wrong in it. */
  call(call: LexicalCallOfSearch): Promise<Found>;
  call(call: Exclude<LexicalCall, LexicalCallOfSearch>): Promise<Counted>;
  call(call: LexicalCall): Promise<Found | Counted> {
    return this.#thread.call(call);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
