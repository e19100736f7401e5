/** What a pin shows of itself: nothing is known of a payload but that it is JSON. */
import type { Hit } from '../../client/client.ts';
import type { AttributeType } from './filter.ts';

export type Shown = Pick<Hit, 'id' | 'payload' | 'attributes'>;

const TITLE_FIELDS = ['title', 'name', 'text'];
const IMAGE_FIELDS = ['image', 'imageUrl', 'thumbnail'];
/** What an image may be: of this server, over TLS, or in the payload itself. */
const IMAGE_SOURCE = /^(https:\/\/|data:image\/|\/(?!\/))/;

export function titleOf(pin: Shown): string {
  return stringAt(pin.payload, TITLE_FIELDS) ?? pin.id;
}

/** Undefined when the payload names none. */
export function imageOf({ payload }: Shown): string | undefined {
  const source = stringAt(payload, IMAGE_FIELDS);
  return source !== undefined && IMAGE_SOURCE.test(source) ? source : undefined;
}

/** All keywords of a pin, in the order of its attributes. */
export function keywordsOf({ attributes }: Shown): string[] {
  return Object.values(attributes ?? {})
    .flat()
    .filter((value) => typeof value === 'string');
}

/** An attribute's value for people; of a time, its day. */
export function valueText(value: unknown, type: AttributeType | undefined): string {
  if (Array.isArray(value)) return value.join(', ');
  if (type === 'time' && typeof value === 'number') return dayOf(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}

/** `2026-11-21`, in UTC. */
export function dayOf(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 10);
}

/** Fields of the payload that neither a card shows nor an attribute of the same name. */
export function otherFields({ payload, attributes = {} }: Shown): [string, string][] {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return [];
  const shown = [...TITLE_FIELDS, ...IMAGE_FIELDS, ...Object.keys(attributes)];
  return Object.entries(payload)
    .filter(([name]) => !shown.includes(name))
    .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
}

function stringAt(payload: unknown, fields: readonly string[]): string | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const values = fields.map((field) => (payload as Record<string, unknown>)[field]);
  return values.find((value): value is string => typeof value === 'string' && value !== '');
}
