/** Size and checksum of a whole file, read in small pieces so that neither memory nor the event loop is held up. */
import { createReadStream } from 'node:fs';
import { checksum, hex32 } from '../lib/checksum.ts';
import { fileError } from './file-error.ts';

export interface FileSeal {
  readonly bytes: number;
  /** 8 hex digits. */
  readonly crc32: string;
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * The seal of a file, or of its first `bytesMax + 1` bytes: a file that is known to be too long need not be read to
 * its end. Throws missing_file or io_error.
 */
export async function sealOfFile(path: string, bytesMax = Number.POSITIVE_INFINITY): Promise<FileSeal> {
  let bytes = 0;
  let crc32 = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, end: bytesMax })) {
      bytes += (chunk as Buffer).length;
      crc32 = checksum(chunk as Buffer, crc32);
    }
  } catch (error) {
    throw fileError(error, path);
  }
  return { bytes, crc32: hex32(crc32) };
}
