/** MurmurHash3, x86, 32 bits (Appleby, 2011; public domain): a quick hash that other languages have, too. */

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

const rotate = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));
const mix = (k: number): number => Math.imul(rotate(Math.imul(k, C1), 15), C2);

/** The hash of bytes, a whole number in [0, 2^32). */
export function murmur3(bytes: Uint8Array, seed = 0): number {
  const { length } = bytes;
  const end = length & ~3;
  let hash = seed;
  for (let i = 0; i < end; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    hash = (Math.imul(rotate(hash ^ mix(word), 13), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let i = length - 1; i >= end; i--) rest = (rest << 8) | bytes[i]!;
  hash ^= mix(rest) ^ length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
