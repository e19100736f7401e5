/** From what was chosen on the page to a filter of the API, by the types that the index declares. */
import type { IndexDescription } from '../../client/client.ts';
import type { Filters } from './address.ts';

export type AttributeTypes = IndexDescription['config']['attributes'];
export type AttributeType = AttributeTypes[string];
export type Condition = Readonly<Record<string, unknown>>;

export interface Range {
  readonly from: string;
  readonly to: string;
}

const DAY_MS = 86_400_000;

/** The conditions on all attributes; undefined when there is none. Attributes that the index does not have are left out. */
export function filterOf(filters: Filters, types: AttributeTypes): Condition | undefined {
  const conditions = Object.entries(filters).flatMap(([name, values]) => {
    const type = Object.hasOwn(types, name) ? types[name] : undefined;
    const condition = type && conditionOf(type, values);
    return condition === undefined ? [] : [[name, condition] as const];
  });
  return conditions.length === 0 ? undefined : Object.fromEntries(conditions);
}

/** Either end is empty where it is open. */
export function readRange(text = ''): Range {
  const [from = '', to = ''] = text.split('..', 2);
  return { from, to };
}

/** What is chosen by a range: nothing where it is open at both ends. */
export function writeRange({ from, to }: Range): readonly string[] {
  return from === '' && to === '' ? [] : [`${from}..${to}`];
}

function conditionOf(type: AttributeType, values: readonly string[]): unknown {
  const [first] = values;
  if (first === undefined) return undefined;
  if (type === 'keyword' || type === 'keyword[]') return values.length === 1 ? first : { $in: values };
  if (type === 'bool') return first === 'true' || first === 'false' ? first === 'true' : undefined;
  const { from, to } = readRange(first);
  if (type === 'number') return bounds(numberOf(from), '$lte', numberOf(to));
  // A day is chosen with all its hours
  const last = Date.parse(to);
  return bounds(numberOrNothing(Date.parse(from)), '$lt', numberOrNothing(last + DAY_MS));
}

function bounds(from: number | undefined, upper: '$lt' | '$lte', to: number | undefined): unknown {
  if (from === undefined && to === undefined) return undefined;
  return { ...(from !== undefined && { $gte: from }), ...(to !== undefined && { [upper]: to }) };
}

const numberOf = (text: string): number | undefined =>
  text.trim() === '' ? undefined : numberOrNothing(Number(text));

const numberOrNothing = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);
