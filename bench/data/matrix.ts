/**
 * A matrix of vectors as a file: f32, little-endian, row after row, nothing else. Every engine's process reads its rows
 * from the same bytes, in pieces, so that what a process holds is its index and not the data.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { NearpinError } from '../../src/lib/errors.ts';

export interface Matrix {
  readonly path: string;
  /** Row of the file with which the matrix begins. */
  readonly first: number;
  readonly rows: number;
  readonly dim: number;
  /** Of the bytes of these rows, in hex; what is derived from them is kept under it. */
  readonly sha256: string;
}

const HASH_CHUNK_BYTES = 8 * 1024 * 1024;

/** Rows that a file holds. Throws bad_file when it is no whole number of them. */
export function rowsOf(path: string, dim: number): number {
  const rows = statSync(path).size / (dim * 4);
  if (!Number.isInteger(rows)) throw new NearpinError('bad_file', `${path} holds ${rows} rows of ${dim}`);
  return rows;
}

/** `rows` rows of a file from `first` on. Throws bad_file when the file has fewer. */
export function openMatrix(path: string, dim: number, first: number, rows: number): Matrix {
  const fd = openSync(path, 'r');
  try {
    const hash = createHash('sha256');
    const chunk = Buffer.alloc(HASH_CHUNK_BYTES);
    const end = (first + rows) * dim * 4;
    for (let at = first * dim * 4; at < end; ) {
      const count = readSync(fd, chunk, 0, Math.min(chunk.length, end - at), at);
      if (count === 0) throw new NearpinError('bad_file', `${path} ends before row ${first + rows}`);
      hash.update(chunk.subarray(0, count));
      at += count;
    }
    return { path, first, rows, dim, sha256: hash.digest('hex') };
  } finally {
    closeSync(fd);
  }
}

/** Reads rows of a matrix: f32[count * dim], into `target` when that is given, which is at least as long. */
export class MatrixReader {
  readonly #matrix: Matrix;
  readonly #fd: number;

  constructor(matrix: Matrix) {
    this.#matrix = matrix;
    this.#fd = openSync(matrix.path, 'r');
  }

  read(first: number, count: number, target = new Float32Array(count * this.#matrix.dim)): Float32Array {
    const { dim, path } = this.#matrix;
    const start = (this.#matrix.first + first) * dim * 4;
    const bytes = new Uint8Array(target.buffer, target.byteOffset, count * dim * 4);
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(this.#fd, bytes, done, bytes.length - done, start + done);
      if (read === 0) throw new NearpinError('bad_file', `${path} ends before row ${first + count}`);
      done += read;
    }
    return target.subarray(0, count * dim);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** All rows of a matrix, each a view of one array. */
export function readMatrix(matrix: Matrix): Float32Array[] {
  const reader = new MatrixReader(matrix);
  const values = reader.read(0, matrix.rows);
  reader.close();
  return Array.from({ length: matrix.rows }, (_, i) => values.subarray(i * matrix.dim, (i + 1) * matrix.dim));
}

const WRITE_ROWS = 1024;

/** Writes rows under another name and renames in the end: a file of that name is always whole. */
export class MatrixWriter {
  readonly path: string;
  readonly dim: number;
  readonly #temporary: string;
  readonly #fd: number;
  readonly #pending: Float32Array;
  #waiting = 0;
  rows = 0;

  constructor(path: string, dim: number) {
    this.path = path;
    this.#temporary = `${path}.${process.pid}.part`;
    this.dim = dim;
    this.#fd = openSync(this.#temporary, 'w');
    this.#pending = new Float32Array(dim * WRITE_ROWS);
  }

  write(row: Float32Array): void {
    this.#pending.set(row, this.#waiting * this.dim);
    this.rows++;
    if (++this.#waiting === WRITE_ROWS) this.#flush();
  }

  #flush(): void {
    const bytes = new Uint8Array(this.#pending.buffer, 0, this.#waiting * this.dim * 4);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    this.#waiting = 0;
  }

  end(): void {
    this.#flush();
    closeSync(this.#fd);
    renameSync(this.#temporary, this.path);
  }

  /** Leaves nothing behind. */
  abandon(): void {
    closeSync(this.#fd);
    rmSync(this.#temporary, { force: true });
  }
}
