import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import type { AttributeTypes } from '../../src/index/config.ts';
import { matches, parseFilter } from '../../src/index/filter.ts';
import type { Attributes } from '../../src/index/pin.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { refuses } from '../lib/refuses.ts';

const types: AttributeTypes = {
  price: 'number',
  at: 'time',
  kind: 'keyword',
  tags: 'keyword[]',
  sold: 'bool',
  constructor: 'keyword' as const,
};

const pins: Record<string, Attributes> = {
  lamp: { price: 10, at: 1000, kind: 'lamp', tags: ['red', 'big'], sold: false },
  sofa: { price: 50, at: 2000, kind: 'sofa', tags: ['big'], sold: true },
  rug: { price: -5, kind: 'rug', constructor: 'x' },
  bare: {},
};

/** Names of the pins that match. */
function select(filter: unknown): string {
  const node = parseFilter(filter, types);
  return Object.keys(pins)
    .filter((name) => matches(node, pins[name]!))
    .join(' ');
}

describe('a filter', () => {
  const cases: [unknown, string][] = [
    [{}, 'lamp sofa rug bare'],
    [{ kind: 'lamp' }, 'lamp'],
    [{ kind: { $eq: 'lamp' } }, 'lamp'],
    [{ kind: { $ne: 'lamp' } }, 'sofa rug bare'],
    [{ kind: { $in: ['lamp', 'rug', 'chair'] } }, 'lamp rug'],
    [{ kind: { $nin: ['lamp', 'rug'] } }, 'sofa bare'],
    [{ kind: { $in: [] } }, ''],
    [{ kind: { $nin: [] } }, 'lamp sofa rug bare'],
    [{ kind: { $exists: true } }, 'lamp sofa rug'],
    [{ kind: { $exists: false } }, 'bare'],
    [{ price: 10 }, 'lamp'],
    [{ price: { $gt: 10 } }, 'sofa'],
    [{ price: { $gte: 10 } }, 'lamp sofa'],
    [{ price: { $lt: 10 } }, 'rug'],
    [{ price: { $lte: 10 } }, 'lamp rug'],
    [{ price: { $gte: 10, $lt: 50 } }, 'lamp'],
    [{ price: { $gt: 10, $gte: 10 } }, 'sofa'],
    [{ price: { $gte: 10, $gt: 10 } }, 'sofa'],
    [{ price: { $lt: 10, $lte: 10 } }, 'rug'],
    [{ price: { $lte: 10, $lt: 10 } }, 'rug'],
    [{ price: { $gt: 50, $gte: 0, $lt: 100 } }, ''],
    [{ price: { $gte: 10, $ne: 10 } }, 'sofa'],
    [{ price: { $gt: 5, $lt: 5 } }, ''],
    [{ price: { $not: { $gt: 10 } } }, 'lamp rug bare'],
    [{ price: { $not: { $not: { $gt: 10 } } } }, 'sofa'],
    [{ price: { $not: { $gte: 10, $lte: 10 } } }, 'sofa rug bare'],
    [{ price: { $ne: 7 } }, 'lamp sofa rug bare'],
    [{ price: 10n }, 'lamp'],
    [{ at: '1970-01-01T00:00:01Z' }, 'lamp'],
    [{ at: { $gt: '1970-01-01T00:00:01Z' } }, 'sofa'],
    [{ at: { $in: [1000, '1970-01-01T00:00:02Z'] } }, 'lamp sofa'],
    [{ tags: 'big' }, 'lamp sofa'],
    [{ tags: { $in: ['red', 'green'] } }, 'lamp'],
    [{ tags: { $ne: 'red' } }, 'sofa rug bare'],
    [{ tags: { $nin: ['red', 'green'] } }, 'sofa rug bare'],
    [{ tags: { $exists: true } }, 'lamp sofa'],
    [{ sold: true }, 'sofa'],
    [{ sold: false }, 'lamp'],
    [{ sold: { $ne: true } }, 'lamp rug bare'],
    [{ sold: { $in: [true, false] } }, 'lamp sofa'],
    [{ constructor: 'x' }, 'rug'],
    [{ constructor: { $exists: false } }, 'lamp sofa bare'],
    [{ kind: 'lamp', price: 10 }, 'lamp'],
    [{ kind: 'lamp', price: 11 }, ''],
    [{ $and: [] }, 'lamp sofa rug bare'],
    [{ $or: [] }, ''],
    [{ $and: [{ tags: 'big' }, { sold: true }] }, 'sofa'],
    [{ $or: [{ kind: 'rug' }, { sold: true }] }, 'sofa rug'],
    [{ $or: [{ kind: 'rug' }, { sold: true }], price: { $gt: 0 } }, 'sofa'],
    [{ $not: { tags: 'big' } }, 'rug bare'],
    [{ $not: {} }, ''],
    [{ $or: [{}] }, 'lamp sofa rug bare'],
    [{ $and: [{ $or: [{ kind: 'lamp' }, { kind: 'rug' }] }, { $not: { price: 10 } }] }, 'rug'],
  ];
  for (const [filter, expected] of cases) {
    const text = JSON.stringify(filter, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    test(`${text} selects ${expected || 'nothing'}`, () => assert.equal(select(filter), expected));
  }

  test('takes an empty list for a missing one, as rows do', () => {
    assert.equal(matches(parseFilter({ tags: { $exists: true } }, types), { tags: [] }), false);
  });
});

describe('a bad filter', () => {
  const deep = (levels: number): unknown => (levels === 1 ? {} : { $not: deep(levels - 1) });
  const deepField = (levels: number): unknown =>
    levels === 1 ? { $gt: 1 } : { $not: deepField(levels - 1) };
  const cases: [string, unknown, ErrorCode, string][] = [
    ['null', null, 'bad_filter', 'filter'],
    ['an array', [], 'bad_filter', 'filter'],
    ['a string', 'kind', 'bad_filter', 'filter'],
    ['an undeclared attribute', { colour: 'red' }, 'bad_filter', 'filter.colour'],
    ['an inherited name', { toString: 'x' }, 'bad_filter', 'filter.toString'],
    ['__proto__', JSON.parse('{"__proto__": {"$gt": 1}}'), 'bad_filter', 'filter.__proto__'],
    ['an unknown operator', { $nor: [] }, 'bad_filter', 'filter.$nor'],
    ['an operator at the top', { $eq: 1 }, 'bad_filter', 'filter.$eq'],
    ['$and of an object', { $and: {} }, 'bad_filter', 'filter.$and'],
    ['$or of a value', { $or: ['a'] }, 'bad_filter', 'filter.$or[0]'],
    ['$not of an array', { $not: [] }, 'bad_filter', 'filter.$not'],
    ['null as a value', { kind: null }, 'bad_filter', 'filter.kind'],
    ['undefined as a value', { kind: undefined }, 'bad_filter', 'filter.kind'],
    ['a list as a value', { tags: ['a'] }, 'bad_filter', 'filter.tags'],
    ['no operator', { kind: {} }, 'bad_filter', 'filter.kind'],
    ['a nested field', { kind: { a: 1 } }, 'bad_filter', 'filter.kind.a'],
    ['an unknown operator of a field', { kind: { $regex: 'a' } }, 'bad_filter', 'filter.kind.$regex'],
    ['$and under a field', { kind: { $and: [] } }, 'bad_filter', 'filter.kind.$and'],
    ['a number for a keyword', { kind: 1 }, 'bad_filter', 'filter.kind'],
    ['a string for a number', { price: { $eq: '1' } }, 'bad_filter', 'filter.price.$eq'],
    ['NaN', { price: { $gt: Number.NaN } }, 'bad_filter', 'filter.price.$gt'],
    ['infinity', { price: Number.POSITIVE_INFINITY }, 'bad_filter', 'filter.price'],
    ['a time that is none', { at: { $lt: 'today' } }, 'bad_filter', 'filter.at.$lt'],
    ['a string for a bool', { sold: 'true' }, 'bad_filter', 'filter.sold'],
    ['$in of a value', { kind: { $in: 'a' } }, 'bad_filter', 'filter.kind.$in'],
    ['$in with a wrong type', { kind: { $in: ['a', 1] } }, 'bad_filter', 'filter.kind.$in[1]'],
    ['$nin with null', { price: { $nin: [null] } }, 'bad_filter', 'filter.price.$nin[0]'],
    ['a range of keywords', { kind: { $gt: 'a' } }, 'bad_filter', 'filter.kind.$gt'],
    ['a range of bools', { sold: { $lte: true } }, 'bad_filter', 'filter.sold.$lte'],
    ['a range of lists', { tags: { $gte: 'a' } }, 'bad_filter', 'filter.tags.$gte'],
    ['$exists of a number', { kind: { $exists: 1 } }, 'bad_filter', 'filter.kind.$exists'],
    ['$not of a value', { price: { $not: 5 } }, 'bad_filter', 'filter.price.$not'],
    ['$not of no operator', { price: { $not: {} } }, 'bad_filter', 'filter.price.$not'],
    [
      'a fault deep inside',
      { $and: [{}, { price: { $gte: '1' } }] },
      'bad_filter',
      'filter.$and[1].price.$gte',
    ],
    ['a long keyword', { kind: 'x'.repeat(513) }, 'limit_exceeded', 'filter.kind'],
    ['too many levels', deep(17), 'limit_exceeded', `filter${'.$not'.repeat(16)}`],
    [
      'too many levels of $and',
      { $and: [{ $or: [deep(15)] }] },
      'limit_exceeded',
      `filter.$and[0].$or[0]${'.$not'.repeat(14)}`,
    ],
    [
      'too many levels of a field',
      { price: deepField(17) },
      'limit_exceeded',
      `filter.price${'.$not'.repeat(16)}`,
    ],
    [
      'too many conditions',
      { $or: new Array(256).fill({ price: 1 }) },
      'limit_exceeded',
      'filter.$or[255].price',
    ],
    ['too many values', { price: { $in: new Array(4097).fill(1) } }, 'limit_exceeded', 'filter.price.$in'],
    [
      'too many values in all',
      { price: { $in: new Array(4096).fill(1) }, kind: 'a' },
      'limit_exceeded',
      'filter.kind',
    ],
  ];
  for (const [name, filter, code, path] of cases) {
    test(`is refused: ${name}`, () => refuses(() => parseFilter(filter, types), code, path));
  }

  test('does not overflow the stack, however deep it is', () => {
    let filter: unknown = {};
    for (let i = 0; i < 1_000_000; i++) filter = { $not: filter };
    refuses(() => parseFilter(filter, types), 'limit_exceeded');
  });

  test('is refused only beyond the limits', () => {
    parseFilter(deep(LIMITS.filterDepthMax), types);
    parseFilter({ price: deepField(LIMITS.filterDepthMax) }, types);
    parseFilter({ $or: new Array(LIMITS.filterNodesMax - 1).fill({ price: 1 }) }, types);
    parseFilter({ price: { $in: new Array(LIMITS.filterValuesMax).fill(1) } }, types);
  });
});
