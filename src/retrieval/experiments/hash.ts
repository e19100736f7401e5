/**
 * The hash that draws units into buckets: XXH64 (Collet, 2012; github.com/Cyan4973/xxHash, doc/xxhash_spec.md) with
 * seed 0, of the text's UTF-8 bytes. It is there in every language and in most SQL engines, so whoever analyses an
 * experiment can draw the same buckets; `test/golden/buckets.json` has vectors to compare with.
 *
 * In two halves of 32 bits: a few draws are made for each request, and with bigints each takes as long as a search.
 */

/** Buckets of a layer: traffic is cut by hundredths of a percent. */
export const BUCKETS = 10_000;

/** A 64-bit number as its halves; only their bits count, not their signs. */
interface Halves {
  readonly high: number;
  readonly low: number;
}

const PRIME1: Halves = { high: 0x9e3779b1, low: 0x85ebca87 };
const PRIME2: Halves = { high: 0xc2b2ae3d, low: 0x27d4eb4f };
const PRIME3: Halves = { high: 0x165667b1, low: 0x9e3779f9 };
const PRIME4: Halves = { high: 0x85ebca77, low: 0xc2b2ae63 };
const PRIME5: Halves = { high: 0x27d4eb2f, low: 0x165667c5 };
/** What the four lanes begin with: PRIME1 + PRIME2, PRIME2, 0 and -PRIME1. */
const LANES: readonly Halves[] = [
  { high: 0x60ea27ee, low: 0xadc0b5d6 },
  PRIME2,
  { high: 0, low: 0 },
  { high: 0x61c8864e, low: 0x7a143579 },
];
const ROTATIONS: readonly number[] = [1, 7, 12, 18];
/** Bytes that the four lanes take together. */
const STRIPE = 32;

/** A number of 64 bits that is changed in place. */
class U64 {
  high = 0;
  low = 0;

  set(high: number, low: number): this {
    this.high = high | 0;
    this.low = low | 0;
    return this;
  }

  add(high: number, low: number): this {
    const sum = (this.low >>> 0) + (low >>> 0);
    this.high = (this.high + high + (sum > 0xffff_ffff ? 1 : 0)) | 0;
    this.low = sum | 0;
    return this;
  }

  plus({ high, low }: Halves): this {
    return this.add(high, low);
  }

  xor(high: number, low: number): this {
    this.high ^= high;
    this.low ^= low;
    return this;
  }

  times({ high, low }: Halves): this {
    // The low halves by their own halves, whose products are exact
    const a1 = this.low >>> 16;
    const a0 = this.low & 0xffff;
    const b1 = low >>> 16;
    const b0 = low & 0xffff;
    const low00 = a0 * b0;
    const low01 = a0 * b1;
    const low10 = a1 * b0;
    const middle = (low00 >>> 16) + (low01 & 0xffff) + (low10 & 0xffff);
    const carry = a1 * b1 + (low01 >>> 16) + (low10 >>> 16) + (middle >>> 16);
    this.high = (carry + Math.imul(this.high, low) + Math.imul(this.low, high)) | 0;
    this.low = (middle << 16) | (low00 & 0xffff);
    return this;
  }

  /** By 1 to 31 bits. */
  rotate(bits: number): this {
    const { high, low } = this;
    this.high = (high << bits) | (low >>> (32 - bits));
    this.low = (low << bits) | (high >>> (32 - bits));
    return this;
  }

  /** Xors it with itself shifted right by 1 to 63 bits. */
  fold(bits: number): this {
    const { high, low } = this;
    if (bits >= 32) return this.xor(0, high >>> (bits - 32));
    return this.xor(high >>> bits, (low >>> bits) | (high << (32 - bits)));
  }
}

const encoder = new TextEncoder();
/** Where the bytes of a text lie that is not long, which units are not; an encoder that makes room each time is slow. */
const scratch = new Uint8Array(4096);
const scratchView = new DataView(scratch.buffer);

function digest(text: string): U64 {
  if (3 * text.length <= scratch.length)
    return digestOf(scratchView, encoder.encodeInto(text, scratch).written);
  const bytes = encoder.encode(text);
  return digestOf(new DataView(bytes.buffer, bytes.byteOffset), bytes.length);
}

function digestOf(view: DataView, length: number): U64 {
  const sum = new U64();
  const lane = new U64();
  let at = length - (length % STRIPE);
  if (at > 0) {
    const lanes = LANES.map(({ high, low }, i) => {
      const one = new U64().set(high, low);
      for (let start = 8 * i; start < at; start += STRIPE) {
        const { high: h, low: l } = one;
        one.set(view.getInt32(start + 4, true), view.getInt32(start, true));
        one.times(PRIME2).add(h, l).rotate(31).times(PRIME1);
      }
      return one;
    });
    for (const [i, { high, low }] of lanes.entries()) {
      lane.set(high, low).rotate(ROTATIONS[i]!);
      sum.add(lane.high, lane.low);
    }
    for (const one of lanes) {
      one.times(PRIME2).rotate(31).times(PRIME1);
      sum.xor(one.high, one.low).times(PRIME1).plus(PRIME4);
    }
  } else {
    sum.plus(PRIME5);
  }
  sum.add(0, length);
  for (; at + 8 <= length; at += 8) {
    lane
      .set(view.getInt32(at + 4, true), view.getInt32(at, true))
      .times(PRIME2)
      .rotate(31)
      .times(PRIME1);
    sum.xor(lane.high, lane.low).rotate(27).times(PRIME1).plus(PRIME4);
  }
  if (at + 4 <= length) {
    lane.set(0, view.getInt32(at, true)).times(PRIME1);
    sum.xor(lane.high, lane.low).rotate(23).times(PRIME2).plus(PRIME3);
    at += 4;
  }
  for (; at < length; at++) {
    lane.set(0, view.getUint8(at)).times(PRIME5);
    sum.xor(lane.high, lane.low).rotate(11).times(PRIME1);
  }
  return sum.fold(33).times(PRIME2).fold(29).times(PRIME3).fold(32);
}

/** XXH64 of a text, seed 0: a u64. What is no Unicode (half a surrogate pair) counts as U+FFFD. */
export function hash64(text: string): bigint {
  const { high, low } = digest(text);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** Where a text falls, a whole number in [0, BUCKETS): `hash64(text) mod 10,000`. */
export function bucketOf(text: string): number {
  const { high, low } = digest(text);
  // Exact: what is reduced is below 2^53
  return (((high >>> 0) % BUCKETS) * (0x1_0000_0000 % BUCKETS) + (low >>> 0)) % BUCKETS;
}
