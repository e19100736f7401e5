/**
 * Who saved what, as training reads it: the lists of pins of all users, one after the other in shared memory, and the
 * ids of the pins, numbered in the order in which they are first met.
 */
import { NearpinError } from '../lib/errors.ts';

export interface PinLists {
  /** Pin ids; the place of one is its number. */
  readonly ids: readonly string[];
  /** u32[lists + 1]: list l is `pins[starts[l] .. starts[l + 1])`. On shared memory, as `pins`. */
  readonly starts: Uint32Array;
  readonly pins: Uint32Array;
  /** Users of a single pin. They tell nothing of which pins go together, and are left out. */
  readonly singles: number;
}

/** A list of u32 that grows; `take` moves it to shared memory. */
class Numbers {
  #values = new Uint32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const grown = new Uint32Array(2 * this.length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.length++] = value;
  }

  take(): Uint32Array {
    const shared = new Uint32Array(new SharedArrayBuffer(this.length * 4));
    shared.set(this.#values.subarray(0, this.length));
    return shared;
  }
}

/**
 * Collects lists of pin ids, each without repeats. Takes 8 bytes an interaction, 12 for a moment at the end, and the ids.
 * `onRead` hears after each list how many there were. Throws bad_file when no list has two pins, and what `lists` does.
 */
export async function collectPinLists(
  lists: AsyncIterable<readonly string[]>,
  onRead: (lists: number) => void,
): Promise<PinLists> {
  const numbers = new Map<string, number>();
  const starts = new Numbers();
  const pins = new Numbers();
  let read = 0;
  let singles = 0;
  starts.push(0);
  for await (const list of lists) {
    if (list.length > 1) {
      for (const id of list) {
        const number = numbers.get(id) ?? numbers.size;
        if (number === numbers.size) numbers.set(id, number);
        pins.push(number);
      }
      starts.push(pins.length);
    } else if (list.length === 1) {
      singles++;
    }
    onRead(++read);
  }
  if (pins.length === 0) {
    const found = singles === 0 ? 'no pins' : `${singles} users, but none with two pins`;
    throw new NearpinError(
      'bad_file',
      `The interactions hold ${found}, so nothing tells which pins go together`,
    );
  }
  return { ids: [...numbers.keys()], starts: starts.take(), pins: pins.take(), singles };
}
