/**
 * JSON bodies, stricter than JSON.parse: no key twice in an object (which of the two was meant?), none that could
 * reach a prototype, no nesting without end. JSON.parse does the work; one walk over what it made finds the rest.
 */
import { isUtf8 } from 'node:buffer';
import { errorAt, NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';

/** Keys that no map of a request may have: they mean the prototype to careless code. */
export const FORBIDDEN_KEYS: readonly string[] = ['__proto__', 'constructor'];

/** The value of a JSON body; bad_json. */
export function decodeJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new NearpinError('bad_json', 'The body is not valid UTF-8');
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new NearpinError('bad_json', `The body is not valid JSON: ${(error as Error).message}`, [], {
      cause: error,
    });
  }
  // Of keys that occur twice JSON.parse keeps one, so the text has more keys than the value.
  if (countKeys(value, '', 1) !== countWrittenKeys(text))
    throw new NearpinError('bad_json', 'An object of the body has the same key twice');
  return value;
}

/** Keys of all objects in the value. */
function countKeys(value: unknown, path: string, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > LIMITS.msgpackDepthMax)
    throw errorAt('bad_json', path, `is nested deeper than ${LIMITS.msgpackDepthMax}`);
  let count = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++)
      if (typeof value[i] === 'object') count += countKeys(value[i], `${path}[${i}]`, depth + 1);
    return count;
  }
  for (const [key, inner] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (FORBIDDEN_KEYS.includes(key)) throw errorAt('bad_json', at, 'is not allowed as a key');
    count += 1 + countKeys(inner, at, depth + 1);
  }
  return count;
}

/** Strings followed by a colon in a text that is known to be JSON: hops from quote to quote. */
function countWrittenKeys(text: string): number {
  let count = 0;
  for (let open = text.indexOf('"'); open !== -1; ) {
    let close = text.indexOf('"', open + 1);
    while (isEscaped(text, close)) close = text.indexOf('"', close + 1);
    let after = close + 1;
    while (after < text.length && text.charCodeAt(after) <= 0x20) after++;
    if (text[after] === ':') count++;
    open = text.indexOf('"', after);
  }
  return count;
}

/** Whether an odd number of backslashes stands before the position. */
function isEscaped(text: string, position: number): boolean {
  let start = position;
  while (text[start - 1] === '\\') start--;
  return (position - start) % 2 === 1;
}
