/** Unit length, the form in which a cosine is a dot product. */

/**
 * Copies `sum` (f64[dim]) into `into` (f32[dim]), divided by its length when `normalize` says so. The zero vector
 * has no direction and stays zero; so does a vector with a NaN or an infinity, which no search could use.
 */
export function writeVector(sum: Float64Array, into: Float32Array, normalize: boolean): void {
  let squared = 0;
  for (let i = 0; i < sum.length; i++) squared += sum[i]! * sum[i]!;
  if (squared === 0 || !Number.isFinite(squared)) {
    into.fill(0);
    return;
  }
  const scale = normalize ? 1 / Math.sqrt(squared) : 1;
  for (let i = 0; i < sum.length; i++) into[i] = sum[i]! * scale;
}
