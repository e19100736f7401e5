/**
 * Choosing k hits from lists of candidates: whose turn it is (by quotas), then the best of that list that may still be
 * taken. Not a pin twice, no near-duplicate of what was taken, at most so many of a group, and under diversity the best
 * is who adds most to what was taken.
 */
import type { Engine } from '../engines/engine.ts';
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

export interface Diversity {
  /** Of maximal marginal relevance, in [0, 1]. */
  readonly lambda: number;
  readonly productsWith: Engine['productsWith'];
}

export interface Choice<C extends Candidate> {
  readonly k: number;
  /** The best first. */
  readonly lists: readonly (readonly C[])[];
  /** Of each list, over 0. */
  readonly quotas: readonly number[];
  readonly metric: Metric;
  /** The order of each list where it is undefined. */
  readonly diversity?: Diversity | undefined;
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
  const lists = inOrder(choice, taken.hits);
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

/** The lists, each in the order in which its candidates have their turns. */
function inOrder<C extends Candidate>({ k, lists, metric, diversity }: Choice<C>, hits: readonly C[]) {
  if (!diversity) return lists.map((list) => new Ranked(list));
  const candidates = lists.flat();
  const similarities = new Similarities(candidates, metric, diversity, hits);
  let first = 0;
  return lists.map((list) => {
    const diverse = new Diverse(list, first, similarities, k, diversity.lambda);
    first += list.length;
    return diverse;
  });
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
  readonly #similarities: Similarities<C>;
  /** Of the list's first candidate, among those of all lists. */
  readonly #first: number;
  readonly #lambda: number;
  /** What a unit of similarity to a hit costs. */
  readonly #cost: number;
  /** Numbers of the candidates that were not given yet, in order. */
  readonly #left: number[];

  constructor(list: readonly C[], first: number, similarities: Similarities<C>, k: number, lambda: number) {
    this.#list = list;
    this.#similarities = similarities;
    this.#first = first;
    this.#lambda = lambda;
    this.#cost = (1 - lambda) / Math.max(k, PAGE);
    this.#left = list.map((_, i) => i);
  }

  next(): C | undefined {
    const sums = this.#similarities.toHits();
    let best = -1;
    let greatest = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < this.#left.length; at++) {
      const i = this.#left[at]!;
      const value = this.#lambda * this.#list[i]!.score - this.#cost * sums[this.#first + i]!;
      if (value > greatest) {
        best = at;
        greatest = value;
      }
    }
    return best < 0 ? undefined : this.#list[this.#left.splice(best, 1)[0]!];
  }
}

/** Of all candidates, how alike they are to the hits together. */
class Similarities<C extends Candidate> {
  readonly #hits: readonly C[];
  readonly #productsWith: (x: Float32Array) => Float32Array;
  /** Under L2, of each candidate: its squared length. */
  readonly #squares: Float64Array | undefined;
  readonly #sums: Float64Array;
  #counted = 0;

  constructor(candidates: readonly C[], metric: Metric, { productsWith }: Diversity, hits: readonly C[]) {
    const vectors = candidates.map(({ vector }) => vector!);
    this.#hits = hits;
    this.#productsWith = productsWith(vectors);
    this.#squares = metric === 'l2' ? Float64Array.from(vectors, squaresOf) : undefined;
    this.#sums = new Float64Array(candidates.length);
  }

  /** Of each candidate, the sum of its similarities to the hits so far; under L2 less what is the same for all. */
  toHits(): Float64Array {
    const sums = this.#sums;
    const squares = this.#squares;
    for (; this.#counted < this.#hits.length; this.#counted++) {
      const products = this.#productsWith(this.#hits[this.#counted]!.vector!);
      // Minus a squared distance is 2 a·b - |a|² - |b|²
      if (squares) for (let i = 0; i < sums.length; i++) sums[i]! += 2 * products[i]! - squares[i]!;
      else for (let i = 0; i < sums.length; i++) sums[i]! += products[i]!;
    }
    return sums;
  }
}
