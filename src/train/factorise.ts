/**
 * Vectors of pins from lists of pins that users saved: pins that go together get vectors that point the same way.
 *
 * The matrix A says how much two pins go together: over the lists that hold both, the sum of 1 / length, divided by
 * (savers of one x savers of the other)^0.3, so that neither long lists nor what everybody saves decide. Its greatest
 * eigenvectors hold what is common, the rest chance; a pin's vector has its components along them, each stretched by
 * a power of its eigenvalue (a low-pass filter of the graph of users and pins: Shen et al., "How powerful is graph
 * convolution for recommendation?", CIKM 2021). The dot product of the mean direction of what a user saved with a
 * pin's vector then says how well the pin fits; the length of a vector says how much is known of the pin. Decision 12
 * has how this compares with alternating least squares and others.
 *
 * The eigenvectors are found by subspace iteration with Rayleigh and Ritz at the end (Halko, Martinsson and Tropp,
 * 2011, section 4.5), without making A.
 */
import { Prng } from '../lib/prng.ts';
import { cholesky, eigen } from './dense.ts';
import { type Piece, type Shared, SLICE } from './kernels.ts';
import type { PinLists } from './pin-lists.ts';
import { openTrainPool } from './train-pool.ts';

/** What savers of a pin count against it in A; 0.5 would be the cosine. */
const PIN_POWER = 0.3;
/** The power of an eigenvalue by which its component is stretched: between all alike (0) and A itself (0.5). */
const STRETCH_POWER = 0.2;
/** Columns beyond those wanted: the last eigenvectors of a subspace are found badly. */
const SPARE = 32;
const ITERATIONS = 12;
/** Pins of a piece that goes by rows. */
const ROWS = 2048;

export interface FactoriseOptions {
  readonly dim: number;
  readonly seed: number;
  readonly threads: number;
  /** ITERATIONS when absent. */
  readonly iterations?: number;
  /** Pieces of work done, of how many. */
  readonly onProgress: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface Factors {
  /** f32[pins][dim]; the longest has length 1. Components beyond the number of pins are zero. */
  readonly vectors: Float32Array;
  /** Share of A's trace, the sum of all its eigenvalues, that is in the components. */
  readonly captured: number;
}

/**
 * Makes a vector for each pin. The same lists, dim and seed give the same bits, with however many threads. Takes
 * 12 dim + 320 bytes a pin, and 64 a pin and thread. Throws the signal's reason.
 */
export async function factorise(lists: PinLists, options: FactoriseOptions): Promise<Factors> {
  const { dim, seed, threads, iterations = ITERATIONS, onProgress, signal } = options;
  const count = lists.ids.length;
  const slices = Math.ceil(Math.min(dim + SPARE, count) / SLICE);
  const columns = slices * SLICE;
  const shared: Shared = {
    starts: lists.starts,
    pins: lists.pins,
    weights: weightsOf(lists),
    matrices: [sharedFloats(count * columns), sharedFloats(count * columns)],
    square: new Float64Array(new SharedArrayBuffer(columns * columns * 8)),
  };
  const bySlice = (kind: 'together' | 'products', from: 0 | 1, to: 0 | 1): Piece[] =>
    Array.from({ length: slices }, (_, slice) => ({ kind, slice, from, to }));
  const byRows = (kind: 'solve' | 'times', at: 0 | 1): Piece[] =>
    Array.from({ length: Math.ceil(count / ROWS) }, (_, i) => ({
      kind,
      rows: [i * ROWS, Math.min(count, (i + 1) * ROWS)] as const,
      at,
    }));
  const rows = Math.ceil(count / ROWS);
  const total = (iterations + 1) * (2 * slices + rows);
  let done = 0;
  const pool = openTrainPool(shared, Math.min(threads, slices), () => onProgress(++done, total), signal);
  const orthonormalise = async (at: 0 | 1) => {
    await pool.round(bySlice('products', at, at));
    cholesky(shared.square, columns);
    await pool.round(byRows('solve', at));
  };
  try {
    const random = new Prng(seed);
    const [q] = shared.matrices;
    for (let i = 0; i < q.length; i++) q[i] = random.normal();
    let at: 0 | 1 = 0;
    for (let iteration = 0; iteration < iterations; iteration++) {
      const next: 0 | 1 = at === 0 ? 1 : 0;
      await pool.round(bySlice('together', at, next));
      await orthonormalise(next);
      at = next;
    }
    const next = at === 0 ? 1 : 0;
    await pool.round(bySlice('together', at, next));
    await pool.round(bySlice('products', next, at));
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < i; j++) shared.square[j * columns + i] = shared.square[i * columns + j]!;
    }
    const { values, vectors } = eigen(shared.square.slice(), columns);
    for (let j = 0; j < columns; j++) {
      const stretch = j < dim && values[j]! > 0 ? values[j]! ** STRETCH_POWER : 0;
      for (let m = 0; m < columns; m++) shared.square[j * columns + m] = vectors[j * columns + m]! * stretch;
    }
    await pool.round(byRows('times', at));
    const found = values.subarray(0, dim).reduce((sum, value) => sum + value, 0);
    return { vectors: vectorsOf(shared.matrices[at], count, dim), captured: found / traceOf(shared) };
  } finally {
    await pool.close();
  }
}

const sharedFloats = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(length * 4));

/** Savers of a pin to the power of minus PIN_POWER. */
function weightsOf({ ids, pins }: PinLists): Float32Array {
  const savers = new Uint32Array(ids.length);
  for (const pin of pins) savers[pin] = savers[pin]! + 1;
  const weights = sharedFloats(ids.length);
  for (const [pin, n] of savers.entries()) weights[pin] = n ** -PIN_POWER;
  return weights;
}

function traceOf({ starts, pins, weights }: Shared): number {
  let trace = 0;
  for (let l = 0; l + 1 < starts.length; l++) {
    let sum = 0;
    for (let i = starts[l]!; i < starts[l + 1]!; i++) sum += weights[pins[i]!]! ** 2;
    trace += sum / (starts[l + 1]! - starts[l]!);
  }
  return trace;
}

/** The first `dim` columns as rows, scaled so that the longest has length 1. */
function vectorsOf(matrix: Float32Array, count: number, dim: number): Float32Array {
  const vectors = new Float32Array(count * dim);
  const kept = Math.min(dim, matrix.length / count);
  let longest = 0;
  for (let pin = 0; pin < count; pin++) {
    let squares = 0;
    for (let j = 0; j < kept; j++) {
      const value = matrix[(Math.floor(j / SLICE) * count + pin) * SLICE + (j % SLICE)]!;
      vectors[pin * dim + j] = value;
      squares += value * value;
    }
    longest = Math.max(longest, squares);
  }
  const scale = 1 / Math.sqrt(longest);
  for (let i = 0; i < vectors.length; i++) vectors[i] = vectors[i]! * scale;
  return vectors;
}
