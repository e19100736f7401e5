/**
 * What was asked, as a log may show it: the fields of a request with its numbers and switches, but of texts, lists and
 * vectors only how long they are, and of filters only which attributes they compare how.
 */

/** Fields whose text is one of a few that this program knows. */
const KNOWN_WORDS: readonly string[] = ['mode', 'op', 'method', 'include'];
const DEPTH_MAX = 6;
const FIELDS_MAX = 32;
const NAME_CHARS_MAX = 64;

/** The shape of any value that a body can hold. */
export function shapeOf(value: unknown, field = '', depth = 0): unknown {
  if (typeof value === 'string') {
    if (KNOWN_WORDS.includes(field)) return value.slice(0, NAME_CHARS_MAX);
    return `${value.length} characters`;
  }
  if (value instanceof Uint8Array || value instanceof Float32Array) return `${value.length} numbers`;
  if (Array.isArray(value)) {
    if (field === 'include') return value.map((each) => shapeOf(each, field, DEPTH_MAX)).slice(0, FIELDS_MAX);
    return `${value.length} ${typeof value[0] === 'number' ? 'numbers' : 'entries'}`;
  }
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value);
  if (depth === DEPTH_MAX) return `${fields.length} fields`;
  const shown = fields
    .slice(0, FIELDS_MAX)
    .map(([name, each]) => [
      name.slice(0, NAME_CHARS_MAX),
      field === 'filter' ? filterShapeOf(each, depth + 1) : shapeOf(each, name, depth + 1),
    ]);
  return Object.fromEntries(shown);
}

/** A condition of a filter: its operators, and no value. */
function filterShapeOf(condition: unknown, depth: number): unknown {
  if (Array.isArray(condition)) {
    const isLogic = condition.some((each) => typeof each === 'object' && each !== null);
    if (!isLogic || depth === DEPTH_MAX) return `${condition.length} entries`;
    return condition.slice(0, FIELDS_MAX).map((each) => shapeOf(each, 'filter', depth + 1));
  }
  if (typeof condition !== 'object' || condition === null) return typeof condition;
  return shapeOf(condition, 'filter', depth);
}
