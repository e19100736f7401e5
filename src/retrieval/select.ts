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
  const lists = choice.lists.map((list) =>
    choice.lambda === undefined ? new Ranked(list) : new Diverse(list, choice, taken.hits),
  );
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
 */
class Diverse<C extends Candidate> {
  readonly #list: readonly C[];
  readonly #hits: readonly C[];
  readonly #lambda: number;
  /** What a unit of similarity costs. */
  readonly #cost: number;
  readonly #isL2: boolean;
  /** Components that are added in one pass over the candidates are as many columns of this: f64[padded dim][n]. */
  readonly #columns: Float64Array;
  readonly #scores: Float64Array;
  /** Of each candidate, the products with the first `#summed` hits, added up. */
  readonly #products: Float64Array;
  #summed = 0;
  /** Squared length of each candidate under L2, and of those hits together. */
  readonly #squares: Float64Array;
  #sumOfSquares = 0;
  /** Numbers of the candidates that were not given yet, in order. */
  readonly #left: Uint32Array;
  #leftCount: number;

  constructor(list: readonly C[], { k, metric, lambda = 1 }: Choice<C>, hits: readonly C[]) {
    const n = list.length;
    const dim = Math.ceil((list[0]?.vector?.length ?? 0) / AT_ONCE) * AT_ONCE;
    this.#list = list;
    this.#hits = hits;
    this.#lambda = lambda;
    this.#cost = (1 - lambda) / Math.max(k, PAGE);
    this.#isL2 = metric === 'l2';
    this.#columns = new Float64Array(n * dim);
    this.#scores = new Float64Array(n);
    this.#products = new Float64Array(n);
    this.#squares = new Float64Array(n);
    this.#left = new Uint32Array(n);
    this.#leftCount = n;
    for (let i = 0; i < n; i++) {
      const { vector, score } = list[i]!;
      for (let d = 0, at = i; d < vector!.length; d++, at += n) this.#columns[at] = vector![d]!;
      this.#scores[i] = score;
      if (this.#isL2) this.#squares[i] = squaresOf(vector!);
      this.#left[i] = i;
    }
  }

  next(): C | undefined {
    if (this.#leftCount === 0) return undefined;
    for (; this.#summed < this.#hits.length; this.#summed++) this.#addHit(this.#hits[this.#summed]!.vector!);
    const at = this.#best();
    const best = this.#list[this.#left[at]!];
    this.#left.copyWithin(at, at + 1, this.#leftCount--);
    return best;
  }

  #addHit(vector: Float32Array): void {
    if (this.#isL2) this.#sumOfSquares += squaresOf(vector);
    const n = this.#list.length;
    const hit = new Float64Array(this.#columns.length / n);
    hit.set(vector);
    for (let d = 0; d < hit.length; d += AT_ONCE) addColumns(this.#products, this.#columns, d * n, hit, d);
  }

  /** Where in `#left` the best is. */
  #best(): number {
    let best = 0;
    let greatest = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < this.#leftCount; at++) {
      const i = this.#left[at]!;
      const product = this.#products[i]!;
      const similarities = this.#isL2
        ? 2 * product - this.#summed * this.#squares[i]! - this.#sumOfSquares
        : product;
      const value = this.#lambda * this.#scores[i]! - this.#cost * similarities;
      if (value > greatest) {
        best = at;
        greatest = value;
      }
    }
    return best;
  }
}

/** Columns that are added at once: each sum is then read and written so many times less. */
const AT_ONCE = 8;

/** Adds to each sum the product of its row of AT_ONCE columns, which begin at `start`, with as many components from `d` on. */
function addColumns(
  sums: Float64Array,
  columns: Float64Array,
  start: number,
  hit: Float64Array,
  d: number,
): void {
  const n = sums.length;
  const h0 = hit[d]!;
  const h1 = hit[d + 1]!;
  const h2 = hit[d + 2]!;
  const h3 = hit[d + 3]!;
  const h4 = hit[d + 4]!;
  const h5 = hit[d + 5]!;
  const h6 = hit[d + 6]!;
  const h7 = hit[d + 7]!;
  for (let i = 0, at = start; i < n; i++, at++) {
    sums[i]! +=
      columns[at]! * h0 +
      columns[at + n]! * h1 +
      (columns[at + 2 * n]! * h2 + columns[at + 3 * n]! * h3) +
      (columns[at + 4 * n]! * h4 +
        columns[at + 5 * n]! * h5 +
        (columns[at + 6 * n]! * h6 + columns[at + 7 * n]! * h7));
  }
}
