/**
 * Clustered vectors drawn by a seed: hard enough for the width of a search to matter, where uniform ones are not like
 * anything that people search. Gaussian clusters in a latent space (2,000 of them, of varying spread and weight),
 * carried to `dim` dimensions by a random layer with tanh, a little noise added, normalised.
 */
import { unitVector } from '../src/core/metric.ts';
import { Prng } from '../src/lib/prng.ts';

const LATENT = 24;
const CLUSTERS = 2000;

/** Draws unit vectors, f32[dim]; the same seed and dim give the same sequence. */
export function* drawClustered(dim: number, seed: number): Generator<Float32Array> {
  const prng = new Prng(seed);
  const normals = (n: number, deviation: number) =>
    Float64Array.from({ length: n }, () => prng.normal() * deviation);
  const weights = Array.from({ length: dim }, () => normals(LATENT, 1 / Math.sqrt(LATENT)));
  const bias = normals(dim, Math.sqrt(0.04));
  const centres = Array.from({ length: CLUSTERS }, () => normals(LATENT, 1));
  const spreads = Float64Array.from({ length: CLUSTERS }, () => Math.exp(0.25 * prng.normal()));
  let total = 0;
  const cumulated = Float64Array.from({ length: CLUSTERS }, () => {
    total += Math.exp(0.6 * prng.normal());
    return total;
  });
  const cluster = (): number => {
    const at = prng.float() * total;
    let low = 0;
    let high = CLUSTERS - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulated[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  for (;;) {
    const c = cluster();
    const latent = centres[c]!.map((x) => x + spreads[c]! * prng.normal());
    const vector = new Float32Array(dim);
    for (let i = 0; i < dim; i++) {
      const row = weights[i]!;
      let sum = 0;
      for (let j = 0; j < LATENT; j++) sum += row[j]! * latent[j]!;
      vector[i] = Math.tanh(2 * sum + bias[i]!) + 0.2 * prng.normal();
    }
    yield unitVector(vector);
  }
}

/** The first `count` of a sequence. */
export function take<T>(sequence: Generator<T>, count: number): T[] {
  return Array.from({ length: count }, () => sequence.next().value as T);
}
