/**
 * Counts of values by the bucket that they fall into, as Prometheus has them. Observing one is a few comparisons and two
 * additions in one array of numbers: it allocates nothing, and nothing is looked up by name.
 */

/** Upper bounds, in seconds, of what takes from a microsecond to some seconds: three to a power of ten. */
export const STAGE_BOUNDS_S: readonly number[] = [
  2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5,
];

/** The same for whole requests. */
export const REQUEST_BOUNDS_S: readonly number[] = [
  2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class Histogram {
  readonly bounds: readonly number[];
  /** A count for each bound, one for what lies above them all, and the sum of the values. */
  readonly #numbers: Float64Array;

  /** @param bounds ascending; a value that equals one counts as within it */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#numbers = new Float64Array(bounds.length + 2);
  }

  observe(value: number): void {
    const { bounds } = this;
    const numbers = this.#numbers;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    numbers[bucket]!++;
    numbers[bounds.length + 1]! += value;
  }

  /** How many values are at most as great as each bound, and then how many there are. */
  cumulative(): number[] {
    let sum = 0;
    return Array.from(this.#numbers.subarray(0, -1), (count) => {
      sum += count;
      return sum;
    });
  }

  get sum(): number {
    return this.#numbers.at(-1)!;
  }
}
