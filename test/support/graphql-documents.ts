/**
 * Random GraphQL requests for fuzzing: documents drawn from the schema (with aliases, fragments, directives and variables,
 * some of them wrong), and the same with parts of their text changed. Each is the body of a POST.
 */
import fc from 'fast-check';
import { getNamedType, isInterfaceType, isObjectType } from 'graphql';
import { createSchema } from '../../src/server/graphql/schema.ts';

const SCHEMA = createSchema();
const ODD: readonly unknown[] = [
  null,
  true,
  '',
  'p1',
  'ü\u0000',
  '__proto__',
  -1,
  0,
  1e308,
  2 ** 53,
  [],
  [[]],
  {},
  { $lt: 1 },
];

/** Values of variables, by their names: those of requests go by their types. */
const RIGHT: Readonly<Record<string, readonly object[]>> = {
  RelatedRequest: [
    { pins: [{ id: 'p1' }], k: 3 },
    { pins: [{ id: 'p1', weight: 2 }], negatives: [{ id: 'p2' }], diversity: {} },
  ],
  RelatedToPinRequest: [{ k: 2 }, { groupBy: { field: 'category', size: 1 } }],
  QueryRequest: [{ vector: [1, 0, 0, 0, 0, 0, 0, 0], k: 3, filter: { category: 'lamps' } }],
  QueriesRequest: [{ vectors: [[1, 0, 0, 0, 0, 0, 0, 0]] }],
  SearchRequest: [{ text: 'red', mode: 'hybrid' }],
  HomefeedRequest: [{ history: [{ id: 'p1', at: '2026-01-01' }], seen: ['p2'] }],
  NotificationsRequest: [{ users: [{ user: 'ann', history: [{ id: 'p1' }] }] }],
};
const FIELDS = [
  'k',
  'ef',
  'pins',
  'vector',
  'filter',
  'boosts',
  'sources',
  'seen',
  'include',
  'history',
  'users',
];

const odd = fc.constantFrom(...ODD);
const requests = Object.entries(RIGHT).map(([name, right]) => {
  const base = fc.constantFrom(...right);
  const changed = fc
    .tuple(base, fc.constantFrom(...FIELDS), odd)
    .map(([fields, field, value]) => ({ ...fields, [field]: value }));
  const request = fc.oneof(
    { weight: 6, arbitrary: base },
    { weight: 2, arbitrary: changed },
    { weight: 1, arbitrary: odd },
  );
  return [name, request] as const;
});
const mostly = <T>(right: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 6, arbitrary: right }, { weight: 1, arbitrary: odd });
const variables = fc.record({
  ...Object.fromEntries(requests),
  index: mostly(fc.constantFrom('demo', 'demo', 'demo', 'late', 'none')),
  id: mostly(fc.constantFrom('p1', 'p2', 'UGluOmRlbW86cDE')),
  n: mostly(fc.integer({ min: 1, max: 9 })),
  yes: mostly(fc.boolean()),
});
const TYPES: Readonly<Record<string, string>> = { index: 'String!', id: 'ID!', n: 'Int', yes: 'Boolean!' };

/** One whole number after the other, each below a bound. */
type Pick = (below: number) => number;

/** The selection of a type, down to a depth. What it uses, variables and the fragment F among it, stands in its text. */
function selection(typeName: string, depth: number, pick: Pick): string {
  const type = SCHEMA.getType(typeName);
  if (!isObjectType(type) && !isInterfaceType(type)) return '';
  const names = Object.keys(type.getFields());
  const parts = Array.from({ length: 1 + pick(4) }, (_, i) => {
    const name = names[pick(names.length)]!;
    const field = type.getFields()[name]!;
    const returned = getNamedType(field.type);
    const isLeaf = !isObjectType(returned) && !isInterfaceType(returned);
    if (!isLeaf && depth <= 0) return '__typename';
    const args = field.args.flatMap((argument) => {
      // One now and then is forgotten, or of another type
      if (pick(100) === 0) return [];
      const of = getNamedType(argument.type).name;
      const known: Readonly<Record<string, string>> = {
        index: '$index',
        name: '$index',
        id: '$id',
        ids: '[$id]',
        first: '$n',
        as: pick(2) === 0 ? 'base64' : 'floats',
      };
      if (argument.name === 'after') return [];
      return [`${argument.name}: ${pick(100) === 0 ? '$n' : (known[argument.name] ?? `$${of}`)}`];
    });
    const alias = pick(60) === 0 ? '' : `a${i}: `;
    const directive =
      pick(100) === 0 ? ' @nothing' : ['', '', '', '', ' @include(if: $yes)', ' @skip(if: $yes)'][pick(6)]!;
    const below = isLeaf ? '' : selection(returned.name, depth - 1, pick);
    return `${alias}${name}${args.length > 0 ? `(${args.join(' ')})` : ''}${directive}${below}`;
  });
  if (typeName === 'Pin' && pick(3) === 0) parts.push('...F');
  if (pick(8) === 0)
    parts.push(`... on ${['Node', typeName, typeName][pick(3)]} { ${['__typename', 'id'][pick(2)]} }`);
  return ` { ${parts.join(' ')} }`;
}

const document = fc.infiniteStream(fc.nat({ max: 0xffff })).map((stream) => {
  const pick: Pick = (below) => (stream.next().value as number) % below;
  const body = selection('Query', 5, pick);
  const fragment = body.includes('...F')
    ? ` fragment F on Pin { pinId ${['payload', 'vector', '...F'][pick(3)]} }`
    : '';
  const used = [...new Set([...body.matchAll(/\$(\w+)/g)].map(([, name]) => name!))];
  const declared = used.map((name) => `$${name}: ${TYPES[name] ?? `${name}!`}`).join(' ');
  const kind = pick(12) > 0 ? 'query' : ['mutation', 'subscription'][pick(2)]!;
  return `${kind} ${declared === '' ? '' : `(${declared})`}${body}${fragment}`;
});

/** A text with a part cut out, doubled or overwritten. */
const mutated = fc
  .tuple(
    document,
    fc.nat(),
    fc.nat({ max: 12 }),
    fc.constantFrom('', '{', '}', '(', '...', '$', '"', '"""', '@', '\u0000', '#', '\ud800', '[[', '1e999'),
  )
  .map(([text, at, length, put]) => {
    const start = text.length === 0 ? 0 : at % text.length;
    return `${text.slice(0, start)}${put}${text.slice(start + length)}`;
  });

/** Bodies of `POST /graphql`. */
export const graphqlBodies: fc.Arbitrary<Record<string, unknown>> = fc.record(
  {
    query: fc.oneof(
      { weight: 6, arbitrary: document },
      { weight: 3, arbitrary: mutated },
      { weight: 1, arbitrary: fc.string() },
    ),
    variables: fc.oneof({ weight: 20, arbitrary: variables }, { weight: 1, arbitrary: fc.constant(null) }),
    operationName: fc.constantFrom(null, null, null, null, 'A', ''),
    extensions: fc.constantFrom(null, {}, {}, {}, { persistedQuery: { version: 1, sha256Hash: 'x' } }),
  },
  { requiredKeys: ['query', 'variables'] },
) as fc.Arbitrary<Record<string, unknown>>;
