/**
 * Interests of a person: the pins of a history in clusters, each with a medoid and an importance, after PinnerSage (Pal et
 * al., KDD 2020). Ward's method (1963) merges what increases the squared error least, so a history with two subjects keeps
 * two, where one mean would lie between them and near to neither.
 */
import type { Prng } from '../lib/prng.ts';
import { similarity, squaresOf } from './similarity.ts';

export interface HistoryPin {
  /** f32[dim], not all zero. */
  readonly vector: Float32Array;
  /** Over 0: how much the pin says about the person now. */
  readonly importance: number;
}

export interface Interest {
  /** Places in the history, ascending. */
  readonly members: readonly number[];
  /** The place of the member in the middle: least sum of squared distances to the members by their importance. */
  readonly medoid: number;
  /** Sum over the members. */
  readonly importance: number;
}

/** One merge of two clusters, each named by the smallest of its members. */
interface Merge {
  readonly into: number;
  readonly from: number;
  readonly added: number;
}

/**
 * The interests of a history, the most important first; ties by the first member. Costs n^2 dim for n pins.
 * @param isAngular whether only directions count (cosine, dot); else lengths count too (l2)
 * @param mergeBelow clusters are merged as long as that adds less than this to the squared error. Two pins at a right angle
 * add 1, two opposite ones 2; under l2 the unit is the mean squared length of the history's vectors
 */
export function findInterests(
  history: readonly HistoryPin[],
  isAngular: boolean,
  mergeBelow: number,
): Interest[] {
  const points = scale(
    history.map(({ vector }) => vector),
    isAngular,
  );
  const owner = Array.from(points, (_, i) => i);
  for (const { into, from, added } of wardMerges(points)) {
    if (added >= mergeBelow) break;
    for (let i = 0; i < owner.length; i++) if (owner[i] === from) owner[i] = into;
  }
  const members = new Map<number, number[]>();
  for (const [i, cluster] of owner.entries()) members.set(cluster, [...(members.get(cluster) ?? []), i]);
  return [...members.values()]
    .map((places) => describe(places, history, points))
    .sort((a, b) => b.importance - a.importance || a.members[0]! - b.members[0]!);
}

/**
 * At most `count` of the interests, drawn without repetition, each the likelier the more important it is (Efraimidis and
 * Spirakis, 2006); all of them where there are no more. They stay in their order.
 */
export function sampleInterests(interests: readonly Interest[], count: number, prng: Prng): Interest[] {
  if (interests.length <= count) return [...interests];
  const keys = interests.map(({ importance }) => Math.log(1 - prng.float()) / importance);
  const limit = [...keys].sort((a, b) => b - a)[count - 1]!;
  return interests.filter((_, i) => keys[i]! >= limit).slice(0, count);
}

/** Unit vectors where only directions count, else all by one factor, for a mean squared length of 1. */
function scale(vectors: readonly Float32Array[], isAngular: boolean): Float32Array[] {
  const squares = vectors.map(squaresOf);
  const mean = squares.reduce((sum, x) => sum + x, 0) / vectors.length;
  return vectors.map((vector, i) => {
    const length = Math.sqrt(isAngular ? squares[i]! : mean) || 1;
    return vector.map((x) => x / length);
  });
}

/**
 * All merges of Ward's method, in the order of what they add, by chains of nearest neighbours (Murtagh, 1983): n^2 steps,
 * and the same tree as always merging the two nearest. What a merge adds follows from its parts (Lance and Williams, 1967).
 */
function wardMerges(points: readonly Float32Array[]): Merge[] {
  const n = points.length;
  const added = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++) {
      const apart = -similarity('l2', points[i]!, points[j]!) / 2;
      added[i * n + j] = apart;
      added[j * n + i] = apart;
    }
  const sizes = new Float64Array(n).fill(1);
  const heights = new Float64Array(n);
  const alive = new Set(points.keys());
  const merges: Merge[] = [];
  const chain: number[] = [];
  while (alive.size > 1) {
    if (chain.length === 0) chain.push(alive.values().next().value!);
    const end = chain.at(-1)!;
    const before = chain.at(-2);
    // The one before wins ties, or a chain among equals would never end
    let nearest = before ?? -1;
    for (const other of alive) {
      if (other === end) continue;
      if (nearest === -1 || added[end * n + other]! < added[end * n + nearest]!) nearest = other;
    }
    if (nearest !== before) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    const into = Math.min(end, nearest);
    const from = Math.max(end, nearest);
    const between = added[end * n + nearest]!;
    // Rounding must not put a merge before those that it is made of
    heights[into] = Math.max(between, heights[into]!, heights[from]!);
    merges.push({ into, from, added: heights[into]! });
    alive.delete(from);
    for (const other of alive) {
      if (other === into) continue;
      const size = sizes[other]!;
      const sum =
        (sizes[into]! + size) * added[into * n + other]! +
        (sizes[from]! + size) * added[from * n + other]! -
        size * between;
      const after = sum / (sizes[into]! + sizes[from]! + size);
      added[into * n + other] = after;
      added[other * n + into] = after;
    }
    sizes[into]! += sizes[from]!;
  }
  // The sort is stable: where a merge adds as much as one that it is made of, it stays behind it
  return merges.sort((a, b) => a.added - b.added);
}

function describe(
  members: readonly number[],
  history: readonly HistoryPin[],
  points: readonly Float32Array[],
): Interest {
  const importance = members.reduce((sum, i) => sum + history[i]!.importance, 0);
  const mean = new Float64Array(points[0]!.length);
  for (const i of members) {
    const share = history[i]!.importance / importance;
    for (let d = 0; d < mean.length; d++) mean[d]! += share * points[i]![d]!;
  }
  // The squared distances to all members sum up to that to their mean and what is the same for each
  let medoid = members[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const i of members) {
    const squares = points[i]!.reduce((sum, x, d) => sum + (x - mean[d]!) ** 2, 0);
    if (squares < least) {
      least = squares;
      medoid = i;
    }
  }
  return { members, medoid, importance };
}
