/**
 * Two lists for one text, by vectors and by words, as one.
 *
 *   scores  a weighted sum of scores that were brought to a scale from 0, the worst, to 1, the best candidate (a convex
 *           combination: Bruch, Gai and Ingber, 2023)
 *   ranks   weights over rank (reciprocal rank fusion: Cormack, Clarke and Büttcher, 2009)
 *
 * Scores say how much better one hit is than the next, which ranks forget; docs/decisions/0011-lexical-and-hybrid.md has what
 * that is worth.
 */
import type { EngineHit } from '../engines/engine.ts';
import { byScore } from './sources/source.ts';

export const FUSION_METHODS = ['scores', 'ranks'] as const;

export interface Fusion {
  readonly method: (typeof FUSION_METHODS)[number];
  /** 0 or more, not both 0. */
  readonly weights: { readonly dense: number; readonly lexical: number };
  /** What is added to ranks, which count from 1: the greater, the less the first ones stand out. */
  readonly rankConstant: number;
}

export const DEFAULT_FUSION: Fusion = {
  method: 'scores',
  weights: { dense: 0.4, lexical: 0.6 },
  rankConstant: 8,
};

/** A best score below this says nothing: half of the pins have each of the words. */
const LEXICAL_MIN = 0.01;

/** Which lists have a hit. */
export type FoundBy = 'dense' | 'lexical' | 'both';

export interface FusedHit extends EngineHit {
  readonly part: FoundBy;
}

export interface ListsToFuse {
  /** In score order, as `lexical`. */
  readonly dense: readonly EngineHit[];
  readonly lexical: readonly EngineHit[];
  /** What `dense` would score hits that only `lexical` has, by id; a pin without one is left out. */
  readonly denseScores: ReadonlyMap<string, number>;
  /** Whether `lexical` holds every pin that has a word of the text, so that others would have scored 0. */
  readonly isLexicalWhole: boolean;
}

/** The hits of both lists, none twice, in the order of their fused scores, which are at most the sum of the weights. */
export function fuse(lists: ListsToFuse, { method, weights, rankConstant }: Fusion): FusedHit[] {
  const { dense, lexical } = lists;
  const value = method === 'scores' ? byScores(lists) : byRanks(rankConstant);
  const inDense = new Map(dense.map((hit, i) => [hit.id, i]));
  const inLexical = new Map(lexical.map(({ id }, i) => [id, i]));
  const fusedHit = ({ id, vector }: EngineHit): FusedHit => {
    const [i, j] = [inDense.get(id), inLexical.get(id)];
    const score = weights.dense * value.dense(i, id) + weights.lexical * value.lexical(j);
    const part = i === undefined ? 'lexical' : j === undefined ? 'dense' : 'both';
    return { id, score, part, ...(vector && { vector }) };
  };
  const others = lexical.filter(({ id }) => !inDense.has(id) && lists.denseScores.has(id));
  return [...dense, ...others].map(fusedHit).sort(byScore);
}

/** What a place in each list is worth, from 0 to 1; undefined is none. */
interface Worth {
  dense(place: number | undefined, id: string): number;
  lexical(place: number | undefined): number;
}

function byRanks(rankConstant: number): Worth {
  const worth = (place: number | undefined) => (place === undefined ? 0 : 1 / (rankConstant + place + 1));
  return { dense: worth, lexical: worth };
}

function byScores({ dense, lexical, denseScores, isLexicalWhole }: ListsToFuse): Worth {
  const scores = [...dense.map(({ score }) => score), ...denseScores.values()];
  const denseScale = scaleFrom(Math.min(...scores), Math.max(...scores));
  const lexicalScale = scaleFrom(0, Math.max(LEXICAL_MIN, lexical[0]?.score ?? 0));
  const absent = isLexicalWhole ? 0 : (lexical.at(-1)?.score ?? 0);
  return {
    dense: (place, id) => denseScale(place === undefined ? denseScores.get(id)! : dense[place]!.score),
    lexical: (place) => lexicalScale(place === undefined ? absent : lexical[place]!.score),
  };
}

/** Brings low to 0 and high to 1; where they are the same, everything to 1. */
function scaleFrom(low: number, high: number): (score: number) => number {
  return high > low ? (score) => (score - low) / (high - low) : () => 1;
}
