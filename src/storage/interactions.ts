/**
 * Files of interactions: a line is a user's, then the pins that the user has saved, all between spaces. Repeats within
 * a line count once; a user without pins is left out.
 */
import { checkPinId } from '../index/pin.ts';
import { readChunks } from './byte-source.ts';
import { readLines } from './formats/lines.ts';

/** The pins of a very busy user. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

export interface InteractionsLine {
  readonly user: string;
  readonly pins: readonly string[];
}

/**
 * The lines of a file of interactions, unpacked when its name ends in `.gz`. Throws missing_file and
 * io_error, and bad_file, limit_exceeded and bad_pin_id with the line.
 */
export async function* readInteractions(path: string): AsyncGenerator<InteractionsLine> {
  for await (const line of readLines(readChunks(path), path, LINE_BYTES_MAX, 'bad_file')) {
    if ('error' in line) throw line.error;
    const [user, ...pins] = line.text.trim().split(/\s+/);
    const at = `${path}:${line.row}`;
    if (pins.length === 0) continue;
    yield { user: user!, pins: [...new Set(pins.map((pin) => checkPinId(pin, at)))] };
  }
}
