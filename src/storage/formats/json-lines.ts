/** JSON values, one a line: pins most of all. A line that cannot be read is a row with an error, so that the reader can go on. */
import { type ErrorCode, errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { readLines } from './lines.ts';
import type { PinRow } from './row.ts';

/**
 * The rows of a text with one JSON value a line; blank lines count as lines but are no rows. A line of more than
 * `lineBytesMax` bytes is reported as limit_exceeded; one that is not UTF-8 or not JSON as `code`.
 */
export async function* readJsonLines(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  lineBytesMax: number = LIMITS.pinLineBytesMax,
  code: ErrorCode = 'bad_pin',
): AsyncGenerator<PinRow> {
  for await (const line of readLines(chunks, name, lineBytesMax, code)) {
    if ('error' in line) yield line;
    else yield parseLine(line.text, line.row, `${name}:${line.row}`, code);
  }
}

function parseLine(text: string, row: number, path: string, code: ErrorCode): PinRow {
  try {
    return { row, value: JSON.parse(text) };
  } catch (error) {
    return { row, error: errorAt(code, path, `is not valid JSON: ${(error as Error).message}`) };
  }
}
