/**
 * Naive twins of the core's kernels and searches: plain loops that anyone can read, giving the same bits as the
 * WebAssembly, because the order of the additions is part of each kernel's definition (native/kernels.h).
 */
import type { Metric } from './metric.ts';

const f = Math.fround;

/** Adds 16 partial sums in the order of the kernels' lanes. */
function sumLanes(sums: Float32Array): number {
  const lane = (l: number) => f(f(sums[l]! + sums[4 + l]!) + f(sums[8 + l]! + sums[12 + l]!));
  return f(f(lane(0) + lane(1)) + f(lane(2) + lane(3)));
}

/** Dot product of two vectors of the same length, in f32. */
export function dotF32(a: Float32Array, b: Float32Array | Int8Array): number {
  const sums = new Float32Array(16);
  for (let i = 0; i < a.length; i++) sums[i & 15] = sums[i & 15]! + f(a[i]! * b[i]!);
  return sumLanes(sums);
}

/** Squared Euclidean distance of two vectors of the same length, in f32. */
export function l2F32(a: Float32Array, b: Float32Array): number {
  const sums = new Float32Array(16);
  for (let i = 0; i < a.length; i++) {
    const difference = f(a[i]! - b[i]!);
    sums[i & 15] = sums[i & 15]! + f(difference * difference);
  }
  return sumLanes(sums);
}

/** The distance of the metric, smaller is nearer; cosine expects unit vectors. */
export function distanceF32(metric: Metric, a: Float32Array, b: Float32Array): number {
  if (metric === 'l2') return l2F32(a, b);
  const dot = dotF32(a, b);
  return metric === 'cosine' ? f(1 - dot) : f(0 - dot);
}

/** Exact dot product of whole numbers. */
export function dotI8(query: Int16Array, values: Int8Array): number {
  let sum = 0;
  for (let i = 0; i < query.length; i++) sum += query[i]! * values[i]!;
  return sum;
}

/** Rounds halves to even, as the hardware does. */
function rint(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function quantise(x: Float32Array, limit: number, out: Int8Array | Int16Array): number {
  let max = 0;
  for (const value of x) max = Math.max(max, Math.abs(value));
  const tiny = max < f(1e-30);
  const inverse = tiny ? 0 : f(limit / max);
  for (let i = 0; i < x.length; i++) {
    out[i] = Math.max(-limit, Math.min(limit, rint(f(x[i]! * inverse))));
  }
  return tiny ? 0 : f(max / limit);
}

/** An i8 code: `values` times `scale` is nearly the vector; `squaredNorm` is that of the code's vector. */
export interface CodeI8 {
  readonly values: Int8Array;
  readonly scale: number;
  readonly squaredNorm: number;
}

export function encodeI8(x: Float32Array): CodeI8 {
  const values = new Int8Array(x.length);
  const scale = quantise(x, 127, values);
  let squares = 0;
  for (const value of values) squares += value * value;
  return { values, scale, squaredNorm: f(f(squares) * f(scale * scale)) };
}

/** The largest value of a quantised query: sums over dim products with codes up to 127 stay below 2^31. */
export function queryLimit(dim: number): number {
  return Math.min(32767, Math.floor(2147483647 / (127 * dim)));
}

export function encodeQuery(x: Float32Array): { values: Int16Array; unit: number } {
  const values = new Int16Array(x.length);
  return { unit: quantise(x, queryLimit(x.length), values), values };
}

/** Distance of an f32 query to an i8 code, as the core rescores where no finer level is stored. */
export function distanceToCodeI8(metric: Metric, query: Float32Array, code: CodeI8): number {
  const dot = f(dotF32(query, code.values) * code.scale);
  if (metric === 'cosine') return f(1 - dot);
  if (metric === 'dot') return f(0 - dot);
  return f(f(dotF32(query, query) + code.squaredNorm) - f(2 * dot));
}

/** The k nearest of `count` ordinals by a distance function; ties by ordinal. `skip` leaves ordinals out. */
export function nearest(
  count: number,
  k: number,
  distance: (ordinal: number) => number,
  accepts: (ordinal: number) => boolean = () => true,
): { ordinal: number; distance: number }[] {
  const all: { ordinal: number; distance: number }[] = [];
  for (let ordinal = 0; ordinal < count; ordinal++) {
    if (accepts(ordinal)) all.push({ ordinal, distance: distance(ordinal) });
  }
  all.sort((a, b) => a.distance - b.distance || a.ordinal - b.ordinal);
  return all.slice(0, k);
}
