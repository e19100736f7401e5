/** Cases of an evaluation: a request to a surface, and the pins that a good answer has. */
import { checkPinId } from '../index/pin.ts';
import { checkRecord, isRecord } from '../index/shape.ts';
import { errorAt } from '../lib/errors.ts';
import type { Relevant } from './metrics.ts';

/** The body of a request as the surface takes it; what is wrong with it, the surface says. */
export type RequestBody = Readonly<Record<string, unknown>>;

export interface EvaluationCase {
  /** Where it stands, for messages: file and line. */
  readonly at: string;
  readonly request: RequestBody;
  readonly relevant: Relevant;
  /** Cases of one user are not independent: confidence intervals draw them together. */
  readonly user?: string;
}

/**
 * Checks a case, `{request, relevant: [id] | {id: grade}, user?}`. Grades are numbers of at least 0, of which 0 is not
 * relevant; at least one pin must be.
 * @throws NearpinError bad_case or bad_pin_id at `path`
 */
export function parseCase(value: unknown, path: string): EvaluationCase {
  const { request, relevant, user } = checkRecord(value, ['request', 'relevant', 'user'], path, 'bad_case');
  const fault = (field: string, message: string) => errorAt('bad_case', `${path}: ${field}`, message);
  if (!isRecord(request)) throw fault('request', 'must be an object, the body of a request');
  if (user !== undefined && typeof user !== 'string') throw fault('user', 'must be a string');

  const grades = new Map<string, number>();
  if (Array.isArray(relevant)) {
    for (const [i, id] of relevant.entries()) grades.set(checkPinId(id, `${path}: relevant[${i}]`), 1);
  } else if (isRecord(relevant)) {
    for (const [id, grade] of Object.entries(relevant)) {
      const at = `relevant.${id}`;
      if (typeof grade !== 'number' || !Number.isFinite(grade) || grade < 0)
        throw fault(at, 'must be a grade, a number of at least 0');
      if (grade > 0) grades.set(checkPinId(id, `${path}: ${at}`), grade);
    }
  } else {
    throw fault('relevant', 'must be a list of pin ids, or an object of grades by pin id');
  }
  if (grades.size === 0) throw fault('relevant', 'must hold a pin that is relevant');
  return { at: path, request, relevant: grades, ...(user !== undefined && { user }) };
}
