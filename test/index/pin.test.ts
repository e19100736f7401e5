import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import type { AttributeTypes, Metric } from '../../src/index/config.ts';
import { checkPinId, checkVector, parsePin } from '../../src/index/pin.ts';
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
const index = { dim: 3, metric: 'cosine' as Metric, attributes: types };
const vector = [1, 2, 3];
const parse = (pin: unknown) => parsePin(pin, index, 'pins[3]');

describe('a pin', () => {
  test('comes out in its stored form', () => {
    const pin = parse({
      id: 17,
      vector: [1, 2.5, 1e-3],
      attributes: {
        price: -0,
        at: '1970-01-01T00:00:01Z',
        kind: 'lamp',
        tags: ['b', 'a', 'b'],
        sold: false,
        constructor: 'x',
      },
      payload: { title: 'A lamp', list: [1, null, { deep: true }] },
    });
    assert.equal(pin.id, '17');
    assert.deepEqual(pin.vector, Float32Array.of(1, 2.5, 1e-3));
    assert.deepEqual(pin.attributes, {
      price: 0,
      at: 1000,
      kind: 'lamp',
      tags: ['b', 'a'],
      sold: false,
      constructor: 'x',
    });
    assert.ok(Object.is(pin.attributes.price, 0));
    assert.deepEqual(pin.payload, { title: 'A lamp', list: [1, null, { deep: true }] });
    assert.equal('text' in pin, false);
  });

  test('may be a text, without attributes or payload', () => {
    assert.deepEqual(parse({ id: 'a', text: 'a lamp' }), {
      id: 'a',
      text: 'a lamp',
      attributes: {},
      payload: undefined,
    });
  });

  test('takes an undefined field for an absent one', () => {
    const pin = parse({
      id: 'a',
      text: undefined,
      vector,
      attributes: { price: undefined },
      payload: undefined,
    });
    assert.deepEqual(pin.attributes, {});
    assert.equal(pin.payload, undefined);
  });

  test('keeps a null payload, which is a JSON value', () => {
    assert.equal(parse({ id: 'a', vector, payload: null }).payload, null);
  });

  test('an empty keyword list is the same as none', () => {
    assert.deepEqual(parse({ id: 'a', vector, attributes: { tags: [] } }).attributes, {});
  });

  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  const proto = (json: string): unknown => JSON.parse(json.replace('PROTO', '__proto__'));
  const circular: unknown[] = [];
  circular.push(circular);
  const bad: [string, unknown, ErrorCode, string][] = [
    ['null', null, 'bad_pin', 'pins[3]'],
    ['an array', [], 'bad_pin', 'pins[3]'],
    ['a class instance', new Date(), 'bad_pin', 'pins[3]'],
    ['an unknown field', { id: 'a', vector, colour: 1 }, 'bad_pin', 'pins[3].colour'],
    ['a __proto__ field', proto('{"id":"a","vector":[1,2,3],"PROTO":{}}'), 'bad_pin', 'pins[3].__proto__'],
    ['no id', { vector }, 'bad_pin_id', 'pins[3].id'],
    ['neither vector nor text', { id: 'a' }, 'bad_pin', 'pins[3]'],
    ['both vector and text', { id: 'a', vector, text: 'b' }, 'bad_pin', 'pins[3]'],
    ['a null vector', { id: 'a', vector: null }, 'bad_vector', 'pins[3].vector'],
    ['a text that is none', { id: 'a', text: 5 }, 'bad_pin', 'pins[3].text'],
    ['a blank text', { id: 'a', text: ' \n' }, 'bad_pin', 'pins[3].text'],
    ['a long text', { id: 'a', text: 'x'.repeat(8193) }, 'limit_exceeded', 'pins[3].text'],
    ['a vector of the wrong dim', { id: 'a', vector: [1] }, 'bad_dim', 'pins[3].vector'],
    [
      'attributes that are no object',
      { id: 'a', vector, attributes: [] },
      'bad_attribute',
      'pins[3].attributes',
    ],
    ['null attributes', { id: 'a', vector, attributes: null }, 'bad_attribute', 'pins[3].attributes'],
  ];
  for (const [name, attribute, value, code, at] of [
    ['an undeclared attribute', 'colour', 'red', 'bad_attribute', 'colour'],
    ['an inherited name as an attribute', 'toString', 'x', 'bad_attribute', 'toString'],
    ['null as a value', 'price', null, 'bad_attribute', 'price'],
    ['a string for a number', 'price', '5', 'bad_attribute', 'price'],
    ['NaN for a number', 'price', Number.NaN, 'bad_attribute', 'price'],
    ['a bigint beyond 2^53', 'price', 2n ** 60n, 'bad_attribute', 'price'],
    ['a number for a keyword', 'kind', 5, 'bad_attribute', 'kind'],
    ['half a surrogate pair', 'kind', 'a\udc00', 'bad_attribute', 'kind'],
    ['a long keyword', 'kind', 'é'.repeat(257), 'limit_exceeded', 'kind'],
    ['0 for a bool', 'sold', 0, 'bad_attribute', 'sold'],
    ['a time that is none', 'at', 'yesterday', 'bad_attribute', 'at'],
    ['a string for a list', 'tags', 'a', 'bad_attribute', 'tags'],
    ['a number in a list', 'tags', ['a', 5], 'bad_attribute', 'tags[1]'],
    ['a hole in a list', 'tags', new Array(2), 'bad_attribute', 'tags[0]'],
    ['a long list', 'tags', new Array(257).fill('a'), 'limit_exceeded', 'tags'],
  ] as [string, string, unknown, ErrorCode, string][]) {
    bad.push([
      name,
      { id: 'a', vector, attributes: { [attribute]: value } },
      code,
      `pins[3].attributes.${at}`,
    ]);
  }
  for (const [name, payload, code, at] of [
    ['NaN in a payload', { a: [0, Number.NaN] }, 'bad_pin', 'payload.a[1]'],
    ['bytes in a payload', { a: new Uint8Array(2) }, 'bad_pin', 'payload.a'],
    ['a bigint in a payload', 5n, 'bad_pin', 'payload'],
    ['a function in a payload', { toJSON: () => 5 }, 'bad_pin', 'payload.toJSON'],
    ['undefined in a payload', { a: undefined }, 'bad_pin', 'payload.a'],
    ['__proto__ in a payload', proto('{"a":{"PROTO":1}}'), 'bad_pin', 'payload.a.__proto__'],
    ['half a surrogate pair in a payload', ['\ud800'], 'bad_pin', 'payload[0]'],
    ['a payload over its bytes', 'é'.repeat(32768), 'limit_exceeded', 'payload'],
    ['a payload nested too deep', nested(33), 'limit_exceeded', `payload${'[0]'.repeat(32)}`],
    ['a circular payload', circular, 'limit_exceeded', `payload${'[0]'.repeat(32)}`],
  ] as [string, unknown, ErrorCode, string][]) {
    bad.push([name, { id: 'a', vector, payload }, code, `pins[3].${at}`]);
  }
  for (const [name, pin, code, path] of bad) {
    test(`is refused with ${name}`, () => refuses(() => parse(pin), code, path));
  }

  test('may be exactly at its limits', () => {
    const tags = Array.from({ length: LIMITS.keywordListMax }, (_, i) => String(i));
    parse({
      id: 'é'.repeat(LIMITS.pinIdBytesMax / 2),
      text: 'x'.repeat(LIMITS.textCharsMax),
      attributes: { kind: 'é'.repeat(LIMITS.keywordBytesMax / 2), tags },
      payload: 'x'.repeat(LIMITS.payloadBytesMax - 2),
    });
    parse({ id: 'a', vector, payload: nested(LIMITS.payloadDepthMax) });
  });
});

describe('a pin id', () => {
  test('is a string, or an integer as its decimal string', () => {
    assert.equal(checkPinId('a b\0', 'id'), 'a b\0');
    assert.equal(checkPinId(0, 'id'), '0');
    assert.equal(checkPinId(-0, 'id'), '0');
    assert.equal(checkPinId(Number.MAX_SAFE_INTEGER, 'id'), '9007199254740991');
    assert.equal(checkPinId(2n ** 64n - 1n, 'id'), '18446744073709551615');
  });

  for (const id of [
    '',
    1.5,
    2 ** 53,
    Number.NaN,
    null,
    undefined,
    true,
    ['a'],
    '\ud800',
    'x\udfff',
    'é'.repeat(65),
    10n ** 200n,
  ]) {
    test(`is not ${String(id).slice(0, 20)} (${typeof id})`, () =>
      refuses(() => checkPinId(id, 'ids[0]'), 'bad_pin_id', 'ids[0]'));
  }
});

describe('a vector', () => {
  test('is copied from an array and kept when it is floats already', () => {
    const floats = Float32Array.of(0.1, 0, -3);
    assert.equal(checkVector(floats, 3, 'l2', 'vector'), floats);
    assert.deepEqual(checkVector([0.1, 0, -3], 3, 'l2', 'vector'), floats);
  });

  for (const value of ['3', null, undefined, 5, new Float64Array(3), { length: 3, 0: 1, 1: 1, 2: 1 }]) {
    test(`is not ${Object.prototype.toString.call(value)}`, () =>
      refuses(() => checkVector(value, 3, 'dot', 'vector'), 'bad_vector', 'vector'));
  }

  for (const component of [Number.NaN, Number.POSITIVE_INFINITY, 1e39, -3.5e38, '1', null, undefined, 1n]) {
    test(`is refused for ${String(component)}, at its place`, () => {
      refuses(() => checkVector([1, component, 2], 3, 'dot', 'vector'), 'bad_vector', 'vector[1]');
      if (typeof component !== 'number') return;
      refuses(() => checkVector(Float32Array.of(1, 2, component), 3, 'dot', 'v'), 'bad_vector', 'v[2]');
    });
  }

  test('has the dimensions of the index', () => {
    refuses(() => checkVector([], 3, 'l2', 'vector'), 'bad_dim', 'vector');
    refuses(() => checkVector(new Float32Array(4), 3, 'l2', 'vector'), 'bad_dim', 'vector');
  });

  test('needs a direction under cosine, and only there', () => {
    for (const zero of [[0, 0, 0], [0, -0, 1e-50], Float32Array.of(0, 1e-30, 0)]) {
      refuses(() => checkVector(zero, 3, 'cosine', 'vector'), 'zero_vector', 'vector');
      checkVector(zero, 3, 'dot', 'vector');
      checkVector(zero, 3, 'l2', 'vector');
    }
    checkVector([0, 1e-18, 0], 3, 'cosine', 'vector');
    checkVector([3e38, 3e38, 3e38], 3, 'cosine', 'vector');
  });

  test('is short enough under dot and l2 that no distance overflows', () => {
    for (const metric of ['dot', 'l2'] as const) {
      refuses(() => checkVector([1e19, 1e19, 1e19], 3, metric, 'vector'), 'bad_vector', 'vector');
      checkVector([3e18, 3e18, 3e18], 3, metric, 'vector');
    }
  });
});
