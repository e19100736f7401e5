/**
 * Choosing k hits from lists of candidates: whose turn it is (by quotas), then the best of that list that may still be
 * taken. Not a pin twice, no near-duplicate of what was taken, at most so many of a group, and under diversity the best
 * is who adds most to what was taken.
 */
import type { Metric } from '../index/config.ts';
import { nextTurn } from './blend.ts';
import { Distinct } from './near-duplicates.ts';
import { squaresOf } from './similarity.ts';

/** Hits that diversity reckons with, though fewer be asked for: so the first ten of twenty are the ten of ten. */
export const PAGE = 20;

const NO_VALUES: readonly unknown[] = [];

export interface Candidate {
  readonly id: string;
  /** What ranks it within its list. */
  readonly score: number;
  /** Needed under diversity; without one nothing is a near-duplicate of it. */
  readonly vector?: Float32Array | undefined;
}

export interface Choice<C extends Candidate> {
  readonly k: number;
  /** The best first. */
  readonly lists: readonly (readonly C[])[];
  /** Of each list, over 0. */
  readonly quotas: readonly number[];
  readonly metric: Metric;
  /** Of maximal marginal relevance, in [0, 1]; the order of each list where it is undefined. */
  readonly lambda?: number | undefined;
  /** No hit is as alike as `similarity` to one of `anchors` or to a hit before it. */
  readonly nearDuplicates?:
    | { readonly similarity: number; readonly anchors: readonly Float32Array[] }
    | undefined;
  /** At most `size` hits share a value; a candidate with several needs room in all, one with none always fits. */
  readonly groups?:
    | { readonly size: number; readonly valuesOf: (candidate: C) => readonly unknown[] }
    | undefined;
}

export interface Chosen<C> {
  /** In the order in which they were taken; fewer than k when the lists have no more that may be taken. */
  readonly hits: C[];
  /** Of each list: whether a turn of its own found nothing in it, which another list had then. */
  readonly ranDry: readonly boolean[];
}

/** Chooses up to k hits. */
export function choose<C extends Candidate>(choice: Choice<C>): Chosen<C> {
  const taken = new Taken<C>(choice);
  let used = 0;
  const lists = choice.lists.map((list) => {
    if (choice.lambda === undefined) return new Ranked(list);
    const rows = rowsOf(list, used);
    used += rows.length;
    return new Diverse(list, rows, choice, taken.hits);
  });
  const given = new Uint32Array(lists.length);
  const ranDry = lists.map(() => false);
  while (taken.hits.length < choice.k) {
    const turn = nextTurn(choice.quotas, given, ranDry);
    if (turn < 0) break;
    const next = lists[turn]!.next();
    if (next === undefined) ranDry[turn] = true;
    else if (taken.take(next)) given[turn]!++;
  }
  return { hits: taken.hits, ranDry };
}

/** What was taken, and who may still be. */
class Taken<C extends Candidate> {
  readonly hits: C[] = [];
  readonly #choice: Choice<C>;
  readonly #ids = new Set<string>();
  readonly #inGroups = new Map<unknown, number>();
  readonly #distinct: Distinct | undefined;

  constructor(choice: Choice<C>) {
    this.#choice = choice;
    if (choice.nearDuplicates) {
      this.#distinct = new Distinct(choice.nearDuplicates.similarity);
      for (const anchor of choice.nearDuplicates.anchors) this.#distinct.add(anchor);
    }
  }

  /** Whether a candidate is no hit yet, its groups have room, and it is no near-duplicate; then it is a hit. */
  take(candidate: C): boolean {
    const { groups, lists } = this.#choice;
    if (this.#ids.has(candidate.id)) return false;
    const values = groups ? groups.valuesOf(candidate) : NO_VALUES;
    for (const value of values) if ((this.#inGroups.get(value) ?? 0) >= groups!.size) return false;
    if (candidate.vector && this.#distinct?.admit(candidate.vector) === false) return false;
    for (const value of values) this.#inGroups.set(value, (this.#inGroups.get(value) ?? 0) + 1);
    if (lists.length > 1) this.#ids.add(candidate.id);
    this.hits.push(candidate);
    return true;
  }
}

/** A list in its own order. */
class Ranked<C extends Candidate> {
  readonly #list: readonly C[];
  #next = 0;

  constructor(list: readonly C[]) {
    this.#list = list;
  }

  next(): C | undefined {
    return this.#list[this.#next++];
  }
}

/**
 * A list by maximal marginal relevance (Carbonell and Goldstein, 1998): next is the candidate with the greatest
 * lambda * score - (1 - lambda) * redundancy; ties go to the better candidate. Redundancy is the sum of its similarities
 * to what is taken, divided by k (by PAGE where that is more), as in max-sum diversification (Borodin et al., 2012): what counts in the end is how
 * alike all hits are in the mean, and the first hits, of which people see most, stay the relevant ones. The greatest
 * similarity in place of the sum costs more relevance for less diversity (docs/decisions/0013-surfaces.md).
 *
 * The similarities to all hits are one product with the sum of their vectors, and most candidates never need it: what a vector is
 * along the mean of the list, and across it, bounds its product with every other (by Cauchy and Schwarz), and whose bound is
 * below the best is not looked at (lazily, as Minoux, 1978, does with greedy choices).
 */
class Diverse<C extends Candidate> {
  readonly #list: readonly C[];
  readonly #hits: readonly C[];
  /** What a unit of a product with a hit costs. */
  readonly #cost: number;
  /** f64[dim], of unit length: the mean of the list. */
  readonly #mean: Float64Array;
  /** f64[n, dim], the candidates' vectors. */
  readonly #rows: Float64Array;
  /** f64[dim], the sum of the hits so far. */
  readonly #sum: Float64Array;
  /** Of the first t hits together: lengths along the mean, and across it. */
  readonly #hitsAlong = [0];
  readonly #hitsAcross = [0];
  /** Of each candidate: what its score is worth, and what of it each hit adds to that (under L2, its squared length). */
  readonly #worths: Float64Array;
  readonly #worthsPerHit: Float64Array;
  /** Of each candidate: its lengths along the mean, and across it. */
  readonly #along: Float64Array;
  readonly #across: Float64Array;
  /** Of each candidate: its product with the first `#known` hits. */
  readonly #products: Float64Array;
  readonly #known: Uint32Array;
  readonly #bounds: Float64Array;
  /** Numbers of the candidates that were not given yet, in order. */
  readonly #left: Uint32Array;
  #leftCount: number;

  constructor(
    list: readonly C[],
    rows: Float64Array,
    { k, metric, lambda = 1 }: Choice<C>,
    hits: readonly C[],
  ) {
    const n = list.length;
    const dim = rows.length / Math.max(1, n);
    const cost = (1 - lambda) / Math.max(k, PAGE);
    const isL2 = metric === 'l2';
    this.#list = list;
    this.#hits = hits;
    // Minus a squared distance is 2 a·b - |a|² - |b|², of which |b|² is the same for all
    this.#cost = isL2 ? 2 * cost : cost;
    this.#rows = rows;
    this.#mean = directionOf(rows, dim);
    this.#sum = new Float64Array(dim);
    this.#worths = new Float64Array(n);
    this.#worthsPerHit = new Float64Array(n);
    this.#along = new Float64Array(n);
    this.#across = new Float64Array(n);
    this.#products = new Float64Array(n);
    this.#known = new Uint32Array(n);
    this.#bounds = new Float64Array(n);
    this.#left = new Uint32Array(n);
    this.#leftCount = n;
    for (let i = 0; i < n; i++) {
      const squares = productOf(rows, i * dim, rows, i * dim, dim);
      const along = productOf(rows, i * dim, this.#mean, 0, dim);
      this.#worths[i] = lambda * list[i]!.score;
      if (isL2) this.#worthsPerHit[i] = cost * squares;
      this.#along[i] = along;
      this.#across[i] = acrossOf(squares, along);
      this.#left[i] = i;
    }
  }

  next(): C | undefined {
    if (this.#leftCount === 0) return undefined;
    while (this.#hitsAlong.length <= this.#hits.length)
      this.#addHit(this.#hits[this.#hitsAlong.length - 1]!.vector!);
    const at = this.#best();
    const best = this.#list[this.#left[at]!];
    this.#left.copyWithin(at, at + 1, this.#leftCount--);
    return best;
  }

  #addHit(vector: Float32Array): void {
    let along = 0;
    for (let d = 0; d < vector.length; d++) {
      along += vector[d]! * this.#mean[d]!;
      this.#sum[d]! += vector[d]!;
    }
    this.#hitsAlong.push(this.#hitsAlong.at(-1)! + along);
    this.#hitsAcross.push(this.#hitsAcross.at(-1)! + acrossOf(squaresOf(vector), along));
  }

  /** Where in `#left` the best is: looked for among those whose bound is over the value of who has the greatest bound. */
  #best(): number {
    const bounds = this.#bounds;
    let best = this.#bound();
    let greatest = this.#value(this.#left[best]!);
    for (let at = 0; at < this.#leftCount; at++) {
      if (bounds[at]! < greatest || at === best) continue;
      const value = this.#value(this.#left[at]!);
      if (value > greatest || (value === greatest && at < best)) {
        best = at;
        greatest = value;
      }
    }
    return best;
  }

  /** Bounds what each that is left is worth, and tells where in `#left` the greatest bound is. */
  #bound(): number {
    // Looked up once: this is the innermost loop
    const bounds = this.#bounds;
    const left = this.#left;
    const known = this.#known;
    const products = this.#products;
    const along = this.#along;
    const across = this.#across;
    const worths = this.#worths;
    const perHit = this.#worthsPerHit;
    const hitsAlong = this.#hitsAlong;
    const hitsAcross = this.#hitsAcross;
    const leftCount = this.#leftCount;
    const cost = this.#cost;
    const count = this.#hits.length;
    const allAlong = hitsAlong[count]!;
    const allAcross = hitsAcross[count]!;
    let best = 0;
    for (let at = 0; at < leftCount; at++) {
      const i = left[at]!;
      const to = known[i]!;
      const product =
        products[i]! + along[i]! * (allAlong - hitsAlong[to]!) - across[i]! * (allAcross - hitsAcross[to]!);
      bounds[at] = worths[i]! + count * perHit[i]! - cost * product;
      if (bounds[at]! > bounds[best]!) best = at;
    }
    return best;
  }

  #value(i: number): number {
    const count = this.#hits.length;
    const dim = this.#sum.length;
    if (this.#known[i] !== count) {
      this.#products[i] = productOf(this.#rows, i * dim, this.#sum, 0, dim);
      this.#known[i] = count;
    }
    return this.#worths[i]! + count * this.#worthsPerHit[i]! - this.#cost * this.#products[i]!;
  }
}

/**
 * Room for the vectors of all lists of a choice, which nobody needs when it is made: in one array and as wide as sums are they
 * are read in three quarters of the time, but an array for each choice would cost as much to collect.
 */
let room = new Float64Array(0);
/** Numbers that are kept: 8 MiB. */
const ROOM_MAX = 2 ** 20;

/** f64[n, dim], the vectors of the candidates behind the first `used` numbers; nothing where they have none. */
function rowsOf(list: readonly Candidate[], used: number): Float64Array {
  const dim = list[0]?.vector?.length ?? 0;
  const length = list.length * dim;
  const end = used + length;
  // Rows of lists before keep the room that was
  if (end > room.length && end <= ROOM_MAX) room = new Float64Array(Math.min(2 * end, ROOM_MAX));
  const rows = end <= room.length ? room.subarray(used, end) : new Float64Array(length);
  if (dim > 0) for (let i = 0; i < list.length; i++) rows.set(list[i]!.vector!, i * dim);
  return rows;
}

/** f64[dim], the mean of the rows at unit length; zeros where there are none. */
function directionOf(rows: Float64Array, dim: number): Float64Array {
  const sum = new Float64Array(dim);
  for (let at = 0; at < rows.length; at += dim) for (let d = 0; d < dim; d++) sum[d]! += rows[at + d]!;
  const length = Math.hypot(...sum);
  if (length > 0) for (let d = 0; d < dim; d++) sum[d]! /= length;
  return sum;
}

/** Of the length of a vector, as much as could be lost by rounding what lies across. */
const ROUNDING = 1e-7;

/** What a vector is across a direction of which it has `along`; rather too much than too little. */
function acrossOf(squares: number, along: number): number {
  return Math.sqrt(Math.max(0, squares - along * along)) + ROUNDING * Math.sqrt(squares);
}

/** The product of `dim` numbers of one array and of another. */
function productOf(a: Float64Array, atA: number, b: Float64Array, atB: number, dim: number): number {
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  let d = 0;
  for (; d + 4 <= dim; d += 4) {
    sum0 += a[atA + d]! * b[atB + d]!;
    sum1 += a[atA + d + 1]! * b[atB + d + 1]!;
    sum2 += a[atA + d + 2]! * b[atB + d + 2]!;
    sum3 += a[atA + d + 3]! * b[atB + d + 3]!;
  }
  for (; d < dim; d++) sum0 += a[atA + d]! * b[atB + d]!;
  return sum0 + sum1 + (sum2 + sum3);
}
