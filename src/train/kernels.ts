/**
 * The arithmetic of training, in pieces that threads take. A matrix of pins x columns lies in slices of SLICE columns,
 * `f32[columns / SLICE][pins][SLICE]`, so that a piece that makes one slice, or some rows of all, is alone in writing
 * there, and adds in an order that has nothing to do with how many threads there are.
 */

/** Columns of a slice: 32 bytes, and sums that stay in registers. */
export const SLICE = 8;

/** What every thread sees. */
export interface Shared {
  /** List l is `pins[starts[l] .. starts[l + 1])`. */
  readonly starts: Uint32Array;
  readonly pins: Uint32Array;
  /** f32[pins]: what a pin's share in a list counts. */
  readonly weights: Float32Array;
  /** Two matrices of pins x columns. */
  readonly matrices: readonly [Float32Array, Float32Array];
  /** f64[columns][columns]: products of columns, from `productRow`, or what `times` multiplies by. */
  readonly square: Float64Array;
}

/** A piece of work; `from` and `to` are places in `matrices`. */
export type Piece =
  | { readonly kind: 'together'; readonly slice: number; readonly from: 0 | 1; readonly to: 0 | 1 }
  | { readonly kind: 'products'; readonly slice: number; readonly from: 0 | 1; readonly to: 0 | 1 }
  | { readonly kind: 'solve' | 'times'; readonly rows: readonly [number, number]; readonly at: 0 | 1 };

/** Columns of the matrices. */
const columnsOf = (shared: Shared): number => Math.sqrt(shared.square.length);

export function work(shared: Shared, piece: Piece): void {
  if (piece.kind === 'together') together(shared, piece.slice, piece.from, piece.to);
  else if (piece.kind === 'products') products(shared, piece.slice, piece.from, piece.to);
  else if (piece.kind === 'solve') solve(shared, piece.rows, piece.at);
  else times(shared, piece.rows, piece.at);
}

/** Sums of one slice, kept from piece to piece: pins x SLICE in double precision. */
let sums = new Float64Array(0);

/**
 * One slice of A q, where A is the matrix of which pins go together: the sum over lists of x x' / length, x being the
 * weights of the list's pins. A is never made; a list is summed up and handed back to its pins.
 */
function together(shared: Shared, slice: number, from: 0 | 1, to: 0 | 1): void {
  const { starts, pins, weights, matrices } = shared;
  const count = weights.length;
  const at = slice * count * SLICE;
  const q = matrices[from].subarray(at, at + count * SLICE);
  if (sums.length < q.length) sums = new Float64Array(q.length);
  const z = sums;
  z.fill(0, 0, q.length);
  for (let l = 0; l + 1 < starts.length; l++) {
    const start = starts[l]!;
    const end = starts[l + 1]!;
    let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = start; i < end; i++) {
      const pin = pins[i]!;
      const w = weights[pin]!;
      const o = pin * SLICE;
      a += w * q[o]!;
      b += w * q[o + 1]!;
      c += w * q[o + 2]!;
      d += w * q[o + 3]!;
      e += w * q[o + 4]!;
      f += w * q[o + 5]!;
      g += w * q[o + 6]!;
      h += w * q[o + 7]!;
    }
    for (let i = start; i < end; i++) {
      const pin = pins[i]!;
      const w = weights[pin]! / (end - start);
      const o = pin * SLICE;
      z[o] = z[o]! + w * a;
      z[o + 1] = z[o + 1]! + w * b;
      z[o + 2] = z[o + 2]! + w * c;
      z[o + 3] = z[o + 3]! + w * d;
      z[o + 4] = z[o + 4]! + w * e;
      z[o + 5] = z[o + 5]! + w * f;
      z[o + 6] = z[o + 6]! + w * g;
      z[o + 7] = z[o + 7]! + w * h;
    }
  }
  matrices[to].set(z.subarray(0, q.length), at);
}

/** Rows of the square that belong to a slice of `from`: its columns' products with those of `to` up to the same slice. */
function products(shared: Shared, slice: number, from: 0 | 1, to: 0 | 1): void {
  const { weights, matrices, square } = shared;
  const count = weights.length;
  const columns = columnsOf(shared);
  const length = count * SLICE;
  const x = matrices[from].subarray(slice * length, (slice + 1) * length);
  const block = new Float64Array(SLICE * SLICE);
  for (let other = 0; other <= slice; other++) {
    const y = matrices[to].subarray(other * length, (other + 1) * length);
    block.fill(0);
    for (let o = 0; o < length; o += SLICE) {
      for (let i = 0; i < SLICE; i++) {
        const value = x[o + i]!;
        for (let j = 0; j < SLICE; j++) {
          block[i * SLICE + j] = block[i * SLICE + j]! + value * y[o + j]!;
        }
      }
    }
    for (let i = 0; i < SLICE; i++) {
      const row = (slice * SLICE + i) * columns + other * SLICE;
      square.set(block.subarray(i * SLICE, (i + 1) * SLICE), row);
    }
  }
}

/** Reads a row of the matrix into `row`, or writes it. */
function readRow(matrix: Float32Array, count: number, pin: number, row: Float64Array): void {
  for (let j = 0; j < row.length; j++) {
    row[j] = matrix[(Math.floor(j / SLICE) * count + pin) * SLICE + (j % SLICE)]!;
  }
}

function writeRow(matrix: Float32Array, count: number, pin: number, row: Float64Array): void {
  for (let j = 0; j < row.length; j++) {
    matrix[(Math.floor(j / SLICE) * count + pin) * SLICE + (j % SLICE)] = row[j]!;
  }
}

/** Rows x become y with L y = x, the square being L, lower triangular; where L has a zero on the diagonal, y is zero. */
function solve(shared: Shared, [first, end]: readonly [number, number], at: 0 | 1): void {
  const { weights, matrices, square } = shared;
  const columns = columnsOf(shared);
  const row = new Float64Array(columns);
  for (let pin = first; pin < end; pin++) {
    readRow(matrices[at], weights.length, pin, row);
    for (let j = 0; j < columns; j++) {
      const pivot = square[j * columns + j]!;
      let left = row[j]!;
      for (let m = 0; m < j; m++) left -= square[j * columns + m]! * row[m]!;
      row[j] = pivot > 0 ? left / pivot : 0;
    }
    writeRow(matrices[at], weights.length, pin, row);
  }
}

/** Rows x become x S, the square being S with columns as rows: component j is x times row j. */
function times(shared: Shared, [first, end]: readonly [number, number], at: 0 | 1): void {
  const { weights, matrices, square } = shared;
  const columns = columnsOf(shared);
  const row = new Float64Array(columns);
  const out = new Float64Array(columns);
  for (let pin = first; pin < end; pin++) {
    readRow(matrices[at], weights.length, pin, row);
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let m = 0; m < columns; m++) sum += row[m]! * square[j * columns + m]!;
      out[j] = sum;
    }
    writeRow(matrices[at], weights.length, pin, out);
  }
}
