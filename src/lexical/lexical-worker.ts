/**
 * The thread of a generation's words: reads them from its pin store, changes them with the updates, and searches them.
 * Filters are held against the attributes of the pins that are found, by the naive twin of the core's programs: here it may
 * take its time.
 */
import { matches } from '../index/filter.ts';
import { wordsOf } from '../index/words.ts';
import { NearpinError } from '../lib/errors.ts';
import { serveCalls } from '../shards/thread.ts';
import { openPinStore, type PinStore } from '../storage/pin-store.ts';
import type { StoredPin } from '../storage/stored-pin.ts';
import type {
  Counted,
  Found,
  LexicalCall,
  LexicalCallOfSearch,
  PinChange,
  StorePlace,
} from './lexical-thread.ts';
import { type WordChange, WordIndex } from './word-index.ts';

/** Pins of one transaction while the words are read. */
const PINS_AT_ONCE = 2048;

const index = new WordIndex();
let store: PinStore;
/** Pins that have changed since the store was written, with the words that the index has for them. */
const changed = new Map<string, PinChange & { readonly words: string }>();

serveCalls<LexicalCall>(async (call) => {
  switch (call.do) {
    case 'open':
      store = await open(call.store);
      await readWords(new Set(call.changed.map(({ id }) => id)));
      apply(call.changed);
      return { value: { count: index.count } satisfies Counted };
    case 'change':
      apply(call.pins);
      return { value: { count: index.count } satisfies Counted };
    case 'rebase': {
      const before = store;
      store = await open(call.store);
      for (const [id, { seq }] of changed) if (seq <= call.seq) changed.delete(id);
      await before.close();
      return { value: { count: index.count } satisfies Counted };
    }
    case 'search':
      return { value: search(call) satisfies Found };
  }
});

function open({ dir, entry }: StorePlace): Promise<PinStore> {
  return openPinStore(dir, entry);
}

/** Reads the words of the pins that have not changed; the thread can be ended meanwhile. */
async function readWords(isChanged: ReadonlySet<string>): Promise<void> {
  let batch: WordChange[] = [];
  for (const [id, { text, payload }] of store.pins()) {
    if (!isChanged.has(id)) batch.push({ id, before: '', words: wordsOf(text, payload) });
    if (batch.length < PINS_AT_ONCE) continue;
    index.change(batch);
    batch = [];
    await new Promise((resolve) => setImmediate(resolve));
  }
  index.change(batch);
}

function apply(pins: readonly PinChange[]): void {
  index.change(
    pins.map((pin) => {
      const { id } = pin;
      const before = index.has(id) ? wordsIn(id) : '';
      const words = pin.words ?? before;
      changed.set(id, { ...pin, words });
      return { id, before, words };
    }),
  );
}

/** The words that the index has for a pin. */
function wordsIn(id: string): string {
  const pin = changed.get(id);
  if (pin) return pin.words;
  const { text, payload } = pinIn(id);
  return wordsOf(text, payload);
}

function search({ text, k, filter, exclude, minScore, deadlineAtMs }: LexicalCallOfSearch): Found {
  const excluded = new Set(exclude);
  const accepts = (id: string): boolean => {
    if (excluded.has(id)) return false;
    if (filter === undefined) return true;
    const attributes = (changed.get(id) ?? pinIn(id)).attributes;
    return attributes !== null && matches(filter, attributes);
  };
  const isLate = () => performance.timeOrigin + performance.now() >= deadlineAtMs;
  return index.search({ text, k, accepts, minScore, isLate });
}

function pinIn(id: string): StoredPin {
  const pin = store.get(id);
  if (pin === undefined) throw new NearpinError('internal', `the words of ${id} are of no pin`);
  return pin;
}
