/**
 * What a person has seen: pin ids, or a Bloom filter (1970) of them, which takes ten bits a pin in place of its id and holds
 * one pin in a hundred for seen that is not.
 *
 * A filter of `m` bits and `h` hashes holds an id when it has the bits (a + i b) mod m for i below h, with a and b the
 * MurmurHash3 (x86, 32 bits) of the id's UTF-8 bytes with seeds 0 and 1 (Kirsch and Mitzenmacher, 2006). Bit n is bit n mod 8
 * (from the least) of byte n / 8.
 */
import { checkPinId } from '../index/pin.ts';
import { errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { murmur3 } from '../lib/murmur3.ts';
import { checkList, checkWhole } from './plan.ts';

export interface BloomFilter {
  readonly bits: Uint8Array;
  readonly hashes: number;
}

export type IsSeen = (id: string) => boolean;

/** Whether an id is seen, by what a request says: absent, a list of ids, or `{bloom: {bits, hashes}}`, bits as bytes or in base64. */
export function checkSeen(value: unknown, path: string): IsSeen {
  if (value === undefined) return () => false;
  if (Array.isArray(value)) {
    const list = checkList(value, path, LIMITS.seenMax);
    const ids = new Set(list.map((id, i) => checkPinId(id, `${path}[${i}]`)));
    return (id) => ids.has(id);
  }
  const bloom = checkBloom((value as { bloom?: unknown } | null)?.bloom, `${path}.bloom`);
  return (id) => bloomHas(bloom, id);
}

/** An empty filter for about `count` ids, of which it takes one in `1 / rate` others for one of them. */
export function emptyBloom(count: number, rate: number): BloomFilter {
  const bits = Math.max(8, Math.ceil((-count * Math.log(rate)) / Math.LN2 ** 2));
  const hashes = Math.max(1, Math.min(LIMITS.bloomHashesMax, Math.round((bits / count) * Math.LN2)));
  return { bits: new Uint8Array(4 * Math.ceil(bits / 32)), hashes };
}

export function bloomAdd(bloom: BloomFilter, id: string): void {
  for (const bit of bitsOf(bloom, id)) bloom.bits[bit >>> 3]! |= 1 << (bit & 7);
}

export function bloomHas(bloom: BloomFilter, id: string): boolean {
  for (const bit of bitsOf(bloom, id)) if ((bloom.bits[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
  return true;
}

const encoder = new TextEncoder();

function* bitsOf({ bits, hashes }: BloomFilter, id: string): Generator<number> {
  const bytes = encoder.encode(id);
  const count = bits.length * 8;
  const a = murmur3(bytes, 0);
  const b = murmur3(bytes, 1);
  // Below 2^32 + 64 * 2^32: exact
  for (let i = 0; i < hashes; i++) yield (a + i * b) % count;
}

function checkBloom(value: unknown, path: string): BloomFilter {
  if (typeof value !== 'object' || value === null)
    throw errorAt('bad_request', path, 'must be {bits, hashes}: give ids or a Bloom filter of them');
  const { bits, hashes } = value as { bits?: unknown; hashes?: unknown };
  const bytes = bytesOf(bits, `${path}.bits`);
  if (!(bytes instanceof Uint8Array) || bytes.length === 0)
    throw errorAt('bad_request', `${path}.bits`, 'must be bytes, in JSON as base64');
  if (bytes.length > LIMITS.bloomBytesMax)
    throw errorAt('limit_exceeded', `${path}.bits`, `is over ${LIMITS.bloomBytesMax} bytes`);
  if (hashes === undefined) throw errorAt('bad_request', `${path}.hashes`, 'is missing');
  return { bits: bytes, hashes: checkWhole(hashes, `${path}.hashes`, 1, LIMITS.bloomHashesMax, 0) };
}

/** In msgpack of this API `bin` comes as floats, which here are bytes again. */
function bytesOf(bits: unknown, path: string): unknown {
  if (typeof bits === 'string') return fromBase64(bits, path);
  if (bits instanceof Float32Array) return new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength);
  return bits;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function fromBase64(text: string, path: string): Uint8Array {
  if (text.length > (LIMITS.bloomBytesMax * 4) / 3 + 4)
    throw errorAt('limit_exceeded', path, `is over ${LIMITS.bloomBytesMax} bytes`);
  if (!BASE64.test(text)) throw errorAt('bad_request', path, 'is not base64');
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
