/** What every reader of input files yields, and how it names damage. */
import { errorAt, type NearpinError } from '../../lib/errors.ts';

/**
 * One row: a value, still to be parsed as a pin, or why the row has none. `row` is the line number from 1 in a text
 * file and the row from 0 in a file of vectors.
 */
export type PinRow =
  | { readonly row: number; readonly value: unknown }
  | { readonly row: number; readonly error: NearpinError };

/** A bad_file error that names the file and the byte where the trouble starts. */
export function badFile(name: string, offset: number, message: string): NearpinError {
  return errorAt('bad_file', name, `at byte ${offset}: ${message}`);
}
