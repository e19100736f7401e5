/**
 * The hash that draws units into buckets: XXH64 (Collet, 2012; github.com/Cyan4973/xxHash, doc/xxhash_spec.md) with
 * seed 0, of the text's UTF-8 bytes. It is there in every language and in most SQL engines, so whoever analyses an
 * experiment can draw the same buckets; `test/golden/buckets.json` has vectors to compare with.
 */

/** Buckets of a layer: traffic is cut by hundredths of a percent. */
export const BUCKETS = 10_000;

const PRIME1 = 0x9e3779b185ebca87n;
const PRIME2 = 0xc2b2ae3d27d4eb4fn;
const PRIME3 = 0x165667b19e3779f9n;
const PRIME4 = 0x85ebca77c2b2ae63n;
const PRIME5 = 0x27d4eb2f165667c5n;
/** Bytes that the four accumulators take in one step. */
const STRIPE = 32;

const encoder = new TextEncoder();

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const rotate = (x: bigint, bits: bigint): bigint => u64(x << bits) | (x >> (64n - bits));
const round = (sum: bigint, lane: bigint): bigint => u64(rotate(u64(sum + lane * PRIME2), 31n) * PRIME1);
const join = (sum: bigint, lane: bigint): bigint => u64((sum ^ round(0n, lane)) * PRIME1 + PRIME4);

/** XXH64 of a text, seed 0: a u64. What is no Unicode (half a surrogate pair) counts as U+FFFD. */
export function hash64(text: string): bigint {
  const bytes = encoder.encode(text);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  let sum: bigint;
  if (bytes.length >= STRIPE) {
    let a = u64(PRIME1 + PRIME2);
    let b = PRIME2;
    let c = 0n;
    let d = u64(-PRIME1);
    for (; at + STRIPE <= bytes.length; at += STRIPE) {
      a = round(a, view.getBigUint64(at, true));
      b = round(b, view.getBigUint64(at + 8, true));
      c = round(c, view.getBigUint64(at + 16, true));
      d = round(d, view.getBigUint64(at + 24, true));
    }
    sum = u64(rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n));
    for (const lane of [a, b, c, d]) sum = join(sum, lane);
  } else {
    sum = PRIME5;
  }
  sum = u64(sum + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8)
    sum = u64(rotate(sum ^ round(0n, view.getBigUint64(at, true)), 27n) * PRIME1 + PRIME4);
  if (at + 4 <= bytes.length) {
    sum = u64(rotate(sum ^ u64(BigInt(view.getUint32(at, true)) * PRIME1), 23n) * PRIME2 + PRIME3);
    at += 4;
  }
  for (; at < bytes.length; at++) sum = u64(rotate(sum ^ u64(BigInt(bytes[at]!) * PRIME5), 11n) * PRIME1);
  sum = u64((sum ^ (sum >> 33n)) * PRIME2);
  sum = u64((sum ^ (sum >> 29n)) * PRIME3);
  return sum ^ (sum >> 32n);
}

/** Where a text falls, a whole number in [0, BUCKETS): `hash64(text) mod 10,000`. */
export function bucketOf(text: string): number {
  return Number(hash64(text) % BigInt(BUCKETS));
}
