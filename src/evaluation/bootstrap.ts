/**
 * Confidence intervals by the bootstrap (Efron, 1979; the percentile interval, Efron and Tibshirani, 1993, section 13.3):
 * clusters of cases are drawn with replacement as often as there are, and the middle 95 % of what the means then are is
 * the interval. All columns are drawn together, so a difference or a ratio of two of them is one of pairs.
 */
import { Prng } from '../lib/prng.ts';
import { sortedQuantile } from '../lib/quantile.ts';

/** Draws of the bootstrap: an end of the interval is then known to a fifteenth of its distance from the middle. */
export const RESAMPLES = 2000;
/**
 * Rows that are kept: what comes later is added to one of them by chance, which leaves the expectation of the interval
 * as it is, and bounds memory and time whatever the number of cases.
 */
export const ROWS_MAX = 8192;
const LOW = 0.025;
const HIGH = 0.975;

/** A figure with its 95 % interval; null for what is not defined, as the mean of nothing, or has no bound. */
export interface Estimate {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Values of cases in columns, summed by the cluster that a case belongs to. */
export class ClusterSums {
  readonly columns: number;
  /** Clusters that were added, and rows that hold them. */
  clusters = 0;
  rows = 0;
  /** f64[rows][columns], and how many values each is the sum of. */
  sums = new Float64Array(0);
  counts = new Float64Array(0);
  readonly #prng: Prng;
  readonly #rowOf = new Map<string, number>();

  constructor(columns: number, seed: number) {
    this.columns = columns;
    this.#prng = new Prng(seed);
  }

  /**
   * Adds the values of a case, NaN where it has none.
   * @param cluster what it is drawn together with; a case without is drawn alone
   */
  add(values: Float64Array, cluster: string | undefined): void {
    const row = (cluster === undefined ? undefined : this.#rowOf.get(cluster)) ?? this.#newRow();
    if (cluster !== undefined) this.#rowOf.set(cluster, row);
    for (let c = 0; c < this.columns; c++) {
      const value = values[c]!;
      if (Number.isNaN(value)) continue;
      this.sums[row * this.columns + c]! += value;
      this.counts[row * this.columns + c]! += 1;
    }
  }

  #newRow(): number {
    this.clusters++;
    if (this.rows === ROWS_MAX) return this.#prng.below(ROWS_MAX);
    const needed = (this.rows + 1) * this.columns;
    if (needed > this.sums.length) {
      this.sums = grown(this.sums, 2 * needed);
      this.counts = grown(this.counts, 2 * needed);
    }
    return this.rows++;
  }
}

function grown(values: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(length);
  larger.set(values);
  return larger;
}

/** The means of all columns, NaN of nothing: as they are, and in each draw of the bootstrap. */
export interface Means {
  /** f64[columns] */
  readonly all: Float64Array;
  /** One f64[columns] per draw. */
  readonly drawn: readonly Float64Array[];
}

/** Draws by the seed: RESAMPLES times as many rows as there are. */
export function bootstrap(table: ClusterSums, seed: number): Means {
  const prng = new Prng(seed);
  const { rows } = table;
  const times = new Uint32Array(rows);
  const all = weightedMeans(table, times.fill(1));
  const drawn = Array.from({ length: RESAMPLES }, () => {
    times.fill(0);
    for (let i = 0; i < rows; i++) times[prng.below(rows)]!++;
    return weightedMeans(table, times);
  });
  return { all, drawn };
}

function weightedMeans({ rows, columns, sums, counts }: ClusterSums, times: Uint32Array): Float64Array {
  const sum = new Float64Array(columns);
  const count = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    const weight = times[row]!;
    if (weight === 0) continue;
    const start = row * columns;
    for (let c = 0; c < columns; c++) {
      sum[c]! += weight * sums[start + c]!;
      count[c]! += weight * counts[start + c]!;
    }
  }
  return sum.map((total, c) => total / count[c]!);
}

/** A figure that follows from the means, as `(means) => means[a] - means[b]`, with its interval. */
export function estimate(means: Means, figure: (means: Float64Array) => number): Estimate {
  // NaN sorts last: where a draw leaves the figure undefined, nothing bounds it
  const figures = Float64Array.from(means.drawn, figure).sort();
  return {
    value: finite(figure(means.all)),
    low: finite(sortedQuantile(figures, LOW)),
    high: finite(sortedQuantile(figures, HIGH)),
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
