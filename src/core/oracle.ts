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
export function dotI8(query: Int16Array, values: Int8Array | Int16Array): number {
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

/** To whole multiples of a `parts`-th of the unit, which is returned: max|x| / limit. */
function quantise(x: Float32Array, limit: number, out: Int8Array | Int16Array, parts = 1): number {
  let max = 0;
  for (const value of x) max = Math.max(max, Math.abs(value));
  const tiny = max < f(1e-30);
  const inverse = tiny ? 0 : f(limit / max);
  for (let i = 0; i < x.length; i++) {
    out[i] = Math.max(-limit * parts, Math.min(limit * parts, rint(f(x[i]! * inverse) * parts)));
  }
  return tiny ? 0 : f(max / limit);
}

/** Squared norm of what whole numbers of a unit stand for. */
function squaredNormOf(values: Int8Array | Int16Array, unit: number): number {
  let squares = 0;
  for (const value of values) squares += value * value;
  return f(f(squares) * f(unit * unit));
}

/** The largest values that i8 codes and 10-bit residuals hold. */
export const I8_MAX = 127;
export const I10_MAX = 511;

/** An i8 code: `values` times `scale` is nearly the vector; `squaredNorm` is that of the code's vector. */
export interface CodeI8 {
  readonly values: Int8Array;
  readonly scale: number;
  readonly squaredNorm: number;
}

export function encodeI8(x: Float32Array): CodeI8 {
  const values = new Int8Array(x.length);
  const scale = quantise(x, I8_MAX, values);
  return { values, scale, squaredNorm: squaredNormOf(values, scale) };
}

/** A residual in 10-bit values, -511 to 511. */
export interface CodeI10 {
  readonly values: Int16Array;
  readonly scale: number;
}

export function encodeI10(x: Float32Array): CodeI10 {
  const values = new Int16Array(x.length);
  return { scale: quantise(x, I10_MAX, values), values };
}

/** The largest value of a quantised query: sums over dim products with values up to `codeMax` stay below 2^31. */
export function queryLimit(dim: number, codeMax: number): number {
  return Math.min(32767, Math.floor(2147483647 / (codeMax * dim)));
}

export interface QuantisedQuery {
  readonly values: Int16Array;
  readonly unit: number;
  readonly squaredNorm: number;
}

export function encodeQuery(x: Float32Array, codeMax: number): QuantisedQuery {
  const values = new Int16Array(x.length);
  const unit = quantise(x, queryLimit(x.length, codeMax), values);
  return { unit, values, squaredNorm: squaredNormOf(values, unit) };
}

/** Half of the squared distance is the distance of unit vectors under cosine. */
const halfOf = (metric: Metric, distance: number) => (metric === 'cosine' ? f(distance / 2) : distance);

/** Distance of an f32 query to an i8 code, as the core rescores where no finer level is stored. */
export function distanceToCodeI8(metric: Metric, query: Float32Array, code: CodeI8): number {
  const dot = f(dotF32(query, code.values) * code.scale);
  if (metric === 'dot') return f(0 - dot);
  return halfOf(metric, f(f(dotF32(query, query) + code.squaredNorm) - f(2 * dot)));
}

/** The vector less the mean of a basis. */
export function centre(x: Float32Array, mean: Float32Array): Float32Array {
  return x.map((value, i) => f(value - mean[i]!));
}

/** The components of a centred vector: its products with the directions, f32[dim] each. Without any, the vector itself. */
export function project(x: Float32Array, directions: readonly Float32Array[]): Float32Array {
  if (directions.length === 0) return x;
  return Float32Array.from(directions, (direction) => dotF32(direction, x));
}

/** What a code stands for. */
export function decodeI8({ values, scale }: CodeI8): Float32Array {
  return Float32Array.from(values, (value) => f(value * scale));
}

/** What components stand for: the sum of the directions by them. Without any directions, the components themselves. */
export function expand(
  components: Float32Array,
  directions: readonly Float32Array[],
  dim: number,
): Float32Array {
  if (directions.length === 0) return components;
  const out = new Float32Array(dim);
  for (const [l, direction] of directions.entries()) {
    for (let i = 0; i < dim; i++) out[i] = out[i]! + f(components[l]! * direction[i]!);
  }
  return out;
}

/** A vector in two levels: the i8 code of its lead, and what that leaves. */
export interface TwoLevels {
  readonly code: CodeI8;
  readonly residual: CodeI10;
  /** Squared norm of what both levels stand for. */
  readonly squaredNorm: number;
}

/** @param x less the mean @param directions of the basis; none where the lead is the vector itself */
export function encodeTwoLevels(x: Float32Array, directions: readonly Float32Array[]): TwoLevels {
  const code = encodeI8(project(x, directions));
  const coarse = expand(decodeI8(code), directions, x.length);
  const residual = encodeI10(x.map((value, i) => f(value - coarse[i]!)));
  const both = addLevels(coarse, residual);
  return { code, residual, squaredNorm: dotF32(both, both) };
}

/** What both levels stand for. */
export function addLevels(coarse: Float32Array, residual: CodeI10): Float32Array {
  return coarse.map((value, i) => f(value + f(residual.scale * residual.values[i]!)));
}

/** A query in the two levels that vectors are held in. */
export interface TwoLevelQuery {
  readonly lead: QuantisedQuery;
  readonly fine: QuantisedQuery;
}

/** @param x the query less the mean */
export function encodeTwoLevelQuery(x: Float32Array, directions: readonly Float32Array[]): TwoLevelQuery {
  return { lead: encodeQuery(project(x, directions), I8_MAX), fine: encodeQuery(x, I10_MAX) };
}

/** Distance of a query to a vector, both in two levels. */
export function distanceToTwoLevels(metric: Metric, query: TwoLevelQuery, vector: TwoLevels): number {
  const { code, residual } = vector;
  const factor = metric === 'dot' ? -1 : -2;
  const term = (unit: number, scale: number, dot: number) => f(f(f(factor * unit) * scale) * f(dot));
  const norms = metric === 'dot' ? 0 : f(query.fine.squaredNorm + vector.squaredNorm);
  const lead = term(query.lead.unit, code.scale, dotI8(query.lead.values, code.values));
  const rest = term(query.fine.unit, residual.scale, dotI8(query.fine.values, residual.values));
  const distance = f(f(norms + rest) + lead);
  return halfOf(metric, metric === 'dot' ? distance : Math.max(0, distance));
}

/** An i8 code with 4 further bits, -8 to 7, of each value: a component is nearly scale * (value + bits / 16). */
export interface CodeI12 extends CodeI8 {
  readonly bits: Int8Array;
}

export function encodeI12(x: Float32Array): CodeI12 {
  const whole = new Int16Array(x.length);
  const scale = quantise(x, I8_MAX, whole, 16);
  const values = Int8Array.from(whole, (value) => Math.floor((value + 8) / 16));
  const bits = Int8Array.from(whole, (value, i) => value - 16 * values[i]!);
  return { values, scale, squaredNorm: squaredNormOf(values, scale), bits };
}

/** What values and further bits stand for. */
export function decodeI12({ values, scale, bits }: Omit<CodeI12, 'squaredNorm'>): Float32Array {
  return Float32Array.from(values, (value, i) => f(f(scale / 16) * (16 * value + bits[i]!)));
}

/** A vector's components along all directions of a basis: those of the lead, and the rest under a scale of its own. */
export interface WholeLevels {
  readonly lead: Omit<CodeI12, 'squaredNorm'>;
  readonly rest: Omit<CodeI12, 'squaredNorm'>;
  /** Squared norm of what both stand for. */
  readonly squaredNorm: number;
}

/** @param components of a centred vector @param lead how many of them the code has */
export function encodeWholeLevels(components: Float32Array, lead: number): WholeLevels {
  const levels = {
    lead: encodeI12(components.subarray(0, lead)),
    rest: encodeI12(components.subarray(lead)),
  };
  const held = decodeWholeLevels(levels);
  return { ...levels, squaredNorm: dotF32(held, held) };
}

/** The components that both levels stand for. */
export function decodeWholeLevels({ lead, rest }: Pick<WholeLevels, 'lead' | 'rest'>): Float32Array {
  return Float32Array.of(...decodeI12(lead), ...decodeI12(rest));
}

/** A query in the coordinates of a basis. */
export interface WholeQuery {
  readonly lead: QuantisedQuery;
  /** Null where the lead is all there is. */
  readonly rest: QuantisedQuery | null;
}

/** @param components of the query less the mean @param lead how many of them the code has */
export function encodeWholeQuery(components: Float32Array, lead: number): WholeQuery {
  const rest = components.subarray(lead);
  return {
    lead: encodeQuery(components.subarray(0, lead), I8_MAX),
    rest: rest.length === 0 ? null : encodeQuery(rest, I8_MAX),
  };
}

/** Distance of a query to a vector in the coordinates of a basis. */
export function distanceToWholeLevels(metric: Metric, query: WholeQuery, vector: WholeLevels): number {
  const factor = metric === 'dot' ? -1 : -2;
  const term = ({ unit, values }: QuantisedQuery, code: WholeLevels['lead']) => {
    const dot = f(f(dotI8(values, code.values)) + f(f(dotI8(values, code.bits)) / 16));
    return f(f(f(factor * unit) * code.scale) * dot);
  };
  const { lead, rest } = query;
  const norm = rest === null ? lead.squaredNorm : f(rest.squaredNorm + lead.squaredNorm);
  const norms = metric === 'dot' ? 0 : f(norm + vector.squaredNorm);
  let distance = f(norms + term(lead, vector.lead));
  if (rest !== null) distance = f(distance + term(rest, vector.rest));
  return halfOf(metric, metric === 'dot' ? distance : Math.max(0, distance));
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

const LANES = 8;
const U64 = (1n << 64n) - 1n;

function mixed(h: bigint, sum: bigint): bigint {
  let x = h ^ sum;
  x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & U64;
  x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & U64;
  return x ^ (x >> 31n);
}

/**
 * The core's checksum (native/checksum.h) of a multiple of 32 bytes, at most 256 KiB. The halves of the words are added
 * apart, which a double holds exactly.
 */
export function checksumOf(bytes: Uint8Array, soFar: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const sums = Array.from({ length: 4 }, () => new Float64Array(LANES)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const [aLow, aHigh, bLow, bHigh] = sums;
  for (let w = 0; w < Math.floor(bytes.length / 4); w++) {
    const lane = w % LANES;
    aLow[lane]! += view.getUint16(w * 4, true);
    aHigh[lane]! += view.getUint16(w * 4 + 2, true);
    bLow[lane]! += aLow[lane]!;
    bHigh[lane]! += aHigh[lane]!;
  }
  let h = BigInt(soFar);
  for (const [low, high] of [
    [aLow, aHigh],
    [bLow, bHigh],
  ] as const)
    for (let lane = 0; lane < LANES; lane++) h = mixed(h, BigInt(low[lane]!) + (BigInt(high[lane]!) << 16n));
  return Number((h ^ (h >> 32n)) & 0xffffffffn);
}
