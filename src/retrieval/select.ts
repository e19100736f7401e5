/**
 * Choosing k hits from lists of candidates: whose turn it is (by quotas), then the best of that list that may still be
 * taken. Not a pin twice, no near-duplicate of what was taken, at most so many of a group, and under diversity the best
 * is who adds most to what was taken.
 */
import type { Metric } from '../index/config.ts';
import { nextTurn } from './blend.ts';
import { likeness } from './near-duplicates.ts';
import { similarity, squaresOf } from './similarity.ts';

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
    choice.lambda === undefined ? new Ranked(list, taken) : new Diverse(list, taken, choice.lambda, choice.k),
  );
  const given = new Uint32Array(lists.length);
  const ranDry = lists.map(() => false);
  while (taken.hits.length < choice.k) {
    const turn = nextTurn(choice.quotas, given, ranDry);
    if (turn < 0) break;
    const next = lists[turn]!.next();
    if (next === undefined) {
      ranDry[turn] = true;
      continue;
    }
    taken.add(next);
    given[turn]!++;
  }
  return { hits: taken.hits, ranDry };
}

/** What was taken, and who may still be. */
class Taken<C extends Candidate> {
  readonly hits: C[] = [];
  readonly metric: Metric;
  readonly #choice: Choice<C>;
  readonly #ids = new Set<string>();
  readonly #inGroups = new Map<unknown, number>();
  readonly #squares: number[] = [];
  readonly #anchors: readonly { readonly vector: Float32Array; readonly squares: number }[];

  constructor(choice: Choice<C>) {
    this.#choice = choice;
    this.metric = choice.metric;
    this.#anchors = (choice.nearDuplicates?.anchors ?? []).map((vector) => ({
      vector,
      squares: squaresOf(vector),
    }));
  }

  add(candidate: C): void {
    const { lists, groups, nearDuplicates } = this.#choice;
    this.hits.push(candidate);
    if (lists.length > 1) this.#ids.add(candidate.id);
    if (groups)
      for (const value of groups.valuesOf(candidate))
        this.#inGroups.set(value, (this.#inGroups.get(value) ?? 0) + 1);
    if (nearDuplicates) this.#squares.push(candidate.vector ? squaresOf(candidate.vector) : 0);
  }

  /** Whether it is no hit yet and its groups have room. */
  hasRoom(candidate: C): boolean {
    if (this.#ids.has(candidate.id)) return false;
    const { groups } = this.#choice;
    if (!groups) return true;
    for (const value of groups.valuesOf(candidate))
      if ((this.#inGroups.get(value) ?? 0) >= groups.size) return false;
    return true;
  }

  /** Whether the candidate is too like hit number `other`, to which it has this similarity. */
  isCopy(squares: number, other: number, alike: number): boolean {
    const { nearDuplicates } = this.#choice;
    return (
      nearDuplicates !== undefined &&
      likeness(this.metric, alike, squares, this.#squares[other]!) >= nearDuplicates.similarity
    );
  }

  isCopyOfAnchor(vector: Float32Array): boolean {
    const { nearDuplicates, metric } = this.#choice;
    if (!nearDuplicates || this.#anchors.length === 0) return false;
    const squares = squaresOf(vector);
    return this.#anchors.some(
      (anchor) =>
        likeness(metric, similarity(metric, vector, anchor.vector), squares, anchor.squares) >=
        nearDuplicates.similarity,
    );
  }

  get looksForCopies(): boolean {
    return this.#choice.nearDuplicates !== undefined;
  }
}

/** A list in its own order. */
class Ranked<C extends Candidate> {
  readonly #list: readonly C[];
  readonly #taken: Taken<C>;
  #next = 0;

  constructor(list: readonly C[], taken: Taken<C>) {
    this.#list = list;
    this.#taken = taken;
  }

  next(): C | undefined {
    while (this.#next < this.#list.length) {
      const candidate = this.#list[this.#next++]!;
      if (this.#taken.hasRoom(candidate) && !this.#isCopy(candidate.vector)) return candidate;
    }
    return undefined;
  }

  #isCopy(vector: Float32Array | undefined): boolean {
    const taken = this.#taken;
    if (vector === undefined || !taken.looksForCopies) return false;
    if (taken.isCopyOfAnchor(vector)) return true;
    const squares = squaresOf(vector);
    return taken.hits.some(
      (hit, i) =>
        hit.vector !== undefined && taken.isCopy(squares, i, similarity(taken.metric, vector, hit.vector)),
    );
  }
}

/**
 * A list by maximal marginal relevance (Carbonell and Goldstein, 1998): next is the candidate with the greatest
 * lambda * score - (1 - lambda) * redundancy; ties go to the better candidate. Redundancy is the sum of its similarities
 * to what is taken, divided by k, as in max-sum diversification (Borodin et al., 2012): what counts in the end is how
 * alike all hits are in the mean, and the first hits, of which people see most, stay the relevant ones. The greatest
 * similarity in place of the sum costs more relevance for less diversity (docs/decisions/0013-surfaces.md).
 */
class Diverse<C extends Candidate> {
  readonly #list: readonly C[];
  readonly #taken: Taken<C>;
  readonly #lambda: number;
  readonly #k: number;
  /** Vectors one after the other, as doubles: so no component is converted k times. */
  readonly #vectors: Float64Array;
  readonly #squares: Float64Array;
  /** Of each candidate, its similarities to the first `#seen` hits. */
  readonly #sums: Float64Array;
  #seen = 0;
  /** Numbers of the candidates that may still be taken, in order. */
  readonly #left: Uint32Array;
  #leftCount: number;

  constructor(list: readonly C[], taken: Taken<C>, lambda: number, k: number) {
    const dim = list[0]?.vector?.length ?? 0;
    this.#list = list;
    this.#taken = taken;
    this.#lambda = lambda;
    this.#k = k;
    this.#vectors = new Float64Array(list.length * dim);
    this.#squares = new Float64Array(list.length);
    this.#sums = new Float64Array(list.length);
    this.#left = new Uint32Array(list.length);
    this.#leftCount = list.length;
    for (let i = 0; i < list.length; i++) {
      const vector = list[i]!.vector!;
      this.#vectors.set(vector, i * dim);
      this.#squares[i] = squaresOf(vector);
      this.#left[i] = i;
    }
  }

  next(): C | undefined {
    for (const { hits } = this.#taken; this.#seen < hits.length; this.#seen++) this.#compare(this.#seen);
    while (this.#leftCount > 0) {
      const at = this.#best();
      const candidate = this.#list[this.#left[at]!]!;
      this.#left.copyWithin(at, at + 1, this.#leftCount--);
      if (this.#taken.hasRoom(candidate) && !this.#taken.isCopyOfAnchor(candidate.vector!)) return candidate;
    }
    return undefined;
  }

  /** Where in `#left` the best is. */
  #best(): number {
    const redundancyWeight = (1 - this.#lambda) / this.#k;
    let best = 0;
    let greatest = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < this.#leftCount; at++) {
      const i = this.#left[at]!;
      const value = this.#lambda * this.#list[i]!.score - redundancyWeight * this.#sums[i]!;
      if (value > greatest) {
        best = at;
        greatest = value;
      }
    }
    return best;
  }

  /** Adds the similarities to a hit, and leaves out its near-duplicates. */
  #compare(number: number): void {
    const taken = this.#taken;
    const left = this.#left;
    const hit = Float64Array.from(taken.hits[number]!.vector!);
    const squares = squaresOf(taken.hits[number]!.vector!);
    const isL2 = taken.metric === 'l2';
    let kept = 0;
    for (let at = 0; at < this.#leftCount; at++) {
      const i = left[at]!;
      const product = dotAt(this.#vectors, i * hit.length, hit);
      const alike = isL2 ? 2 * product - squares - this.#squares[i]! : product;
      if (taken.isCopy(this.#squares[i]!, number, alike)) continue;
      this.#sums[i]! += alike;
      left[kept++] = i;
    }
    this.#leftCount = kept;
  }
}

/** Dot product of a vector with the one that begins at `start`, in the order of `similarity`. */
function dotAt(vectors: Float64Array, start: number, vector: Float64Array): number {
  const { length } = vector;
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    sum0 += vectors[start + i]! * vector[i]!;
    sum1 += vectors[start + i + 1]! * vector[i + 1]!;
    sum2 += vectors[start + i + 2]! * vector[i + 2]!;
    sum3 += vectors[start + i + 3]! * vector[i + 3]!;
  }
  for (; i < length; i++) sum0 += vectors[start + i]! * vector[i]!;
  return sum0 + sum1 + (sum2 + sum3);
}
