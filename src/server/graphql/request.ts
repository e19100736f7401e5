/** From what GraphQL takes as a request to the one that REST takes: a null is nothing, but where null says something. */
import { errorAt } from '../../lib/errors.ts';

/** Null in one of these takes away what the surface has. */
const REMOVABLE: readonly string[] = ['diversity', 'groupBy', 'nearDuplicates', 'maxAge'];
/** Values of these are data, in which a null is a null. */
const DATA: readonly string[] = ['filter', 'sources', 'variants', 'vector', 'vectors'];

type Fields = Readonly<Record<string, unknown>>;

/** The request as REST takes it; bad_request for seen pins in two forms. */
export function toRequest(input: Fields, path = ''): Record<string, unknown> {
  const { seenBloom, users, ...fields } = withoutNulls(input) as Fields & { users?: readonly Fields[] };
  if (fields.seen !== undefined && seenBloom !== undefined)
    throw errorAt('bad_request', `${path}seen`, 'give either seen or seenBloom');
  return {
    ...fields,
    ...(seenBloom !== undefined && { seen: { bloom: seenBloom } }),
    ...(users !== undefined && { users: users.map((user, i) => toRequest(user, `users[${i}].`)) }),
  };
}

function withoutNulls(value: unknown, key = ''): unknown {
  if (DATA.includes(key)) return value;
  if (Array.isArray(value)) return value.map((entry) => withoutNulls(entry));
  if (typeof value !== 'object' || value === null) return value;
  const fields: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(value))
    if (inner !== null || REMOVABLE.includes(name)) fields[name] = withoutNulls(inner, name);
  return fields;
}
