/**
 * Vectors in HDF5, as the data sets of ann-benchmarks: matrices `train`, `test` and `neighbors`, and the metric as the
 * attribute `distance` of the file. The library reads where it likes in a file, so this one takes a path and no stream.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Dataset, File } from 'h5wasm';
import { errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { readChunks } from '../byte-source.ts';
import { fileError } from '../file-error.ts';
import type { PinRow } from './row.ts';

type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** A matrix of numbers in a file. */
export interface Hdf5Matrix {
  readonly rows: number;
  readonly dim: number;
  /** Values of `count` rows from `first`, row after row. */
  read(first: number, count: number): Numbers;
}

const READ_BYTES = 16 * 1024 * 1024;

/** The data set that holds the vectors to search. */
export const HDF5_BASE = 'train';

/** An open file. Close it in the end. */
export class Hdf5 {
  readonly #path: string;
  readonly #file: File;
  readonly #unpacked: string | undefined;

  private constructor(path: string, file: File, unpacked: string | undefined) {
    this.#path = path;
    this.#file = file;
    this.#unpacked = unpacked;
  }

  /** Opens a file, unpacked first when its name ends in .gz. Throws missing_file, bad_file or io_error. */
  static async open(path: string): Promise<Hdf5> {
    try {
      await stat(path);
    } catch (error) {
      throw fileError(error, path);
    }
    const unpacked = path.endsWith('.gz') ? await unpack(path) : undefined;
    try {
      const library = await import('h5wasm/node');
      // Else it answers with what is no file, and prints a page about it
      (await library.ready).activate_throwing_error_handler();
      return new Hdf5(path, new library.File(unpacked ?? path, 'r'), unpacked);
    } catch (cause) {
      await remove(unpacked);
      throw errorAt('bad_file', path, `is not an HDF5 file that can be read: ${faultOf(cause)}`);
    }
  }

  /** What the file says of its metric, like `angular` or `euclidean`. */
  get distance(): string | undefined {
    return this.#guard(() => {
      const value = this.#file.attrs.distance?.value;
      return typeof value === 'string' ? value : undefined;
    });
  }

  /** A matrix by name; undefined when there is none of that name. Throws bad_file when it is no matrix of numbers. */
  matrix(name: string): Hdf5Matrix | undefined {
    const dataset = this.#guard(() => (this.#file.keys().includes(name) ? this.#file.get(name) : undefined));
    if (dataset === undefined) return undefined;
    const refuse = (message: string) => errorAt('bad_file', this.#path, `${name} ${message}`);
    const shape = dataset !== null && 'shape' in dataset ? dataset.shape : null;
    if (shape?.length !== 2) throw refuse('is not a matrix');
    const [rows, dim] = shape as [number, number];
    if (dim < 1 || dim > LIMITS.dimMax) throw refuse(`has rows of ${dim} values`);
    if (!/^[<>|]?[fdbBhHiI]$/.test(String((dataset as Dataset).dtype))) throw refuse('does not hold numbers');
    return {
      rows,
      dim,
      read: (first, count) =>
        this.#guard(() => {
          const values = (dataset as Dataset).slice([[first, first + count], []]);
          if (!ArrayBuffer.isView(values) || (values as Numbers).length !== count * dim) {
            throw new Error(`${name} cannot be read at row ${first}`);
          }
          return values as Numbers;
        }),
    };
  }

  #guard<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw errorAt('bad_file', this.#path, `is damaged: ${faultOf(error)}`);
    }
  }

  async close(): Promise<void> {
    this.#file.close();
    await remove(this.#unpacked);
  }
}

/** The innermost cause of what the library says, which is a page of calls. */
function faultOf(error: unknown): string {
  const { message } = error as Error;
  return [...message.matchAll(/\(\): (.+)/g)].at(-1)?.[1] ?? message.split('\n', 1)[0]!;
}

async function unpack(path: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nearpin-hdf5-'));
  const file = join(folder, basename(path, '.gz'));
  try {
    await pipeline(Readable.from(readChunks(path)), createWriteStream(file));
    return file;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw fileError(error, file, null);
  }
}

async function remove(unpacked: string | undefined): Promise<void> {
  if (unpacked !== undefined) await rm(join(unpacked, '..'), { recursive: true, force: true });
}

/**
 * The rows of a data set of the file as pins `{id, vector}`, the id being the row number from 0.
 * Throws missing_file, bad_file or io_error.
 */
export async function* readHdf5(path: string, name: string = HDF5_BASE): AsyncGenerator<PinRow> {
  const file = await Hdf5.open(path);
  try {
    const matrix = file.matrix(name);
    if (matrix === undefined) throw errorAt('bad_file', path, `has no data set ${name}`);
    const { rows, dim } = matrix;
    const step = Math.max(1, Math.floor(READ_BYTES / (dim * 4)));
    for (let first = 0; first < rows; first += step) {
      const count = Math.min(step, rows - first);
      const values = matrix.read(first, count);
      for (let i = 0; i < count; i++) {
        const row = first + i;
        yield {
          row,
          value: { id: String(row), vector: Float32Array.from(values.subarray(i * dim, (i + 1) * dim)) },
        };
      }
    }
  } finally {
    await file.close();
  }
}
