/** A text as lines, of which none is held that is too long. */
import { isUtf8 } from 'node:buffer';
import { type ErrorCode, errorAt, type NearpinError } from '../../lib/errors.ts';

const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = '\ufeff';

/** A line, or why it cannot be read. `row` counts from 1. */
export type TextLine =
  | { readonly row: number; readonly text: string }
  | { readonly row: number; readonly error: NearpinError };

/**
 * The lines of a text, ended by LF or CRLF; blank ones count but are left out. Never holds more than `lineBytesMax`
 * bytes of a line: a longer one is skipped over and reported as limit_exceeded, one that is not UTF-8 as
 * `code`.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  lineBytesMax: number,
  code: ErrorCode,
): AsyncGenerator<TextLine> {
  let row = 1;
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const endLine = (): TextLine | undefined => {
    const isTooLong = bytes > lineBytesMax;
    const line = Buffer.concat(parts);
    parts = [];
    bytes = 0;
    const path = `${name}:${row}`;
    if (isTooLong) {
      return { row, error: errorAt('limit_exceeded', path, `is over ${lineBytesMax} bytes long`) };
    }
    if (!isUtf8(line)) return { row, error: errorAt(code, path, 'is not valid UTF-8') };
    const text = line.toString();
    if (!/\S/.test(text)) return undefined;
    return { row, text: row === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text };
  };

  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length; ) {
      const end = chunk.indexOf(LINE_FEED, start);
      const part = chunk.subarray(start, end === -1 ? chunk.length : end);
      bytes += part.length;
      if (bytes > lineBytesMax) parts = [];
      else parts.push(part);
      if (end === -1) break;
      const line = endLine();
      if (line !== undefined) yield line;
      row++;
      start = end + 1;
    }
  }
  const last = endLine();
  if (last !== undefined) yield last;
}
