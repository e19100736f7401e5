/**
 * The basis of a shard: the mean of its vectors and the directions in which they vary most. Codes are of a vector's
 * components along them, its lead, because embeddings fill far fewer directions than they have dimensions, and one line
 * of 64 bytes per candidate is what a search can afford. After LeanVec (Tepper et al., TMLR 2024, section 2); the
 * directions are found by subspace iteration (Golub and Van Loan, section 8.2.4) on the covariance of a sample.
 *
 * Whether a lead is enough is not believed but measured, on the sample itself: the true nearest must be among the first
 * few by lead codes. Where no lead is, codes are of the whole vector.
 */
import { Prng } from '../lib/prng.ts';
import type { Metric } from './metric.ts';
import { encodeI8 } from './oracle.ts';

/** As it lies in a shard's memory and segment. */
export interface Basis {
  /** Number of directions that codes are of. */
  readonly lead: number;
  /**
   * f32[1 + directions][dim rounded up to 4]: the mean, zero under dot, then the directions, orthonormal: those of the
   * lead, and in a whole basis the others.
   */
  readonly values: Float32Array;
}

/** Leads whose codes, with 8 bytes of scale and bias, fill whole lines of 64 bytes. */
const LEADS = [56, 120, 184, 248, 312, 376];
/** Rows below which a sample says little. */
const SAMPLE_MIN = 1024;
const SAMPLE_MAX = 8192;
/** What is drawn of a shard of few vectors, so that it is not trained for as long as its vectors are inserted. */
const SAMPLE_SHARE = 1 / 4;
/** Bounds the work on the covariance, which grows with the square of the dimensions. */
const SAMPLE_PRODUCTS = 2 ** 31;
const ITERATIONS = 12;
const QUERIES = 100;
const NEAREST = 10;
/** The core rescores more candidates than these; the rest is for shards denser than the sample. */
const AMONG = 32;
const SHARE_MIN = 0.998;

/** Rows of a sample that is worth its work, of `count` vectors; 0 when a basis is not to be had. */
export function sampleRows(dim: number, count: number): number {
  if (dim <= LEADS[0]! || count < SAMPLE_MIN) return 0;
  const affordable = Math.floor(Math.min(SAMPLE_PRODUCTS / (dim * dim), count * SAMPLE_SHARE));
  return Math.min(count, SAMPLE_MAX, Math.max(SAMPLE_MIN, 2 * dim, affordable));
}

/**
 * The smallest basis that keeps the order of the nearest, or null. @param sample f32[rows][dim], rows by `sampleRows`,
 * drawn evenly; unit vectors under cosine. The same sample and seed give the same bits.
 */
export function trainBasis(sample: Float32Array, dim: number, metric: Metric, seed: number): Basis | null {
  const mean = metric === 'dot' ? new Float32Array(dim) : meanOf(sample, dim);
  const centred = new Float32Array(sample.length);
  for (let i = 0; i < sample.length; i++) centred[i] = sample[i]! - mean[i % dim]!;
  const covariance = covarianceOf(centred, dim);
  const truth = nearestOf(centred, dim, metric);
  for (const lead of LEADS) {
    if (lead >= dim) break;
    const directions = leadingDirections(covariance, dim, lead, seed);
    if (shareKept(centred, dim, metric, directions, truth) < SHARE_MIN) continue;
    const padded = Math.ceil(dim / 4) * 4;
    const values = new Float32Array((1 + lead) * padded);
    values.set(mean);
    for (const [l, direction] of directions.entries()) values.set(direction, (1 + l) * padded);
    return { lead, values };
  }
  return null;
}

/**
 * Share of the nearest rows of a sample that are among the first few by the codes of a basis: what trainBasis asks of
 * one, asked of one that was trained on other vectors. @param sample f32[rows][dim], as trainBasis takes it
 */
export function shareKeptBy(basis: Basis, sample: Float32Array, dim: number, metric: Metric): number {
  const mean = rowOf(basis, dim, 0);
  const centred = sample.map((value, i) => value - mean[i % dim]!);
  const directions = Array.from({ length: basis.lead }, (_, l) => rowOf(basis, dim, 1 + l));
  return shareKept(centred, dim, metric, directions, nearestOf(centred, dim, metric));
}

/** The mean, row 0, or direction r - 1 of a basis: f32[dim], not a copy. */
function rowOf({ values }: Basis, dim: number, r: number): Float32Array {
  const padded = Math.ceil(dim / 4) * 4;
  return values.subarray(r * padded, r * padded + dim);
}

/**
 * The basis with directions beside those of its lead, as many as there are dimensions in all: what is orthonormal to
 * them, whichever. The same basis gives the same bits; a whole one is itself.
 */
export function wholeBasis(basis: Basis, dim: number): Basis {
  const padded = Math.ceil(dim / 4) * 4;
  if (basis.values.length === (1 + dim) * padded) return basis;
  const random = new Prng(dim);
  // A direction in which nothing varies is zero, and another stands in its place
  const directions = Array.from({ length: basis.lead }, (_, l) =>
    Float64Array.from(rowOf(basis, dim, 1 + l)),
  ).filter((direction) => direction.some((value) => value !== 0));
  while (directions.length < dim) {
    directions.push(Float64Array.from({ length: dim }, () => random.normal()));
  }
  orthonormalise(directions);
  const values = new Float32Array((1 + dim) * padded);
  values.set(rowOf(basis, dim, 0));
  for (const [l, direction] of directions.entries()) values.set(direction, (1 + l) * padded);
  return { lead: basis.lead, values };
}

/** Rows of the sample that serve as queries. */
function queryRows(rows: number): number[] {
  const n = Math.min(QUERIES, rows);
  return Array.from({ length: n }, (_, i) => Math.floor((i * rows) / n));
}

/** The nearest rows of each query. */
function nearestOf(x: Float32Array, dim: number, metric: Metric): Set<number>[] {
  const rows = x.length / dim;
  return queryRows(rows).map((q) => new Set(rank(q, distancesFrom(q, x, dim, metric), NEAREST)));
}

/** Share of the nearest that are among the first few by the codes of a lead. */
function shareKept(
  x: Float32Array,
  dim: number,
  metric: Metric,
  directions: readonly Float32Array[],
  nearest: readonly Set<number>[],
): number {
  const rows = x.length / dim;
  const lead = directions.length;
  const codes = new Float32Array(rows * lead);
  const y = new Float32Array(lead);
  for (let r = 0; r < rows; r++) {
    project(directions, x, r * dim, y);
    const { values, scale } = encodeI8(y);
    for (let l = 0; l < lead; l++) codes[r * lead + l] = values[l]! * scale;
  }
  let kept = 0;
  let wanted = 0;
  for (const [i, q] of queryRows(rows).entries()) {
    const among = rank(q, distancesFrom(q, codes, lead, metric), AMONG);
    wanted += nearest[i]!.size;
    kept += among.filter((row) => nearest[i]!.has(row)).length;
  }
  return kept / wanted;
}

/**
 * The products of a row with each direction, into y. Here and below several sums are kept at once: one sum waits for each
 * of its additions. Each is added in the order of its terms, so that the bits are those of one after the other.
 */
function project(directions: readonly Float32Array[], x: Float32Array, at: number, y: Float32Array): void {
  const n = directions.length;
  for (let l = 0; l < n; l += 4) {
    const a = directions[l]!;
    const b = directions[Math.min(l + 1, n - 1)]!;
    const c = directions[Math.min(l + 2, n - 1)]!;
    const d = directions[Math.min(l + 3, n - 1)]!;
    let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      const value = x[at + i]!;
      sumA += a[i]! * value;
      sumB += b[i]! * value;
      sumC += c[i]! * value;
      sumD += d[i]! * value;
    }
    y[l] = sumA;
    // Past the last, a typed array takes nothing
    y[l + 1] = sumB;
    y[l + 2] = sumC;
    y[l + 3] = sumD;
  }
}

/** Distances of row q to all rows of x, f64[rows], that rank as the metric does. */
function distancesFrom(q: number, x: Float32Array, n: number, metric: Metric): Float64Array {
  const rows = x.length / n;
  const query = x.subarray(q * n, (q + 1) * n);
  const out = new Float64Array(rows);
  const isDot = metric === 'dot';
  for (let row = 0; row < rows; row += 4) {
    const a = row * n;
    const b = Math.min(row + 1, rows - 1) * n;
    const c = Math.min(row + 2, rows - 1) * n;
    const d = Math.min(row + 3, rows - 1) * n;
    let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0];
    if (isDot) {
      for (let i = 0; i < n; i++) {
        const value = query[i]!;
        sumA -= value * x[a + i]!;
        sumB -= value * x[b + i]!;
        sumC -= value * x[c + i]!;
        sumD -= value * x[d + i]!;
      }
    } else {
      for (let i = 0; i < n; i++) {
        const value = query[i]!;
        sumA += (value - x[a + i]!) ** 2;
        sumB += (value - x[b + i]!) ** 2;
        sumC += (value - x[c + i]!) ** 2;
        sumD += (value - x[d + i]!) ** 2;
      }
    }
    out[row] = sumA;
    out[row + 1] = sumB;
    out[row + 2] = sumC;
    out[row + 3] = sumD;
  }
  return out;
}

/** The k rows nearest to row q, itself left out. */
function rank(q: number, distances: Float64Array, k: number): number[] {
  const nearest: { row: number; d: number }[] = [];
  for (let row = 0; row < distances.length; row++) {
    const d = distances[row]!;
    if (row === q || (nearest.length === k && d >= nearest[k - 1]!.d)) continue;
    let i = nearest.length;
    while (i > 0 && nearest[i - 1]!.d > d) i--;
    nearest.splice(i, 0, { row, d });
    if (nearest.length > k) nearest.pop();
  }
  return nearest.map(({ row }) => row);
}

function meanOf(sample: Float32Array, dim: number): Float32Array {
  const sums = new Float64Array(dim);
  for (let i = 0; i < sample.length; i++) sums[i % dim] = sums[i % dim]! + sample[i]!;
  return Float32Array.from(sums, (sum) => sum / (sample.length / dim));
}

/** The sums of products of each two components: f64[dim][dim]. */
function covarianceOf(x: Float32Array, dim: number): Float64Array {
  const sums = new Float64Array(dim * dim);
  const last = x.length - dim;
  for (let a = 0; a <= last; a += 4 * dim) {
    // Past the last row, of which each product is nothing
    const rows = [a, a + dim, a + 2 * dim, a + 3 * dim].map((at) =>
      at <= last ? x.subarray(at, at + dim) : new Float32Array(dim),
    );
    const [p, q, r, s] = rows as [Float32Array, Float32Array, Float32Array, Float32Array];
    for (let i = 0; i < dim; i++) {
      const [valueP, valueQ, valueR, valueS] = [p[i]!, q[i]!, r[i]!, s[i]!];
      const at = i * dim;
      for (let j = i; j < dim; j++) {
        sums[at + j] = sums[at + j]! + valueP * p[j]! + valueQ * q[j]! + valueR * r[j]! + valueS * s[j]!;
      }
    }
  }
  for (let i = 0; i < dim; i++) for (let j = 0; j < i; j++) sums[i * dim + j] = sums[j * dim + i]!;
  return sums;
}

/** `lead` orthonormal directions that span nearly the most of the covariance. */
function leadingDirections(
  covariance: Float64Array,
  dim: number,
  lead: number,
  seed: number,
): Float32Array[] {
  const random = new Prng(seed);
  let directions: Float64Array[] = Array.from({ length: lead }, () =>
    Float64Array.from({ length: dim }, () => random.normal()),
  );
  orthonormalise(directions);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    directions = directions.map((direction) => times(covariance, direction));
    orthonormalise(directions);
  }
  return directions.map((direction) => Float32Array.from(direction));
}

function times(matrix: Float64Array, x: Float64Array): Float64Array {
  const n = x.length;
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += matrix[i * n + j]! * x[j]!;
    out[i] = sum;
  }
  return out;
}

/** Gram-Schmidt, twice, so that rounding leaves nothing; a direction that vanishes becomes zero. */
function orthonormalise(directions: readonly Float64Array[]): void {
  for (const [l, direction] of directions.entries()) {
    for (let pass = 0; pass < 2; pass++) {
      for (let m = 0; m < l; m++) {
        const other = directions[m]!;
        let dot = 0;
        for (let i = 0; i < direction.length; i++) dot += direction[i]! * other[i]!;
        for (let i = 0; i < direction.length; i++) direction[i] = direction[i]! - dot * other[i]!;
      }
    }
    let sum = 0;
    for (const value of direction) sum += value * value;
    const inverse = sum > 1e-300 ? 1 / Math.sqrt(sum) : 0;
    for (let i = 0; i < direction.length; i++) direction[i] = direction[i]! * inverse;
  }
}
