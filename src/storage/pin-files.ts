/** Input files of pins: which reader reads which, by the end of the name. Each streams, whatever the file's size. */
import type { Readable } from 'node:stream';
import { errorAt } from '../lib/errors.ts';
import { readChunks } from './byte-source.ts';
import { readHdf5 } from './formats/hdf5.ts';
import { readJsonLines } from './formats/json-lines.ts';
import { readNpy } from './formats/npy.ts';
import type { PinRow } from './formats/row.ts';
import { readVecs } from './formats/vecs.ts';

type Reader = (path: string) => AsyncGenerator<PinRow>;

const READERS: Readonly<Record<string, Reader>> = {
  '.jsonl': (path) => readJsonLines(readChunks(path), path),
  '.ndjson': (path) => readJsonLines(readChunks(path), path),
  '.npy': (path) => readNpy(readChunks(path), path),
  '.fvecs': (path) => readVecs(readChunks(path), path, 4),
  '.bvecs': (path) => readVecs(readChunks(path), path, 1),
  '.hdf5': (path) => readHdf5(path),
};

const ENDINGS: readonly string[] = Object.keys(READERS);

/**
 * The rows of a file of pins; `-` reads JSON lines from `stdin`. Throws bad_file at once for an unknown kind, and
 * while reading missing_file, io_error or bad_file. A bad line of a text file is a row with an error instead.
 */
export function readPinFile(path: string, stdin: Readable): AsyncGenerator<PinRow> {
  if (path === '-') return readJsonLines(stdin, 'stdin');
  const name = path.replace(/\.gz$/, '');
  const ending = ENDINGS.find((candidate) => name.endsWith(candidate));
  const reader = ending === undefined ? undefined : READERS[ending];
  if (reader === undefined) {
    throw errorAt('bad_file', path, `does not end in one of ${ENDINGS.join(', ')}, or those and .gz`);
  }
  return reader(path);
}
