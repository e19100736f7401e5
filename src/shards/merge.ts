/** From the hits of every shard to one list. */
import { type Metric, scoreOf } from '../core/metric.ts';
import type { ShardHits } from './protocol.ts';

export interface MergedHit {
  readonly id: string;
  readonly score: number;
  readonly vector?: Float32Array;
}

/** Order of hits: larger score first, ties by id (UTF-16 code units, the same on every platform). */
export function byScore(a: MergedHit, b: MergedHit): number {
  return b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/**
 * The k best of all shards' hits, without the excluded ids and those below minScore. Each shard must have been asked
 * for k plus as many hits as ids are excluded.
 */
export function mergeHits(
  shards: readonly ShardHits[],
  metric: Metric,
  k: number,
  exclude: ReadonlySet<string>,
  minScore: number,
): MergedHit[] {
  const hits: MergedHit[] = [];
  for (const { ids, distances, vectors } of shards) {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      const score = scoreOf(metric, distances[i]!);
      if (score < minScore || exclude.has(id)) continue;
      const vector = vectors?.[i];
      hits.push(vector ? { id, score, vector } : { id, score });
    }
  }
  return hits.sort(byScore).slice(0, k);
}
