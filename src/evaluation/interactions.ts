/**
 * Who saved what, in memory: the pins of each user and the users of each pin, as dense numbers in two flat arrays each,
 * so that a million interactions take 8 MB.
 */
import { NearpinError } from '../lib/errors.ts';

/** Lists of numbers, one after the other; list i is `values[starts[i] .. starts[i + 1])`. */
interface Lists {
  readonly starts: Uint32Array;
  readonly values: Uint32Array;
}

export class Interactions {
  /** Pin ids; the place of one is its number. */
  readonly ids: readonly string[];
  readonly users: number;
  /** Pins that were left out. */
  readonly missing: number;
  /** Pins, from the one that most users saved on; ties by id. */
  readonly byPopularity: Uint32Array;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #pins: Lists;
  readonly #users: Lists;

  private constructor(numbers: ReadonlyMap<string, number>, pins: Lists, missing: number) {
    this.missing = missing;
    this.#numbers = numbers;
    this.ids = [...numbers.keys()];
    this.#pins = pins;
    this.users = pins.starts.length - 1;
    this.#users = transpose(pins, this.ids.length);
    this.byPopularity = Uint32Array.from(this.ids.keys()).sort(
      (a, b) => this.usersOf(b) - this.usersOf(a) || (this.ids[a]! < this.ids[b]! ? -1 : 1),
    );
  }

  /**
   * Reads the pins of each user. A user in several lists counts as several.
   * @param has tells which pins there are: others cannot be shown, and are left out
   * @throws NearpinError bad_file when nothing is left
   */
  static async read(
    lists: AsyncIterable<readonly string[]>,
    has: (id: string) => Promise<boolean>,
  ): Promise<Interactions> {
    const numbers = new Map<string, number>();
    const known = new Map<string, boolean>();
    const starts: number[] = [0];
    let values = new Uint32Array(1024);
    let length = 0;
    for await (const pins of lists) {
      const unknown = pins.filter((id) => !known.has(id));
      const there = await Promise.all(unknown.map(has));
      for (const [i, id] of unknown.entries()) known.set(id, there[i]!);
      for (const id of pins) {
        if (!known.get(id)) continue;
        const number = numbers.get(id) ?? numbers.size;
        numbers.set(id, number);
        if (length === values.length) {
          const grown = new Uint32Array(2 * length);
          grown.set(values);
          values = grown;
        }
        values[length++] = number;
      }
      starts.push(length);
    }
    if (length === 0) throw new NearpinError('bad_file', 'The interactions hold no pin of the index');
    const read = { starts: Uint32Array.from(starts), values: values.subarray(0, length) };
    return new Interactions(numbers, read, known.size - numbers.size);
  }

  /** The number of a pin; undefined for one that nobody saved. */
  numberOf(id: string): number | undefined {
    return this.#numbers.get(id);
  }

  /** How many users saved a pin. */
  usersOf(pin: number): number {
    return this.#users.starts[pin + 1]! - this.#users.starts[pin]!;
  }

  /**
   * Bits of surprise in a pin: -log2 of the share of users who saved it (Zhou et al., 2010), with one more user who
   * saves everything, so that a pin that nobody saved has the most and not infinitely many.
   */
  selfInformation(id: string): number {
    const pin = this.numberOf(id);
    return -Math.log2(((pin === undefined ? 0 : this.usersOf(pin)) + 1) / (this.users + 1));
  }

  /** Calls with each pin that was saved together with this one, once for each user who saved both. */
  forEachTogether(pin: number, visit: (other: number) => void): void {
    const { starts, values } = this.#users;
    for (let at = starts[pin]!; at < starts[pin + 1]!; at++) {
      const user = values[at]!;
      const end = this.#pins.starts[user + 1]!;
      for (let i = this.#pins.starts[user]!; i < end; i++) visit(this.#pins.values[i]!);
    }
  }
}

/** For each value, the lists that hold it. */
function transpose({ starts, values }: Lists, count: number): Lists {
  const ends = new Uint32Array(count + 1);
  for (const value of values) ends[value + 1]!++;
  for (let i = 0; i < count; i++) ends[i + 1]! += ends[i]!;
  const next = ends.slice();
  const transposed = new Uint32Array(values.length);
  for (let list = 0; list + 1 < starts.length; list++) {
    for (let at = starts[list]!; at < starts[list + 1]!; at++) transposed[next[values[at]!]!++] = list;
  }
  return { starts: ends, values: transposed };
}
