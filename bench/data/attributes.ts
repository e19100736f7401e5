/**
 * Numbers to filter by: one in [0, 1) for each vector, spread evenly, so that those below s are the share s. Every
 * process makes them for itself from the name.
 */
import { NearpinError } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import { type Matrix, MatrixReader } from './matrix.ts';

const SEED = 7;
const ROWS = 4096;

const MAKERS: Readonly<Record<string, (base: Matrix) => Float64Array>> = {
  /** The same everywhere: a filter leaves a thinner set of the same shape. */
  random(base) {
    const prng = new Prng(SEED);
    return Float64Array.from({ length: base.rows }, () => prng.float());
  },

  /**
   * The rank along a direction: a filter leaves a corner of the space, which most queries are far from. What real
   * attributes do, a kind of pin or a country, lies between the two.
   */
  corner(base) {
    const prng = new Prng(SEED);
    const direction = Float64Array.from({ length: base.dim }, () => prng.normal());
    const along = new Float64Array(base.rows);
    const reader = new MatrixReader(base);
    for (let first = 0; first < base.rows; first += ROWS) {
      const rows = reader.read(first, Math.min(ROWS, base.rows - first));
      for (let at = 0, row = first; at < rows.length; row++) {
        for (let i = 0; i < base.dim; i++, at++) along[row]! += direction[i]! * rows[at]!;
      }
    }
    reader.close();
    const order = Uint32Array.from({ length: base.rows }, (_, row) => row);
    order.sort((a, b) => along[a]! - along[b]! || a - b);
    const ranks = new Float64Array(base.rows);
    for (const [rank, row] of order.entries()) ranks[row] = rank / base.rows;
    return ranks;
  },
};

export const ATTRIBUTE_NAMES: readonly string[] = Object.keys(MAKERS);

/** The numbers of a name, f64[base.rows]. */
export function makeAttribute(name: string, base: Matrix): Float64Array {
  const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
  if (!make) throw new NearpinError('bad_request', `there is no attribute ${name}`);
  return make(base);
}
