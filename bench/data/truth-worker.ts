/**
 * A thread of the exact search: compares its queries with every vector. Four queries go over a row at once, so that a
 * row is read once for them; each sum is added up in the order of `trueDistance`, so both give the same bits.
 */
import { workerData } from 'node:worker_threads';
import { passes } from './filters.ts';
import { MatrixReader } from './matrix.ts';
import type { TruthTask } from './truth.ts';

const ROWS = 512;
const LANES = 4;

const task = workerData as TruthTask;
const { base, queries, metric, depth, windows, first, end } = task;
const { dim } = base;
const count = end - first;
const ordinals = new Uint32Array(task.ordinals, first * depth * 4, count * depth);
const distances = new Float64Array(task.distances, first * depth * 8, count * depth);
distances.fill(Number.POSITIVE_INFINITY);
/** The distance that a vector must be below to enter the list of a query. */
const limits = new Float64Array(count).fill(Number.POSITIVE_INFINITY);

/** Puts a vector into the list of a query, after those of the same distance, whose ordinals are smaller. */
function enter(q: number, ordinal: number, distance: number): void {
  const start = q * depth;
  let at = start + depth - 1;
  while (at > start && distances[at - 1]! > distance) {
    distances[at] = distances[at - 1]!;
    ordinals[at] = ordinals[at - 1]!;
    at--;
  }
  distances[at] = distance;
  ordinals[at] = ordinal;
  limits[q] = distances[start + depth - 1]!;
}

/** Queries in groups of four: component i of the four lies together. Missing ones are zero. */
function group(all: Float32Array): Float64Array[] {
  return Array.from({ length: Math.ceil(count / LANES) }, (_, g) => {
    const lanes = new Float64Array(dim * LANES);
    for (let lane = 0; lane < LANES && g * LANES + lane < count; lane++) {
      for (let i = 0; i < dim; i++) lanes[i * LANES + lane] = all[(g * LANES + lane) * dim + i]!;
    }
    return lanes;
  });
}

function passesAny(from: number, end: number, ordinal: number): boolean {
  for (let q = from; q < end; q++) if (passes(windows, first + q, ordinal)) return true;
  return false;
}

const sums = new Float64Array(LANES);

function dots(lanes: Float64Array, rows: Float64Array, at: number): void {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0, j = 0; i < dim; i++, j += 4) {
    const x = rows[at + i]!;
    a += lanes[j]! * x;
    b += lanes[j + 1]! * x;
    c += lanes[j + 2]! * x;
    d += lanes[j + 3]! * x;
  }
  sums[0] = a;
  sums[1] = b;
  sums[2] = c;
  sums[3] = d;
}

function squares(lanes: Float64Array, rows: Float64Array, at: number): void {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0, j = 0; i < dim; i++, j += 4) {
    const x = rows[at + i]!;
    const da = lanes[j]! - x;
    const db = lanes[j + 1]! - x;
    const dc = lanes[j + 2]! - x;
    const dd = lanes[j + 3]! - x;
    a += da * da;
    b += db * db;
    c += dc * dc;
    d += dd * dd;
  }
  sums[0] = a;
  sums[1] = b;
  sums[2] = c;
  sums[3] = d;
}

const queryReader = new MatrixReader(queries);
const groups = group(queryReader.read(first, count));
queryReader.close();
const reader = new MatrixReader(base);
const chunk = new Float32Array(ROWS * dim);
const rows = new Float64Array(ROWS * dim);
const add = metric === 'l2' ? squares : dots;
const sign = metric === 'l2' ? 1 : -1;
const offset = metric === 'cosine' ? 1 : 0;

for (let start = 0; start < base.rows; start += ROWS) {
  const length = Math.min(ROWS, base.rows - start);
  rows.set(reader.read(start, length, chunk));
  for (const [g, lanes] of groups.entries()) {
    const end = Math.min(count, (g + 1) * LANES);
    for (let r = 0; r < length; r++) {
      if (!passesAny(g * LANES, end, start + r)) continue;
      add(lanes, rows, r * dim);
      for (let q = g * LANES; q < end; q++) {
        const distance = offset + sign * sums[q % LANES]!;
        if (distance < limits[q]! && passes(windows, first + q, start + r)) enter(q, start + r, distance);
      }
    }
  }
}
reader.close();
