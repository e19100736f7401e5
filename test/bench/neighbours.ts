/** The naive twin of every search: ordinals of all vectors, nearest first, ties by ordinal. */
import { trueDistance } from '../../bench/data/truth.ts';
import type { Metric } from '../../src/core/metric.ts';

export function sortedByDistance(
  metric: Metric,
  query: Float32Array,
  vectors: readonly Float32Array[],
): number[] {
  const distances = vectors.map((vector) => trueDistance(metric, query, vector));
  return distances.map((_, i) => i).sort((a, b) => distances[a]! - distances[b]! || a - b);
}
