/** Size and checksum of a whole file, read in small pieces so that neither memory nor the event loop is held up. */
import { open } from 'node:fs/promises';
import { checksum, hex32 } from '../lib/checksum.ts';
import { fileError } from './file-error.ts';

export interface FileSeal {
  readonly bytes: number;
  /** 8 hex digits. */
  readonly crc32: string;
}

const PIECE_BYTES = 256 * 1024;

/**
 * The seal of a file, or of its first `bytesMax + 1` bytes: a file that is known to be too long need not be read to
 * its end. Throws missing_file or io_error.
 */
export async function sealOfFile(path: string, bytesMax = Number.POSITIVE_INFINITY): Promise<FileSeal> {
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let bytes = 0;
  let crc32 = 0;
  try {
    const file = await open(path);
    try {
      while (bytes <= bytesMax) {
        const { bytesRead } = await file.read(piece, 0, Math.min(PIECE_BYTES, bytesMax + 1 - bytes), bytes);
        if (bytesRead === 0) break;
        bytes += bytesRead;
        crc32 = checksum(piece.subarray(0, bytesRead), crc32);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, path);
  }
  return { bytes, crc32: hex32(crc32) };
}
