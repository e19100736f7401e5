/** From an error to RFC 9457 problem details. What is nobody's business outside (status 500) stays inside. */
import { ERRORS, NearpinError } from '../lib/errors.ts';
import type { Problem } from './contract.ts';

/** Where a server tells of every code what it means and what to do about it. */
export const ERROR_DOCUMENT = '/docs/errors';

/** The problem for any thrown value; faults of the program say only that they happened. */
export function toProblem(error: unknown): Problem {
  const known = error instanceof NearpinError ? error : new NearpinError('internal', '');
  const { code, status, details } = known;
  const { title } = ERRORS[code];
  return {
    type: `${ERROR_DOCUMENT}#${code}`,
    title,
    status,
    code,
    detail: status === 500 ? title : known.message,
    ...(details.length > 0 && { errors: details }),
  };
}

/** The same error as seen from the object around: paths and message start with `path`. */
export function errorWithin(path: string, error: NearpinError): NearpinError {
  const join = (inner: string) =>
    inner === '' ? path : `${path}${inner.startsWith('[') ? '' : '.'}${inner}`;
  const details = error.details.map((detail) => ({ ...detail, path: join(detail.path) }));
  const atDetail = details.length > 0 && error.message.startsWith(error.details[0]!.path);
  const message = atDetail ? join(error.message) : `${path}: ${error.message}`;
  return new NearpinError(error.code, message, details, { cause: error });
}
