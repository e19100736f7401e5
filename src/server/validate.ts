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
  // Of a union that fits in no branch the deepest errors tell the most, so what has an error below it is left out.
  const all = errors.flatMap(toDetails);
  const deepest = all.filter(({ path }) => !all.some((other) => isBelow(other.path, path)));
  const messages = new Map<string, string>();
  for (const { path, message } of deepest) {
    const other = messages.get(path);
    if (other === undefined) messages.set(path, message);
    else if (!other.includes(message)) messages.set(path, `${other}, or ${message}`);
  }
  const details = [...messages].map(([path, message]) => ({ path, message }));
  const first = details[0] ?? { path: '', message: 'is not valid' };
  const isLimit = deepest[0] !== undefined && LIMIT_KEYWORDS.includes(deepest[0].keyword);
  const message = first.path === '' ? `The body ${first.message}` : `${first.path}: ${first.message}`;
  return new NearpinError(isLimit ? 'limit_exceeded' : 'bad_request', message, details);
}

function toDetails(error: TLocalizedValidationError): (ErrorDetail & { keyword: string })[] {
  const { keyword, instancePath } = error;
  const path = toPath(instancePath);
  switch (error.keyword) {
    case 'required':
      return error.params.requiredProperties.map((name) => ({
        keyword,
        path: toPath(`${instancePath}/${name}`),
        message: 'is missing',
      }));
    case 'boolean':
      return [{ keyword, path, message: 'is not a known field' }];
    case 'enum':
      return [{ keyword, path, message: `must be one of ${error.params.allowedValues.join(', ')}` }];
    case 'const':
      return [{ keyword, path, message: `must be ${error.params.allowedValue}` }];
    // These only say that something else is wrong, which has an error of its own.
    case 'anyOf':
    case 'additionalProperties':
    case 'not':
      return [];
    default:
      return [{ keyword, path, message: error.message }];
  }
}

function isBelow(path: string, other: string): boolean {
  return (
    path.length > other.length &&
    path.startsWith(other) &&
    (other === '' || '.['.includes(path[other.length]!))
  );
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
