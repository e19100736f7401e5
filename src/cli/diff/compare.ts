/** Whether two answers are the same to whoever reads them: hits in their order, scores, parts, coverage, refusals by code. */

/** A place where two answers differ, with what stands there on each side. */
export interface Difference {
  readonly path: string;
  readonly left: unknown;
  readonly right: unknown;
}

/** Differences that are told of one answer at most. */
const TOLD_MAX = 10;
/** Time is never the same, and how shards were searched depends on what was asked before. */
const NOT_COMPARED: readonly string[] = ['tookMs', 'explain'];
/** Of a problem: the rest is for people. */
const OF_PROBLEM: readonly string[] = ['code', 'status'];

/**
 * The first places where two answers, of REST's shape, differ.
 * @param tolerance of numbers, absolute up to 1 and relative above
 */
export function differences(left: unknown, right: unknown, tolerance: number): Difference[] {
  const found: Difference[] = [];
  compare(left, right, '', tolerance, found);
  return found;
}

function compare(left: unknown, right: unknown, path: string, tolerance: number, found: Difference[]): void {
  if (found.length >= TOLD_MAX || Object.is(left, right)) return;
  if (typeof left === 'number' && typeof right === 'number') {
    if (Math.abs(left - right) <= tolerance * Math.max(1, Math.abs(left), Math.abs(right))) return;
  } else if (Array.isArray(left) && Array.isArray(right)) {
    for (let i = 0; i < Math.max(left.length, right.length); i++)
      compare(left[i], right[i], `${path}[${i}]`, tolerance, found);
    return;
  } else if (isObject(left) && isObject(right)) {
    const names = new Set([...namesOf(left), ...namesOf(right)]);
    for (const name of names)
      compare(left[name], right[name], path === '' ? name : `${path}.${name}`, tolerance, found);
    return;
  }
  found.push({ path, left, right });
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Names of the fields that count. A payload that is null cannot be told from none in GraphQL. */
function namesOf(value: Readonly<Record<string, unknown>>): string[] {
  const names = 'code' in value && 'status' in value ? OF_PROBLEM : Object.keys(value);
  const isAnswer = 'tookMs' in value;
  return names.filter(
    (name) => !(isAnswer && NOT_COMPARED.includes(name)) && !(name === 'payload' && value[name] === null),
  );
}
