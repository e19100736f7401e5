/** Pins as JSON, one a line. A line that cannot be read is a row with an error, so that the reader can go on. */
import { isUtf8 } from 'node:buffer';
import { errorAt, type NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { PinRow } from './row.ts';

const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = '\ufeff';

/**
 * The rows of a text with one JSON value a line, ended by LF or CRLF; blank lines count as lines but are no rows.
 * Never holds more than `lineBytesMax` bytes of a line: a longer one is skipped over and reported as limit_exceeded;
 * one that is not UTF-8 or not JSON is reported as bad_pin.
 */
export async function* readJsonLines(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  lineBytesMax: number = LIMITS.pinLineBytesMax,
): AsyncGenerator<PinRow> {
  let row = 1;
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const endLine = (): PinRow | undefined => {
    const isTooLong = bytes > lineBytesMax;
    const line = Buffer.concat(parts);
    parts = [];
    bytes = 0;
    const path = `${name}:${row}`;
    if (isTooLong) {
      return { row, error: errorAt('limit_exceeded', path, `is over ${lineBytesMax} bytes long`) };
    }
    return parseLine(line, row, path);
  };

  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length; ) {
      const end = chunk.indexOf(LINE_FEED, start);
      const part = chunk.subarray(start, end === -1 ? chunk.length : end);
      bytes += part.length;
      if (bytes > lineBytesMax) parts = [];
      else parts.push(part);
      if (end === -1) break;
      const result = endLine();
      if (result !== undefined) yield result;
      row++;
      start = end + 1;
    }
  }
  const last = endLine();
  if (last !== undefined) yield last;
}

function parseLine(line: Buffer, row: number, path: string): PinRow | undefined {
  const fault = (message: string): NearpinError => errorAt('bad_pin', path, message);
  if (!isUtf8(line)) return { row, error: fault('is not valid UTF-8') };
  let text = line.toString();
  if (row === 1 && text.startsWith(BYTE_ORDER_MARK)) text = text.slice(1);
  if (!/\S/.test(text)) return undefined;
  try {
    return { row, value: JSON.parse(text) };
  } catch (error) {
    return { row, error: fault(`is not valid JSON: ${(error as Error).message}`) };
  }
}
