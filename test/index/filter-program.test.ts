import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { encodeRow, rowLayout } from '../../src/index/attributes.ts';
import type { AttributeType, AttributeTypes } from '../../src/index/config.ts';
import { Dictionary } from '../../src/index/dictionary.ts';
import { type FilterNode, matches, parseFilter } from '../../src/index/filter.ts';
import { compileFilter, OP, runProgram, STACK_MAX } from '../../src/index/filter-program.ts';
import type { Attributes } from '../../src/index/pin.ts';
import { refuses } from '../lib/refuses.ts';

const TYPES: AttributeTypes = {
  price: 'number',
  'sold at': 'time',
  kind: 'keyword',
  colour: 'keyword',
  tags: 'keyword[]',
  rooms: 'keyword[]',
  sold: 'bool',
  new: 'bool',
};
const layout = rowLayout(TYPES);
const offsetOf = (name: string) => layout.columns.find((column) => column.name === name)!.offset;

/** Whether the compiled filter accepts a pin, by way of its encoded row. */
function accepts(node: FilterNode, attributes: Attributes, types = TYPES): boolean {
  const dictionary = new Dictionary();
  const rowsLayout = rowLayout(types);
  const { row, lists } = encodeRow(rowsLayout, attributes, (name, value) => dictionary.add(name, value));
  const program = compileFilter(node, rowsLayout, (name, value) => dictionary.codeOf(name, value));
  assert.ok(stackDepth(program) <= STACK_MAX);
  return runProgram(
    program,
    new DataView(row.buffer),
    (offset) => lists[(offset - rowsLayout.lists.offset) / 4]!,
  );
}

/** The deepest the stack gets, by the instructions' own account; also checks that the program is well formed. */
function stackDepth(program: Uint32Array): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; ; ) {
    const op = program[at]!;
    const count = program[at + 2]!;
    if (op === OP.end) {
      assert.equal(depth, 1);
      assert.equal(at, program.length - 1);
      return deepest;
    }
    if (op === OP.and || op === OP.or) depth += 1 - program[at + 1]!;
    else if (op !== OP.not) depth++;
    at += [1, 2, 2, 1, 1, 1, 3, 7, 3 + 2 * count, 3 + count, 3 + count, 3][op]!;
    deepest = Math.max(deepest, depth);
  }
}

describe('a compiled filter', () => {
  const codes: Record<string, number> = { lamp: 7, sofa: 3, rug: 300 };
  const compile = (filter: unknown) =>
    compileFilter(parseFilter(filter, TYPES), layout, (_, value) => codes[value] ?? 0);

  const tests: [string, unknown, number[]][] = [
    ['everything', {}, [OP.true, OP.end]],
    ['nothing', { $or: [] }, [OP.false, OP.end]],
    ['a keyword', { kind: 'lamp' }, [OP.kwIn, offsetOf('kind'), 1, 7, OP.end]],
    [
      'keywords, sorted by number and without repeats',
      { kind: { $in: ['rug', 'lamp', 'sofa', 'rug'] } },
      [OP.kwIn, offsetOf('kind'), 3, 3, 7, 300, OP.end],
    ],
    ['a keyword that no pin has', { kind: 'chair' }, [OP.false, OP.end]],
    ['not a keyword that no pin has', { tags: { $ne: 'chair' } }, [OP.false, OP.not, OP.end]],
    ['any of a list', { rooms: { $in: ['chair', 'sofa'] } }, [OP.kwsAny, offsetOf('rooms'), 1, 3, OP.end]],
    [
      'a half-open range',
      { price: { $gte: 1.5, $lt: -2 } },
      [OP.numRange, 0, 1, 0, 0x3ff80000, 0, 0xc0000000, OP.end],
    ],
    ['an open range', { price: { $gt: 0 } }, [OP.numRange, 0, 2, 0, 0, 0, 0x7ff00000, OP.end]],
    [
      'numbers, sorted',
      { price: { $in: [2, -1, 2] } },
      [OP.numIn, 0, 2, 0, 0xbff00000, 0, 0x40000000, OP.end],
    ],
    ['no numbers', { price: { $in: [] } }, [OP.false, OP.end]],
    ['true', { sold: true }, [OP.boolEq, offsetOf('sold'), 2, OP.end]],
    ['false', { sold: false }, [OP.boolEq, offsetOf('sold'), 1, OP.end]],
    ['either bool', { sold: { $in: [true, false, true] } }, [OP.exists, 3, offsetOf('sold'), OP.end]],
    ['no bool', { sold: { $in: [] } }, [OP.false, OP.end]],
    [
      'existence',
      { $and: [{ price: { $exists: true } }, { tags: { $exists: false } }] },
      [OP.exists, 0, 0, OP.exists, 2, offsetOf('tags'), OP.not, OP.and, 2, OP.end],
    ],
    ['existence of a keyword', { colour: { $exists: true } }, [OP.exists, 1, offsetOf('colour'), OP.end]],
    ['three alternatives', { $or: [{}, {}, {}] }, [OP.true, OP.true, OP.or, 2, OP.true, OP.or, 2, OP.end]],
  ];
  for (const [name, filter, words] of tests) {
    test(`says ${name}`, () => assert.deepEqual([...compile(filter)], words));
  }

  test('needs no deeper a stack for a wider filter', () => {
    assert.equal(stackDepth(compile({ $or: new Array(2).fill({ price: 1, sold: true }) })), 3);
    assert.equal(stackDepth(compile({ $or: new Array(120).fill({ price: 1, sold: true }) })), 3);
  });

  test('stays within the stack for the deepest filter that parses', () => {
    let filter: object = { price: 1, sold: true };
    for (let i = 0; i < 15; i++) filter = { price: 1, $or: [{ sold: true }, filter] };
    const depth = stackDepth(compile(filter));
    assert.ok(depth > 30 && depth <= STACK_MAX, String(depth));
  });

  test('is refused when it would need a deeper stack', () => {
    let node: FilterNode = { op: 'and', nodes: [] };
    for (let i = 0; i < STACK_MAX; i++) node = { op: 'and', nodes: [{ op: 'or', nodes: [] }, node] };
    refuses(() => compileFilter(node, layout, () => 0), 'limit_exceeded');
  });
});

describe('a filter program on a row', () => {
  test('takes the bounds of a range as they are', () => {
    const ranges = [{ $gte: 10, $lt: 50 }, { $gt: 10, $lte: 50 }, { $gt: 49 }, { $gte: 10, $lte: 50 }];
    for (const [price, expected] of [
      [9, [false, false, false, false]],
      [10, [true, false, false, true]],
      [11, [true, true, false, true]],
      [50, [false, true, true, true]],
      [51, [false, false, true, false]],
    ] as const) {
      const found = ranges.map((range) => accepts(parseFilter({ price: range }, TYPES), { price }));
      assert.deepEqual(found, expected, `price ${price}`);
    }
  });

  test('never finds a missing number in a range, not even an open one', () => {
    const node: FilterNode = {
      op: 'range',
      attribute: 'price',
      low: Number.NEGATIVE_INFINITY,
      lowInclusive: true,
      high: Number.POSITIVE_INFINITY,
      highInclusive: true,
    };
    assert.equal(accepts(node, {}), false);
    assert.equal(accepts(node, { price: 0 }), true);
  });

  // Few values, so that equality happens often; names that need escaping or that every object inherits.
  const names = ['a', 'b', 'constructor', '\u{1f600}', '__proto'];
  const typesArb = fc.dictionary(
    fc.constantFrom(...names),
    fc.constantFrom<AttributeType>('keyword', 'keyword[]', 'number', 'bool', 'time'),
    { minKeys: 1, noNullPrototype: true },
  );
  const keyword = fc.constantFrom('', 'x', 'y', 'toString', 'é');
  const number = fc.constantFrom(-1.5, -0, 0, 1, 2, 1e300);
  const time = fc.constantFrom(-1000, 0, 1000);
  const scalarArb = (type: AttributeType): fc.Arbitrary<unknown> =>
    ({ keyword, 'keyword[]': keyword, number, time, bool: fc.boolean() })[type];

  const attributesArb = (types: AttributeTypes): fc.Arbitrary<Attributes> =>
    fc.record(
      Object.fromEntries(
        Object.entries(types).map(([name, type]) => [
          name,
          type === 'keyword[]' ? fc.uniqueArray(keyword, { maxLength: 3 }) : scalarArb(type),
        ]),
      ),
      { requiredKeys: [], noNullPrototype: true },
    ) as fc.Arbitrary<Attributes>;

  const filterArb = (types: AttributeTypes): fc.Arbitrary<object> => {
    const condition = (type: AttributeType): fc.Arbitrary<unknown> => {
      const value = scalarArb(type);
      const values = fc.array(value, { maxLength: 3 });
      const isOrdered = type === 'number' || type === 'time';
      const bounds = isOrdered ? { $gt: value, $gte: value, $lt: value, $lte: value } : {};
      const operators = fc
        .record(
          { $eq: value, $ne: value, $in: values, $nin: values, $exists: fc.boolean(), ...bounds },
          { requiredKeys: [], noNullPrototype: true },
        )
        .filter((object) => Object.keys(object).length > 0);
      return fc.oneof(
        value,
        operators,
        operators.map((inner) => ({ $not: inner })),
      );
    };
    const fields = fc.record(
      Object.fromEntries(Object.entries(types).map(([name, type]) => [name, condition(type)])),
      { requiredKeys: [], noNullPrototype: true },
    );
    return fc.letrec<{ filter: object }>((tie) => ({
      filter: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fields,
        fc.record({ $and: fc.array(tie('filter'), { maxLength: 3 }) }, { noNullPrototype: true }),
        fc.record({ $or: fc.array(tie('filter'), { maxLength: 3 }) }, { noNullPrototype: true }),
        fc.record({ $not: tie('filter') }, { noNullPrototype: true }),
      ),
    })).filter;
  };

  test('says what the oracle says, for any types, attributes and filter', () => {
    let accepted = 0;
    let runs = 0;
    fc.assert(
      fc.property(
        typesArb.chain((types) => fc.tuple(fc.constant(types), attributesArb(types), filterArb(types))),
        ([types, attributes, filter]) => {
          const node = parseFilter(filter, types);
          const expected = matches(node, attributes);
          assert.equal(accepts(node, attributes, types), expected);
          runs++;
          if (expected) accepted++;
        },
      ),
      { seed: 4, numRuns: 3000 },
    );
    // The cases are worth something only when both answers are common among them.
    assert.ok(accepted > runs / 5 && accepted < (runs * 4) / 5, `${accepted} of ${runs} accepted`);
  });
});
