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
    choice.lambda === undefined || choice.lambda === 1
      ? new Ranked(list, taken)
      : new Diverse(list, taken, choice.lambda),
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
 * lambda * score - (1 - lambda) * (its greatest similarity to what is taken); ties go to the better candidate.
 *
 * That value only falls as more is taken, so what it was before is a bound (the lazy greedy algorithm, Minoux, 1978):
 * only candidates whose bound is the greatest are compared with what was taken since, and only until another's is
 * greater. Of candidates * k similarities few are computed.
 */
class Diverse<C extends Candidate> {
  readonly #list: readonly C[];
  readonly #taken: Taken<C>;
  readonly #lambda: number;
  /** Of each candidate: its value, or more; minus infinity once it is out. */
  readonly #bounds: Float64Array;
  readonly #redundancies: Float64Array;
  /** Hits that it was compared with. */
  readonly #compared: Uint32Array;

  constructor(list: readonly C[], taken: Taken<C>, lambda: number) {
    this.#list = list;
    this.#taken = taken;
    this.#lambda = lambda;
    this.#bounds = new Float64Array(list.length).fill(Number.POSITIVE_INFINITY);
    this.#redundancies = new Float64Array(list.length).fill(Number.NEGATIVE_INFINITY);
    this.#compared = new Uint32Array(list.length);
  }

  next(): C | undefined {
    const bounds = this.#bounds;
    for (;;) {
      let best = -1;
      let greatest = Number.NEGATIVE_INFINITY;
      let second = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < bounds.length; i++) {
        const bound = bounds[i]!;
        if (bound > greatest) {
          second = greatest;
          greatest = bound;
          best = i;
        } else if (bound > second) second = bound;
      }
      if (best < 0) return undefined;
      const candidate = this.#list[best]!;
      if (!this.#taken.hasRoom(candidate)) {
        bounds[best] = Number.NEGATIVE_INFINITY;
      } else if (this.#compared[best]! < this.#taken.hits.length) {
        this.#compare(best, candidate, second);
      } else {
        bounds[best] = Number.NEGATIVE_INFINITY;
        if (!this.#taken.isCopyOfAnchor(candidate.vector!)) return candidate;
      }
    }
  }

  /** Compares a candidate with hits that it was not compared with, until its bound is below `second`. */
  #compare(index: number, candidate: C, second: number): void {
    const taken = this.#taken;
    const { hits, metric } = taken;
    const vector = candidate.vector!;
    const squares = taken.looksForCopies ? squaresOf(vector) : 0;
    let compared = this.#compared[index]!;
    let bound = this.#bounds[index]!;
    while (compared < hits.length && bound >= second) {
      const alike = similarity(metric, vector, hits[compared]!.vector!);
      if (taken.isCopy(squares, compared, alike)) {
        this.#bounds[index] = Number.NEGATIVE_INFINITY;
        return;
      }
      compared++;
      if (alike > this.#redundancies[index]!) {
        this.#redundancies[index] = alike;
        bound = this.#lambda * candidate.score - (1 - this.#lambda) * alike;
      }
    }
    this.#compared[index] = compared;
    this.#bounds[index] = bound;
  }
}
