import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { LAYOUT as L } from '../../src/core/layout.ts';
import * as oracle from '../../src/core/oracle.ts';
import { OP, runProgram, STACK_MAX } from '../../src/index/filter-program.ts';
import { Prng } from '../../src/lib/prng.ts';
import { configOf, openShard, search } from './shards.ts';

const DIMS = [
  ...Array.from({ length: 69 }, (_, i) => i + 2),
  ...[127, 128, 129, 255, 256, 257, 784, 1000, 4095, 4096],
];
const OFFSETS = [0, 1, 4, 15];
const DIM_MAX = 4096;

/** Vectors that each kernel meets at every dim: element i of dim n. */
const CASES: Record<string, (i: number, n: number) => number> = {
  zeros: () => 0,
  ones: () => 1,
  'minus ones': () => -1,
  'alternating signs': (i) => (i % 2 === 0 ? 1 : -1),
  'negative zeros': () => -0,
  'one at the start': (i) => (i === 0 ? 1 : 0),
  'one at the end': (i, n) => (i === n - 1 ? 1 : 0),
  denormals: (i) => (i % 2 === 0 ? 1.4e-45 : -1e-40),
  'below the smallest unit': () => 9.9e-31,
  'above the smallest unit': (i) => (i === 1 ? -1.1e-30 : 1e-31),
  huge: (i) => (i % 3 === 0 ? -1e15 : 1e15),
  'of all sizes': (i) => (i % 2 ? -1 : 1) * 10 ** ((i % 21) - 10),
  'at halves': (i) => (i % 16) + 0.5,
  'at the limit and its halves': (i) => (i === 0 ? 127 : (i % 254) - 126.5),
  ramp: (i, n) => i / n,
};

const { memory, reader } = openShard(configOf({ dim: DIM_MAX, metric: 'l2' }));
const { exports } = reader;

/** Pages of their own for vectors at any address. */
const START = memory.grow(4) * L.NP_PAGE;
const [A, B, OUT] = [START, START + 0x10000, START + 0x30000] as const;
const bytes = new Uint8Array(memory.buffer);

/** Puts a typed array at an address that need not be a multiple of anything, followed by zeros up to any padding. */
function put(at: number, values: Float32Array | Int8Array | Int16Array): number {
  bytes.fill(0, at, at + values.byteLength + 128);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
  return at;
}

/** Puts the addresses of four codes, so far from each other, and returns where. */
function addressesOf(first: number, stride: number): number {
  const at = OUT + 0x8000;
  new Uint32Array(memory.buffer, at, 4).set([0, 1, 2, 3].map((i) => first + i * stride));
  return at;
}

/** The sums of each vector of four whole numbers at OUT. */
function sums(count: number): number[] {
  const lanes = get(Int32Array, OUT, count * 16);
  return Array.from({ length: count }, (_, i) => lanes.subarray(i * 4, i * 4 + 4).reduce((a, b) => a + b));
}

function get<T>(type: new (buffer: ArrayBuffer) => T, at: number, byteLength: number): T {
  return new type(bytes.slice(at, at + byteLength).buffer);
}

const up = (n: number, to: number) => Math.ceil(n / to) * to;
const vectorOf = (of: (i: number, n: number) => number, n: number) =>
  Float32Array.from({ length: n }, (_, i) => of(i, n));

/** Pairs of every case with every other one in turn, at every dim, then random ones of mixed magnitudes. */
function* pairs(): Generator<[name: string, a: Float32Array, b: Float32Array]> {
  const names = Object.keys(CASES);
  for (const n of DIMS) {
    for (const [i, name] of names.entries()) {
      const other = names[(i + n) % names.length]!;
      const a = vectorOf(CASES[name]!, n);
      yield [`${name} × itself, dim ${n}`, a, a];
      yield [`${name} × ${other}, dim ${n}`, a, vectorOf(CASES[other]!, n)];
    }
  }
  const random = new Prng(11);
  for (const n of DIMS) {
    for (let round = 0; round < 8; round++) {
      const size = 10 ** (random.below(9) - 4);
      const draw = () => Float32Array.from({ length: n }, () => size * random.normal());
      yield [`random ${round}, dim ${n}`, draw(), draw()];
    }
  }
}

function same(actual: number, expected: number, what: string): void {
  if (!Object.is(actual, expected)) assert.equal(actual, expected, what);
  assert.ok(Object.is(actual, expected), `${what}: ${actual} and ${expected} differ in sign`);
}

describe('a kernel gives the bits of its naive twin', () => {
  test('products and squared differences of f32', () => {
    for (const [what, a, b] of pairs()) {
      const offset = OFFSETS[a.length % OFFSETS.length]!;
      const n = up(a.length, 4);
      const [x, y] = [put(A + offset, a), put(B + (offset ^ 3), b)];
      same(exports.np_dot_f32(x, y, n), oracle.dotF32(a, b), `dot, ${what}`);
      same(exports.np_l2_f32(x, y, n), oracle.l2F32(a, b), `l2, ${what}`);
    }
  });

  test('the i8 code of a vector', () => {
    for (const [what, , x] of pairs()) {
      const offset = OFFSETS[x.length % OFFSETS.length]!;
      const scale = exports.np_encode_i8(put(A + offset, x), x.length, put(B, new Int8Array(x.length)), OUT);
      const twin = oracle.encodeI8(x);
      same(scale, twin.scale, `scale, ${what}`);
      same(get(Float32Array, OUT, 4)[0]!, twin.squaredNorm, `squared norm, ${what}`);
      assert.deepEqual(get(Int8Array, B, x.length), twin.values, what);
    }
  });

  test('the quantised query', () => {
    for (const [what, , x] of pairs()) {
      const offset = OFFSETS[x.length % OFFSETS.length]!;
      for (const codeMax of [oracle.I8_MAX, oracle.I10_MAX]) {
        const values = put(B, new Int16Array(x.length));
        const unit = exports.np_encode_query(put(A + offset, x), x.length, codeMax, values, OUT);
        const twin = oracle.encodeQuery(x, codeMax);
        same(unit, twin.unit, `unit, ${what}`);
        same(get(Float32Array, OUT, 4)[0]!, twin.squaredNorm, `squared norm, ${what}`);
        assert.deepEqual(get(Int16Array, B, x.length * 2), twin.values, what);
      }
    }
  });

  test('products of a quantised query and codes', () => {
    for (const [what, a, b] of pairs()) {
      const n = up(a.length, 16);
      const offset = OFFSETS[a.length % OFFSETS.length]!;
      const { values: query } = oracle.encodeQuery(a, oracle.I8_MAX);
      const codes = [b, a, b.map((x) => -x), a.toReversed()].map((x) => oracle.encodeI8(x).values);
      const q = put(A + offset, query);
      const stride = n + 3;
      for (const [i, code] of codes.entries()) put(B + offset + i * stride, code);
      const products = codes.map((code) => oracle.dotI8(query, code));
      for (const i of codes.keys()) {
        same(exports.np_dot_i8(q, B + offset + i * stride, n), products[i]!, what);
      }
      exports.np_dots_i8(q, addressesOf(B + offset, stride), codes.length, a.length, OUT);
      assert.deepEqual(sums(codes.length), products, what);
    }
  });

  test('the 10-bit code of a residual, and its products with a quantised query', () => {
    for (const [what, a, b] of pairs()) {
      const dim = b.length;
      const offset = OFFSETS[dim % OFFSETS.length]!;
      const [upper, lower] = [put(B + offset, new Int8Array(up(dim, 16))), B + 0x8000 + offset];
      const twin = oracle.encodeI10(b);
      same(exports.np_encode_i10(put(A, b), dim, upper, lower), twin.scale, `scale, ${what}`);
      const [high, low] = [get(Int8Array, upper, dim), get(Uint8Array, lower, up(dim, 64) / 4)];
      const values = Array.from(high, (value, i) => {
        return (
          value * 4 + ((low[Math.floor(i / 64) * 16 + (i % 16)]! >> (Math.floor((i % 64) / 16) * 2)) & 3)
        );
      });
      assert.deepEqual(values, [...twin.values], what);
      const { values: query } = oracle.encodeQuery(a, oracle.I10_MAX);
      const product = exports.np_dot_i10(put(A + offset, query), upper, lower, up(dim, 16));
      same(product, oracle.dotI8(query, twin.values), what);
    }
  });

  test('the code of 12 bits, 8 and 4 further ones, and their products with a quantised query', () => {
    for (const [what, a, b] of pairs()) {
      const dim = b.length;
      const offset = OFFSETS[dim % OFFSETS.length]!;
      // Codes of two parts side by side, as those of lead and rest are
      const lead = Math.ceil(dim / 3);
      const plane = put(B + offset, new Int8Array(up(dim, 16) / 2));
      const parts = [b.slice(0, lead), b.slice(lead)];
      const twins = parts.map(oracle.encodeI12);
      for (const [i, part] of parts.entries()) {
        const first = i === 0 ? 0 : lead;
        const scale = exports.np_encode_i12(put(A, part), part.length, B + 0x8000, first, plane, OUT);
        same(scale, twins[i]!.scale, `scale, ${what}`);
        same(get(Float32Array, OUT, 4)[0]!, twins[i]!.squaredNorm, `squared norm, ${what}`);
        assert.deepEqual(get(Int8Array, B + 0x8000, part.length), twins[i]!.values, what);
      }
      const bytes = get(Uint8Array, plane, up(dim, 16) / 2);
      const bits = Int8Array.from({ length: dim }, (_, i) => {
        const half = (bytes[Math.floor(i / 16) * 8 + (i % 8)]! >> (i % 16 < 8 ? 0 : 4)) & 15;
        return half < 8 ? half : half - 16;
      });
      assert.deepEqual([...bits], [...twins[0]!.bits, ...twins[1]!.bits], what);
      const { values: query } = oracle.encodeQuery(a, oracle.I8_MAX);
      same(exports.np_dot_i4(put(A + offset, query), plane, up(dim, 16)), oracle.dotI8(query, bits), what);
    }
  });

  test('the lead of a vector, and what the code of a lead stands for', () => {
    const random = new Prng(5);
    for (const dim of [5, 16, 57, 64, 100, 257]) {
      const n = up(dim, 4);
      for (const lead of [1, 4, 7, 56]) {
        const directions = Array.from({ length: lead }, () =>
          Float32Array.from({ length: dim }, () => random.normal()),
        );
        const matrix = new Float32Array(lead * n);
        for (const [l, direction] of directions.entries()) matrix.set(direction, l * n);
        const x = Float32Array.from({ length: dim }, () => random.normal());
        exports.np_project(put(A, matrix), put(B, x), lead, n, OUT);
        const y = oracle.project(x, directions);
        assert.deepEqual(get(Float32Array, OUT, lead * 4), y);
        const held = oracle.decodeI8(oracle.encodeI8(y));
        exports.np_expand(A, put(B, held), lead, n, OUT);
        assert.deepEqual(get(Float32Array, OUT, dim * 4), oracle.expand(held, directions, dim));
      }
    }
  });

  test('products of an f32 query and a code', () => {
    for (const [what, a, b] of pairs()) {
      const n = up(a.length, 16);
      const offset = OFFSETS[a.length % OFFSETS.length]!;
      const { values } = oracle.encodeI8(b);
      same(
        exports.np_dot_f32_i8(put(A + offset, a), put(B + offset + 1, values), n),
        oracle.dotF32(a, values),
        what,
      );
    }
  });
});

describe('whole-number products', () => {
  test('stay below 2^31 at every dim, however large the values', () => {
    for (const dim of [2, 15, 16, 17, 515, 516, 517, 1000, 2048, 4095, 4096]) {
      for (const codeMax of [oracle.I8_MAX, oracle.I10_MAX]) {
        const most = oracle.queryLimit(dim, codeMax);
        assert.ok(most * codeMax * dim < 2 ** 31);
        assert.ok(most === 32767 || (most + 1) * codeMax * dim >= 2 ** 31);
      }
      const { values } = oracle.encodeQuery(new Float32Array(dim).fill(3e8), oracle.I8_MAX);
      const limit = oracle.queryLimit(dim, oracle.I8_MAX);
      assert.ok(values.every((value) => value === limit));
      for (const sign of [1, -1]) {
        const code = new Int8Array(dim).fill(127 * sign);
        const [q, c] = [put(A, values), put(B, code)];
        assert.equal(exports.np_dot_i8(q, c, up(dim, 16)), limit * 127 * dim * sign);
        exports.np_dots_i8(q, addressesOf(c, 0), 4, dim, OUT);
        assert.deepEqual(sums(4), Array(4).fill(limit * 127 * dim * sign));
      }
    }
  });

  test('are exact at the extremes of both types', () => {
    for (const q of [32767, -32767, -32768]) {
      for (const c of [127, -127, -128]) {
        const [query, code] = [new Int16Array(64).fill(q), new Int8Array(64).fill(c)];
        const product = exports.np_dot_i8(put(A, query), put(B, code), 64);
        assert.equal(product, oracle.dotI8(query, code));
      }
    }
  });
});

describe('the filter evaluator', () => {
  const ROW = { numbers: [0, 8], keywords: [16, 20], lists: [24, 28], bools: [32, 33], stride: 40 };
  const NUMBERS = [Number.NaN, 0, -1.5, 3, 1e300, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const number = fc.constantFrom(...NUMBERS);
  const operand = fc.constantFrom(...NUMBERS.filter((x) => !Number.isNaN(x)));
  const code = fc.nat(6);
  const codes = fc
    .uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 6 })
    .map((list) => list.sort((a, b) => a - b));
  const words = (...values: number[]) => [...new Uint32Array(Float64Array.from(values).buffer)];

  const leaf: fc.Arbitrary<number[]> = fc.oneof(
    fc.constantFrom<number[]>([OP.true], [OP.false]),
    fc.constantFrom<number[]>(
      ...ROW.numbers.map((at) => [OP.exists, 0, at]),
      ...ROW.keywords.map((at) => [OP.exists, 1, at]),
      ...ROW.lists.map((at) => [OP.exists, 2, at]),
      ...ROW.bools.map((at) => [OP.exists, 3, at]),
    ),
    fc
      .tuple(fc.constantFrom(...ROW.numbers), fc.nat(3), operand, operand)
      .map(([at, flags, low, high]) => [OP.numRange, at, flags, ...words(low, high)]),
    fc
      .tuple(fc.constantFrom(...ROW.numbers), fc.uniqueArray(operand))
      .map(([at, values]) => [OP.numIn, at, values.length, ...words(...values.sort((a, b) => a - b))]),
    fc
      .tuple(fc.constantFrom(...ROW.keywords), codes)
      .map(([at, list]) => [OP.kwIn, at, list.length, ...list]),
    fc.tuple(fc.constantFrom(...ROW.lists), codes).map(([at, list]) => [OP.kwsAny, at, list.length, ...list]),
    fc
      .tuple(fc.constantFrom(...ROW.bools), fc.constantFrom(1, 2))
      .map(([at, value]) => [OP.boolEq, at, value]),
  );
  const { tree } = fc.letrec<{ tree: number[] }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      leaf,
      tie('tree').map((inner) => [...inner, OP.not]),
      fc
        .tuple(fc.constantFrom(OP.and, OP.or), fc.array(tie('tree'), { maxLength: 5 }))
        .map(([op, inner]) => [...inner.flat(), op, inner.length]),
    ),
  }));
  const program = tree.map((body) => Uint32Array.from([...body, OP.end]));
  const pin = fc.record({
    numbers: fc.tuple(number, number),
    keywords: fc.tuple(code, code),
    lists: fc.tuple(codes, codes),
    bools: fc.tuple(fc.nat(2), fc.nat(2)),
  });

  /** A shard of rows, and the evaluator on one of them. */
  function shardOfRows(pins: readonly (typeof pin extends fc.Arbitrary<infer T> ? T : never)[]) {
    const config = configOf({
      ...{ dim: 2, metric: 'l2', rowStride: ROW.stride, listsOffset: ROW.lists[0]!, lists: 2 },
    });
    const { writer } = openShard(config, 2 ** 24);
    for (const [i, { numbers, keywords, lists, bools }] of pins.entries()) {
      const row = new DataView(new ArrayBuffer(ROW.stride));
      for (const [j, at] of ROW.numbers.entries()) row.setFloat64(at, numbers[j]!, true);
      for (const [j, at] of ROW.keywords.entries()) row.setUint32(at, keywords[j]!, true);
      for (const [j, at] of ROW.bools.entries()) row.setUint8(at, bools[j]!);
      const vector = Float32Array.of(i, 0);
      writer.insert(
        vector,
        Buffer.from('x'),
        new Uint8Array(row.buffer),
        lists.map((l) => Uint32Array.from(l)),
      );
    }
    return writer;
  }

  test('agrees with its naive twin on every row, alone and within a search', () => {
    fc.assert(
      fc.property(fc.array(pin, { minLength: 1, maxLength: 40 }), program, (pins, words) => {
        const shard = shardOfRows(pins);
        const twin = pins.map((_, ordinal) => {
          const row = shard.row(ordinal);
          return runProgram(words, row, (offset) => shard.list(row.getUint32(offset, true)));
        });
        const input = L.NP_SCRATCH_BASE + shard.word(L.H_S_INPUT);
        new Uint32Array(shard.memory.buffer, input, words.length).set(words);
        const native = pins.map((_, i) => shard.exports.np_filter(input, i) === 1);
        assert.deepEqual(native, twin);
        const hits = search(shard, Float32Array.of(0, 0), 100, 0, { exact: true, program: words });
        assert.deepEqual(
          hits.map(({ ordinal }) => ordinal),
          [...twin.keys()].filter((ordinal) => twin[ordinal]),
        );
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  test('has room for the deepest stack that a compiled filter may need', () => {
    const shard = shardOfRows([{ numbers: [1, 1], keywords: [0, 0], lists: [[], []], bools: [0, 0] }]);
    for (const last of [OP.true, OP.false]) {
      const words = [...Array(STACK_MAX - 1).fill(OP.true), last, OP.and, STACK_MAX, OP.end];
      const input = L.NP_SCRATCH_BASE + shard.word(L.H_S_INPUT);
      new Uint32Array(shard.memory.buffer, input, words.length).set(words);
      assert.equal(shard.exports.np_filter(input, 0), last === OP.true ? 1 : 0);
    }
  });
});
