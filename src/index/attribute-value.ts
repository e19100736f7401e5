/** One scalar of an attribute, as a pin brings it or a filter asks for it: checked, and in its stored form. */
import { type ErrorCode, errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { AttributeType } from './config.ts';
import { finiteNumber, isWellFormed } from './shape.ts';
import { parseTime } from './time.ts';

export type Scalar = string | number | boolean;

const EXPECTED: Readonly<Record<AttributeType, string>> = {
  keyword: 'a string',
  'keyword[]': 'a string',
  number: 'a finite number',
  bool: 'true or false',
  time: 'epoch milliseconds as a whole number, or an ISO 8601 string',
};

/**
 * The value in the form that is stored and compared: a string for `keyword` and for an element of `keyword[]`, a
 * finite number for `number` (-0 becomes 0), epoch ms for `time`, a boolean for `bool`.
 * Throws `code` when the value does not fit the type, limit_exceeded for a keyword over LIMITS.keywordBytesMax.
 */
export function parseScalar(value: unknown, type: AttributeType, path: string, code: ErrorCode): Scalar {
  const scalar = scalarOf(value, type);
  if (scalar === undefined) throw errorAt(code, path, `must be ${EXPECTED[type]}`);
  if (typeof scalar === 'string') {
    if (!isWellFormed(scalar)) throw errorAt(code, path, 'is not valid Unicode');
    if (Buffer.byteLength(scalar) > LIMITS.keywordBytesMax) {
      throw errorAt('limit_exceeded', path, `is over ${LIMITS.keywordBytesMax} bytes`);
    }
  }
  return scalar;
}

function scalarOf(value: unknown, type: AttributeType): Scalar | undefined {
  switch (type) {
    case 'keyword':
    case 'keyword[]':
      return typeof value === 'string' ? value : undefined;
    case 'number':
      return finiteNumber(value);
    case 'time':
      return parseTime(value);
    case 'bool':
      return typeof value === 'boolean' ? value : undefined;
  }
}
