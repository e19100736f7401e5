/**
 * The spool of a shard during a build: what the build worker needs of each pin, in the order of the ordinals, in one
 * file that is written and read once, front to back. It lets a million pins pass through without being in memory.
 *
 * A record is: u32 bytes of what follows; u16 bytes of the id; the id; f32[dim]; the attribute row; per keyword list
 * its u32 length and codes. Little-endian, unaligned.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import { fileError } from './file-error.ts';

/** Writes collect in a buffer of this size. */
const BUFFER_BYTES = 4 * 1024 * 1024;

export interface SpoolRecord {
  /** UTF-8. */
  readonly id: Uint8Array;
  /** f32[dim]. */
  readonly vector: Float32Array;
  /** The attribute row. */
  readonly row: Uint8Array;
  /** Codes of each `keyword[]` attribute. */
  readonly lists: readonly Uint32Array[];
}

/** What a reader must know of the records. */
export interface SpoolShape {
  readonly dim: number;
  readonly rowStride: number;
  readonly lists: number;
}

const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

export class SpoolWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #used = 0;
  #count = 0;
  #isClosed = false;

  /** Makes the file. Throws io_error. */
  constructor(path: string) {
    if (endianness() !== 'LE') throw new Error('nearpin needs a little-endian processor, as WebAssembly is');
    this.path = path;
    try {
      this.#fd = openSync(path, 'wx');
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /** Records written. */
  get count(): number {
    return this.#count;
  }

  append({ id, vector, row, lists }: SpoolRecord): void {
    const listBytes = lists.reduce((sum, list) => sum + 4 + list.byteLength, 0);
    const bytes = 2 + id.length + vector.byteLength + row.length + listBytes;
    if (this.#used + 4 + bytes > BUFFER_BYTES) this.#flush();
    const buffer = this.#buffer;
    let at = buffer.writeUInt32LE(bytes, this.#used);
    at = buffer.writeUInt16LE(id.length, at);
    for (const part of [id, bytesOf(vector), row]) {
      buffer.set(part, at);
      at += part.length;
    }
    for (const list of lists) {
      at = buffer.writeUInt32LE(list.length, at);
      buffer.set(bytesOf(list), at);
      at += list.byteLength;
    }
    this.#used = at;
    this.#count++;
  }

  #flush(): void {
    try {
      for (let done = 0; done < this.#used; ) {
        done += writeSync(this.#fd, this.#buffer, done, this.#used - done);
      }
      this.#used = 0;
    } catch (error) {
      throw fileError(error, this.path);
    }
  }

  /** Writes what is left and closes the file. */
  end(): void {
    this.#flush();
    this.abandon();
  }

  /** Closes the file as it is, unless it is closed. */
  abandon(): void {
    if (!this.#isClosed) closeSync(this.#fd);
    this.#isClosed = true;
  }
}

/** The records of a spool, in order. A record's arrays are overwritten by the next one's. */
export function* readSpool(path: string, shape: SpoolShape): Generator<SpoolRecord> {
  const fd = openSync(path, 'r');
  try {
    const vector = new Float32Array(shape.dim);
    const row = new Uint8Array(shape.rowStride);
    let buffer = Buffer.alloc(BUFFER_BYTES);
    let start = 0;
    let end = 0;
    /** Makes at least n bytes available; false at the end of the file. */
    const fill = (n: number): boolean => {
      if (end - start >= n) return true;
      buffer.copyWithin(0, start, end);
      end -= start;
      start = 0;
      if (n > buffer.length) buffer = Buffer.concat([buffer, Buffer.alloc(n)]);
      while (end < n) {
        const read = readSync(fd, buffer, end, buffer.length - end, null);
        if (read === 0) return false;
        end += read;
      }
      return true;
    };
    while (fill(4)) {
      const bytes = buffer.readUInt32LE(start);
      if (!fill(4 + bytes)) throw new Error(`${path} ends within a record`);
      let at = start + 4;
      const take = (n: number) => {
        at += n;
        return buffer.subarray(at - n, at);
      };
      const idBytes = take(2).readUInt16LE();
      const id = take(idBytes);
      bytesOf(vector).set(take(shape.dim * 4));
      row.set(take(shape.rowStride));
      const lists: Uint32Array[] = [];
      for (let l = 0; l < shape.lists; l++) {
        const list = new Uint32Array(take(4).readUInt32LE());
        bytesOf(list).set(take(list.byteLength));
        lists.push(list);
      }
      yield { id, vector, row, lists };
      start += 4 + bytes;
    }
  } finally {
    closeSync(fd);
  }
}
