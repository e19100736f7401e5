/**
 * msgpack (github.com/msgpack/msgpack/blob/master/spec.md) as requests may use it. Decoding is our own, because
 * the general decoders are lenient where a server must not be: they take the reserved byte, private extensions,
 * keys that reach a prototype and the same key twice. In this API `bin` always means a vector of little-endian
 * f32, so it becomes a Float32Array here, in one copy. Encoding is msgpackr's.
 */
import { isUtf8 } from 'node:buffer';
import { Packr } from 'msgpackr';
import { type ErrorCode, errorAt, NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { FORBIDDEN_KEYS } from './json.ts';

const KEY_ASCII_MAX = 24;

/**
 * The value of a msgpack body: maps as plain objects, 64-bit integers beyond 2^53 as bigint, bin as Float32Array.
 * @throws NearpinError bad_msgpack, or bad_dim for a bin whose length is not a multiple of 4, with the path
 */
export function decodeMsgpack(bytes: Buffer): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(1);
  reader.end();
  return value;
}

class Reader {
  readonly #bytes: Buffer;
  #position = 0;
  /** Key or index at each depth of the value being read. */
  readonly #path: (string | number)[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  end(): void {
    const left = this.#bytes.length - this.#position;
    if (left > 0) throw new NearpinError('bad_msgpack', `${left} bytes follow the end of the body's value`);
  }

  value(depth: number): unknown {
    const byte = this.#bytes[this.#take(1)]!;
    if (byte < 0x80) return byte;
    if (byte < 0x90) return this.#map(byte & 0x0f, depth);
    if (byte < 0xa0) return this.#array(byte & 0x0f, depth);
    if (byte < 0xc0) return this.#string(byte & 0x1f);
    if (byte >= 0xe0) return byte - 0x100;
    switch (byte) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#vector(this.#length(1));
      case 0xc5:
        return this.#vector(this.#length(2));
      case 0xc6:
        return this.#vector(this.#length(4));
      case 0xca:
        return this.#bytes.readFloatBE(this.#take(4));
      case 0xcb:
        return this.#bytes.readDoubleBE(this.#take(8));
      case 0xcc:
        return this.#length(1);
      case 0xcd:
        return this.#length(2);
      case 0xce:
        return this.#length(4);
      case 0xcf:
        return exactInteger(this.#bytes.readBigUInt64BE(this.#take(8)));
      case 0xd0:
        return this.#bytes.readInt8(this.#take(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#take(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#take(4));
      case 0xd3:
        return exactInteger(this.#bytes.readBigInt64BE(this.#take(8)));
      case 0xd9:
        return this.#string(this.#length(1));
      case 0xda:
        return this.#string(this.#length(2));
      case 0xdb:
        return this.#string(this.#length(4));
      case 0xdc:
        return this.#array(this.#length(2), depth);
      case 0xdd:
        return this.#array(this.#length(4), depth);
      case 0xde:
        return this.#map(this.#length(2), depth);
      case 0xdf:
        return this.#map(this.#length(4), depth);
      case 0xc1:
        return this.#refuse('bad_msgpack', 'holds the reserved byte c1');
      default:
        return this.#refuse('bad_msgpack', 'holds an extension type, which this API does not use');
    }
  }

  /** Claims the next bytes and says where they start. */
  #take(count: number): number {
    const start = this.#position;
    if (count > this.#bytes.length - start) this.#refuse('bad_msgpack', 'ends before its value does');
    this.#position = start + count;
    return start;
  }

  #length(bytes: number): number {
    return this.#bytes.readUIntBE(this.#take(bytes), bytes);
  }

  #vector(length: number): Float32Array {
    const start = this.#take(length);
    if (length % 4 !== 0)
      this.#refuse('bad_dim', `has ${length} bytes, not a multiple of 4 for 32-bit floats`);
    const vector = new Float32Array(length / 4);
    new Uint8Array(vector.buffer).set(this.#bytes.subarray(start, start + length));
    return vector;
  }

  #string(length: number): string {
    const start = this.#take(length);
    // Most strings are short ASCII keys; for them a call into Buffer costs more than the loop.
    if (length <= KEY_ASCII_MAX) {
      let text = '';
      for (let i = start; i < start + length; i++) {
        const byte = this.#bytes[i]!;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (text.length === length) return text;
    }
    if (!isUtf8(this.#bytes.subarray(start, start + length)))
      this.#refuse('bad_msgpack', 'holds a string that is not valid UTF-8');
    return this.#bytes.toString('utf8', start, start + length);
  }

  #array(length: number, depth: number): unknown[] {
    this.#enter(length, depth);
    const array: unknown[] = [];
    for (let i = 0; i < length; i++) {
      this.#path[depth - 1] = i;
      array.push(this.value(depth + 1));
    }
    this.#path.length = depth - 1;
    return array;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    this.#enter(length * 2, depth);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string')
        return this.#refuse('bad_msgpack', 'holds a map whose key is not a string');
      this.#path[depth - 1] = key;
      if (FORBIDDEN_KEYS.includes(key)) this.#refuse('bad_msgpack', 'is not allowed as a key');
      if (Object.hasOwn(map, key)) this.#refuse('bad_msgpack', 'is the same key twice');
      map[key] = this.value(depth + 1);
    }
    this.#path.length = depth - 1;
    return map;
  }

  /** Every entry takes at least a byte, so that a length read from the wire is never trusted for more. */
  #enter(entries: number, depth: number): void {
    if (depth > LIMITS.msgpackDepthMax)
      this.#refuse('bad_msgpack', `is nested deeper than ${LIMITS.msgpackDepthMax}`);
    if (entries > this.#bytes.length - this.#position)
      this.#refuse('bad_msgpack', 'ends before its value does');
  }

  #refuse(code: ErrorCode, message: string): never {
    const path = this.#path.reduce<string>((path, key) => {
      if (typeof key === 'number') return `${path}[${key}]`;
      return path === '' ? key : `${path}.${key}`;
    }, '');
    throw path === '' ? new NearpinError(code, `The body ${message}`) : errorAt(code, path, message);
  }
}

function exactInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

// Records are msgpackr's own extension, which no other decoder reads. Numbers keep their 64 bits: payloads and
// attributes come back as they went in, and vectors, where half the size matters, travel as bin.
const packr = new Packr({ useRecords: false, variableMapSize: true });

/** The bytes of a value; it must hold no typed array but Uint8Array (msgpackr writes others wrongly). */
export function encodeMsgpack(value: unknown): Buffer {
  return packr.pack(value);
}
