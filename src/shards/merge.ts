/** From the hits of every shard to one list. */
import { type Metric, scoreOf } from '../core/metric.ts';
import type { ShardHits } from './protocol.ts';

export interface MergedHit {
  readonly id: string;
  readonly score: number;
  readonly vector?: Float32Array;
}

/**
 * What a hit of a shard is to the searcher: the pin as it is; the pin as it was when the search began, which counts
 * where it was not also found as it is; or nothing.
 */
export type Standing = 'current' | 'before' | 'hidden';

/** Order of hits: larger score first, ties by id (UTF-16 code units, the same on every platform). */
export function byScore(a: MergedHit, b: MergedHit): number {
  return b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/**
 * The k best of all shards' hits with at least minScore, no pin twice, and how many had to be left out because they are
 * hidden or were found twice.
 */
export function mergeHits(
  shards: readonly Pick<ShardHits, 'ids' | 'ordinals' | 'distances' | 'vectors'>[],
  metric: Metric,
  k: number,
  standingOf: (id: string, shard: number, ordinal: number) => Standing,
  minScore: number,
): { hits: MergedHit[]; leftOut: number } {
  const hits: MergedHit[] = [];
  const before: MergedHit[] = [];
  let leftOut = 0;
  for (let shard = 0; shard < shards.length; shard++) {
    const { ids, ordinals, distances, vectors } = shards[shard]!;
    const dim = (vectors?.length ?? 0) / ids.length;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      const score = scoreOf(metric, distances[i]!);
      if (score < minScore) continue;
      const standing = standingOf(id, shard, ordinals[i]!);
      if (standing === 'hidden') {
        leftOut++;
        continue;
      }
      const vector = vectors?.subarray(i * dim, (i + 1) * dim);
      (standing === 'current' ? hits : before).push(vector ? { id, score, vector } : { id, score });
    }
  }
  if (before.length > 0) {
    const found = new Set(hits.map(({ id }) => id));
    for (const hit of before) {
      if (found.has(hit.id)) leftOut++;
      else hits.push(hit);
    }
  }
  // Hits of one shard come in order, and mostly there is one
  if (!isInOrder(hits)) hits.sort(byScore);
  if (hits.length > k) hits.length = k;
  return { hits, leftOut };
}

function isInOrder(hits: readonly MergedHit[]): boolean {
  for (let i = 1; i < hits.length; i++) if (byScore(hits[i - 1]!, hits[i]!) > 0) return false;
  return true;
}
