/** Bodies in both formats, with nothing but globals and msgpackr: this runs in browsers too. */
import { Packr, Unpackr } from 'msgpackr';

export type Format = 'msgpack' | 'json';
export const MEDIA_TYPES: Readonly<Record<Format, string>> = {
  msgpack: 'application/msgpack',
  json: 'application/json',
};

// Without records, which are msgpackr's own, and with all bits of numbers: a filter's 19.99 stays 19.99.
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** The bytes or the text of a request; fields that are undefined are left out. */
export function encodeBody(value: object, format: Format): Uint8Array<ArrayBuffer> | string {
  return format === 'json'
    ? JSON.stringify(prepare(value, (vector) => Array.from(vector)))
    : // A copy: what msgpackr returns lies in a buffer that it goes on to use.
      new Uint8Array(packr.pack(prepare(value, toBytes)));
}

/** The value of an answer; bin, which only vectors are sent as, becomes Float32Array. */
export function decodeBody(bytes: ArrayBuffer, mediaType: string): unknown {
  if (/\bjson\b/.test(mediaType)) return JSON.parse(new TextDecoder().decode(bytes));
  if (/\bmsgpack\b/.test(mediaType)) return withFloats(unpackr.unpack(new Uint8Array(bytes)));
  throw new TypeError(`an answer of type ${mediaType || 'unknown'}`);
}

function prepare(value: unknown, convert: (vector: Float32Array) => unknown): unknown {
  if (value instanceof Float32Array) return convert(value);
  if (Array.isArray(value))
    return typeof value[0] === 'number' ? value : value.map((entry) => prepare(entry, convert));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(kept.map(([key, inner]) => [key, prepare(inner, convert)]));
}

function toBytes(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

function withFloats(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Float32Array(value.slice().buffer);
  if (Array.isArray(value)) return value.map(withFloats);
  if (typeof value !== 'object' || value === null) return value;
  for (const [key, inner] of Object.entries(value))
    if (typeof inner === 'object') (value as Record<string, unknown>)[key] = withFloats(inner);
  return value;
}
