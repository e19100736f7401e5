/** What the writer and the readers of masks.test.ts agree on: pins have a class, which never changes for some of them. */
import { OP } from '../../src/index/filter-program.ts';

export const PINS = 1500;
/** Pins of lower ordinals keep the class that is their ordinal modulo 40. */
export const STABLE = 700;
/** Classes that are filtered by: more than there is room for masks. */
export const ACCEPTED = 20;

export interface MaskReport {
  searches: number;
  /** Searches that found their mask kept. */
  cached: number;
  readonly faults: string[];
}

export function classRow(name: number): Uint8Array {
  return new Uint8Array(Float64Array.of(name).buffer);
}

export function isClass(name: number): Uint32Array {
  return Uint32Array.of(OP.numRange, 0, 3, ...new Uint32Array(Float64Array.of(name, name).buffer), OP.end);
}
