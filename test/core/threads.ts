/** What the writer and the readers of threads.test.ts agree on. */
import { Prng } from '../../src/lib/prng.ts';

export const DIM = 12;
/** Pins numbered below this are never removed. */
export const STABLE = 400;

export interface ReaderReport {
  searches: number;
  /** Searches for a stable pin's own vector that did not have it as the first hit. */
  missed: number;
  readonly faults: string[];
}

/** The vector of the pin whose id is this number. */
export function pinVector(n: number): Float32Array {
  const random = new Prng(n);
  const cluster = new Prng(n % 10);
  return Float32Array.from({ length: DIM }, () => cluster.normal() + 0.5 * random.normal());
}
