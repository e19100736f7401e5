/**
 * What a list of hits is worth, of one case. Relevance metrics read the gains of the list: at each place the grade of
 * the pin there, 0 for what is not relevant and for a pin that stood further up already. Decision 15 has the sources.
 */

/** Grades over 0 by pin id. */
export type Relevant = ReadonlyMap<string, number>;

/** f64[ids]: the grade at each place. */
export function gainsOf(ids: readonly string[], relevant: Relevant): Float64Array {
  const seen = new Set<string>();
  return Float64Array.from(ids, (id) => {
    const gain = seen.has(id) ? 0 : (relevant.get(id) ?? 0);
    seen.add(id);
    return gain;
  });
}

/** Share of the relevant pins among the first k; in [0, 1]. */
export function recallAt(gains: Float64Array, relevantCount: number, k: number): number {
  let found = 0;
  for (let i = 0; i < Math.min(k, gains.length); i++) if (gains[i]! > 0) found++;
  return found / relevantCount;
}

/** 1 over the place of the first relevant pin, when that is among the first k; else 0. */
export function reciprocalRankAt(gains: Float64Array, k: number): number {
  for (let i = 0; i < Math.min(k, gains.length); i++) if (gains[i]! > 0) return 1 / (i + 1);
  return 0;
}

/** 1 when a relevant pin is among the first k, else 0. */
export function hitAt(gains: Float64Array, k: number): number {
  return reciprocalRankAt(gains, k) > 0 ? 1 : 0;
}

/** Discounted cumulative gain of the first k: gain / log2(place + 1), summed (Järvelin and Kekäläinen, 2002). */
function dcgAt(gains: Float64Array, k: number): number {
  let sum = 0;
  for (let i = 0; i < Math.min(k, gains.length); i++) sum += gains[i]! / Math.log2(i + 2);
  return sum;
}

/** The grades of all relevant pins in the best order: the gains of the list that nothing surpasses. */
export function idealGains(relevant: Relevant): Float64Array {
  return Float64Array.from(relevant.values()).sort().reverse();
}

/** The list's discounted gain over the ideal one's; in [0, 1]. */
export function ndcgAt(gains: Float64Array, ideal: Float64Array, k: number): number {
  return dcgAt(gains, k) / dcgAt(ideal, k);
}

/**
 * 1 - the mean cosine similarity of all pairs (Ziegler et al., 2005), NaN of fewer than two. By the length of the sum:
 * |sum|^2 = sum of |x|^2 + twice the similarities of the pairs.
 * @param units f32[dim], of length one, or all zeros, which are like nothing
 */
export function diversityOf(units: readonly Float32Array[]): number {
  const n = units.length;
  if (n < 2) return Number.NaN;
  const sum = new Float64Array(units[0]!.length);
  let squares = 0;
  for (const unit of units) {
    for (let i = 0; i < sum.length; i++) {
      sum[i]! += unit[i]!;
      squares += unit[i]! * unit[i]!;
    }
  }
  let length = 0;
  for (const value of sum) length += value * value;
  return 1 - (length - squares) / (n * (n - 1));
}

/** The mean of the first k values, NaN of none. */
export function meanAt(values: readonly number[], k: number): number {
  const first = values.slice(0, k);
  return first.reduce((sum, value) => sum + value, 0) / first.length;
}
