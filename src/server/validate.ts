/** Checking a request's shape against its schema: strict, without coercion, and with nearpin's codes and paths. */
import { Compile } from 'typebox/compile';
import type { TLocalizedValidationError } from 'typebox/error';
import { type ErrorDetail, NearpinError } from '../lib/errors.ts';
import { CHECKED } from './schemas.ts';

/** Throws bad_request or limit_exceeded when the value does not fit. */
export type Check = (value: unknown) => void;

/** Compiles a schema, which may refer to the named ones of `schemas.ts`. */
export function compileCheck(schema: object): Check {
  const validator = Compile(CHECKED, schema);
  return (value) => {
    if (!validator.Check(value)) throw toError(validator.Errors(value));
  };
}

const LIMIT_KEYWORDS: readonly string[] = ['maximum', 'maxItems', 'maxLength'];

function toError(errors: readonly TLocalizedValidationError[]): NearpinError {
  const details = errors.flatMap(toDetails);
  const first = details[0] ?? { path: '', message: 'is not valid' };
  const isLimit = errors.every(({ keyword }) => LIMIT_KEYWORDS.includes(keyword));
  const message = first.path === '' ? `The body ${first.message}` : `${first.path}: ${first.message}`;
  return new NearpinError(isLimit ? 'limit_exceeded' : 'bad_request', message, details);
}

function toDetails(error: TLocalizedValidationError): ErrorDetail[] {
  const { instancePath } = error;
  const path = toPath(instancePath);
  switch (error.keyword) {
    case 'required':
      return error.params.requiredProperties.map((name) => ({
        path: toPath(`${instancePath}/${name}`),
        message: 'is missing',
      }));
    case 'boolean':
      return [{ path, message: 'is not a known field' }];
    case 'enum':
      return [{ path, message: `must be one of ${error.params.allowedValues.join(', ')}` }];
    case 'const':
      return [{ path, message: `must be ${error.params.allowedValue}` }];
    // These only say that something else is wrong, which has an error of its own.
    case 'anyOf':
    case 'additionalProperties':
    case 'not':
      return [];
    default:
      return [{ path, message: error.message }];
  }
}

/** `/pins/3/id`, a JSON pointer (RFC 6901), as `pins[3].id`. */
function toPath(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => {
      if (/^\d+$/.test(part)) return `${path}[${part}]`;
      return path === '' ? part : `${path}.${part}`;
    }, '');
}
