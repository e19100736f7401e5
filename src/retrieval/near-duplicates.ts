/**
 * Near-duplicates: pins whose vectors say the same. How alike two are is 2 a·b / (|a|² + |b|²): the cosine for unit
 * vectors, and 1 under every metric only for the same vector.
 */
import type { EngineHit } from '../engines/engine.ts';
import type { IndexConfig } from '../index/config.ts';
import { similarity, squaresOf } from './similarity.ts';
import type { CandidateList } from './sources/source.ts';

/**
 * By how much rounding may move a score: half a step of a query's 16 bits, of a component of up to 1, is 1.5e-5, and over all
 * components up to 1.9e-5 was seen (`i8+i10`, 64 to 128 dimensions, scores of copies that lie in other shards).
 */
export const SCORE_SLACK = 5e-5;
/** By which part of their lengths rounding may move products of vectors. */
const ROUNDING = 1e-9;

/**
 * How alike copies are at least that lie in different shards, each of which codes in a basis of its own: what is put together
 * again differs by up to 6e-7 at 768 dimensions. Within a shard, and held otherwise, copies are the same.
 */
const COPIES_APART = 1 - 2e-6;

/** The likeness from which pins of an index are near-duplicates, for the one that is asked for: copies always are. */
export function nearDuplicateLimit(asked: number, { shards, precision }: IndexConfig): number {
  const hasBases = precision === 'i8+i10' || precision === 'i8+i4';
  return shards > 1 && hasBases ? Math.min(asked, COPIES_APART) : asked;
}

/** How alike two vectors are, by their product and their squared lengths. */
export function likeness(product: number, squaresA: number, squaresB: number): number {
  const squares = squaresA + squaresB;
  return squares === 0 ? 1 : (2 * product) / squares;
}

interface Member {
  readonly vector: Float32Array;
  readonly squares: number;
  /** Its product with the first member. */
  readonly place: number;
}

/**
 * Vectors of which none is a near-duplicate of another. Such as are nearly the same have nearly the same product with any
 * third one, so that mostly this number alone tells that they are not.
 */
export class Distinct {
  readonly #limit: number;
  readonly #members: Member[] = [];
  #first: Float32Array | undefined;
  #firstSquares = 0;

  /** @param limit likeness from which two are near-duplicates, in [0, 1] */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds a vector, whatever it is like. */
  add(vector: Float32Array): void {
    this.#members.push(this.#place(vector));
  }

  /** Adds a vector unless it is a near-duplicate of one; tells whether it did. */
  admit(vector: Float32Array): boolean {
    const member = this.#place(vector);
    for (const other of this.#members) if (this.#isNear(member, other)) return false;
    this.#members.push(member);
    return true;
  }

  #place(vector: Float32Array): Member {
    if (this.#first === undefined) {
      this.#first = vector;
      this.#firstSquares = squaresOf(vector);
    }
    return { vector, squares: squaresOf(vector), place: similarity('dot', vector, this.#first) };
  }

  #isNear(a: Member, b: Member): boolean {
    // |a - b|² <= (1 - limit) (|a|² + |b|²), and the products with a third vector differ by no more than |a - b| times it
    const squares = a.squares + b.squares;
    const apart = (a.place - b.place) ** 2;
    if (apart > (1 - this.#limit + ROUNDING) * squares * this.#firstSquares) return false;
    return likeness(similarity('dot', a.vector, b.vector), a.squares, b.squares) >= this.#limit;
  }
}

/**
 * Candidates of a list that may be near-duplicates of each other or of `anchors`, told by scores alone: vectors that are
 * within an angle of each other have angles to any third one that differ by no more. So mostly no vector is read.
 * @param list whose scores are cosines to its direction; of another list all are suspects
 * @param anchors unit f32[dim] each
 * @param limit similarity from which two pins are near-duplicates, in [0, 1]
 */
export function suspects(
  { candidates, direction }: CandidateList,
  anchors: readonly Float32Array[],
  limit: number,
): readonly EngineHit[] {
  if (direction === undefined) return candidates;
  const within = Math.acos(limit);
  const length = Math.sqrt(squaresOf(direction));
  // Scores differ by no more than angles, which are dearer
  const isNear = (a: number, b: number) =>
    Math.abs(a - b) <= within + 2 * SCORE_SLACK &&
    angleOf(Math.min(a, b) + SCORE_SLACK) - angleOf(Math.max(a, b) - SCORE_SLACK) <= within;
  const ofAnchors = anchors.map((anchor) => similarity('dot', anchor, direction) / length);
  const found: EngineHit[] = [];
  let isNearBefore = false;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    const isNearNext = i + 1 < candidates.length && isNear(candidate.score, candidates[i + 1]!.score);
    if (isNearBefore || isNearNext || ofAnchors.some((score) => isNear(candidate.score, score)))
      found.push(candidate);
    isNearBefore = isNearNext;
  }
  return found;
}

function angleOf(cosine: number): number {
  return Math.acos(Math.min(1, Math.max(-1, cosine)));
}
