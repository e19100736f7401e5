/** The metrics: from distances, which the core computes, to scores, which the API shows, and unit vectors. */

/** How two vectors are compared. */
export type Metric = 'cosine' | 'dot' | 'l2';

/**
 * Score of a distance, larger is better: cosine similarity in [-1, 1], dot product, or minus the squared Euclidean
 * distance. Rounding can put a cosine just outside its range, so it is clamped.
 */
export function scoreOf(metric: Metric, distance: number): number {
  if (metric === 'cosine') return Math.max(-1, Math.min(1, 1 - distance));
  // 0 - d and not -d: a distance of 0 is a score of 0, not of -0
  return 0 - distance;
}

/** What to multiply a vector's components with for a length of 1, in f64; 0 for a zero vector, which callers refuse. */
export function unitScale(vector: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i]! * vector[i]!;
  return sum === 0 ? 0 : 1 / Math.sqrt(sum);
}

/** The vector divided by its length, computed in f64 and rounded once; a zero vector stays one. */
export function unitVector(vector: Float32Array): Float32Array {
  const scale = unitScale(vector);
  const unit = new Float32Array(vector.length);
  for (let i = 0; i < vector.length; i++) unit[i] = vector[i]! * scale;
  return unit;
}
