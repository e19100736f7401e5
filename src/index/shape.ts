/** Looking at untrusted values: what a plain object is, and how a place inside it is named in an error. */
import { type ErrorCode, errorAt } from '../lib/errors.ts';

/** What JSON.parse or a msgpack decoder makes of a map: an object without a class of its own. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** `base.key`; the key alone at the top, where the base is empty. */
export function fieldPath(base: string, key: string): string {
  return base === '' ? key : `${base}.${key}`;
}

/**
 * The value as a record whose fields are all among `allowed`; a misspelt field is refused, never ignored.
 * Throws `code` at the path of the value or of the unknown field.
 */
export function checkRecord(
  value: unknown,
  allowed: readonly string[],
  path: string,
  code: ErrorCode,
): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw errorAt(code, path, 'must be an object');
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) throw errorAt(code, fieldPath(path, key), 'is not a known field');
  }
  return value;
}

/**
 * A number as it stands, or a 64-bit integer of msgpack (a bigint) when a number holds it exactly; undefined for
 * everything else, NaN and the infinities among it. -0 becomes 0.
 */
export function finiteNumber(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
  if (typeof value === 'bigint' && !Number.isSafeInteger(number)) return undefined;
  return number === 0 ? 0 : number;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** False for a string with half of a surrogate pair: it has no UTF-8 form, so it could not be stored as it is. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}
