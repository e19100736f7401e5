/** The bytes of an input file as a stream: from a path or standard input, unpacked when the name ends in `.gz`. */
import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { errorAt } from '../lib/errors.ts';
import { fileError } from './file-error.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * The chunks of a file; each may be kept. Stopping early closes the file.
 * Throws missing_file, io_error, or bad_file when the gzip data is damaged or cut off.
 */
export async function* readChunks(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const isPacked = path.endsWith('.gz');
  // The error of either stream surfaces while the last one is read, so there is nothing to do in the callback.
  const stream: Readable = isPacked
    ? pipeline(file, createGunzip({ chunkSize: CHUNK_BYTES }), () => {})
    : file;
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    if (isPacked && String((error as NodeJS.ErrnoException).code).startsWith('Z_')) {
      throw errorAt('bad_file', path, `is damaged near byte ${file.bytesRead}: ${(error as Error).message}`);
    }
    throw fileError(error, path);
  }
}

/** Takes exact amounts from a stream of chunks. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#offset;
  }

  /** The next `count` bytes in memory of their own, fewer only at the end of the stream. */
  async take(count: number): Promise<Buffer> {
    const taken = Buffer.alloc(count);
    let filled = 0;
    while (filled < count) {
      if (this.#current.length === 0) {
        const next = await this.#chunks.next();
        if (next.done) break;
        this.#current = next.value;
      }
      const part = this.#current.subarray(0, count - filled);
      taken.set(part, filled);
      filled += part.length;
      this.#current = this.#current.subarray(part.length);
    }
    this.#offset += filled;
    return taken.subarray(0, filled);
  }

  /** Lets go of the stream before its end. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
