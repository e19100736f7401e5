/** CRC-32 (the polynomial of zlib and PNG): what the files of an index are checked by. */
import { crc32 } from 'node:zlib';

/** A checksum: a u32 of bytes that may follow others, whose checksum is `soFar`; 0 starts. */
export type Checksum = (bytes: Uint8Array, soFar: number) => number;

/**
 * The CRC-32 of bytes as a u32. For data in several chunks hand the result so far to the next call; 0 starts.
 * The view may lie on a SharedArrayBuffer.
 */
export function checksum(bytes: Uint8Array, soFar = 0): number {
  return crc32(bytes, soFar);
}

/** A u32 as eight lower-case hex digits: how a manifest writes checksums. */
export function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}
