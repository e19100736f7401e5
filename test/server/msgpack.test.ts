/** The strict msgpack decoder: what valid encoders write comes through, what nobody should write is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Unpackr } from 'msgpackr';
import { NearpinError } from '../../src/lib/errors.ts';
import { decodeMsgpack, encodeMsgpack } from '../../src/server/codec/msgpack.ts';
import { pack } from '../support/http.ts';

function refused(bytes: readonly number[] | Buffer, path: string | undefined, code = 'bad_msgpack'): void {
  assert.throws(
    () => decodeMsgpack(Buffer.from(bytes)),
    (error: unknown) => {
      assert.ok(error instanceof NearpinError, String(error));
      assert.deepEqual([error.code, error.details[0]?.path], [code, path]);
      return true;
    },
  );
}

const key = fc.string({ unit: 'grapheme' }).filter((text) => text !== '__proto__' && text !== 'constructor');
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.maxSafeInteger(),
    // msgpackr, like JSON, has no minus zero.
    fc.double().map((x) => (x === 0 ? 0 : x)),
    fc.string({ unit: 'grapheme' }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

describe('decodeMsgpack', () => {
  it('reads whatever msgpackr writes', () => {
    fc.assert(
      fc.property(value, (written) => assert.deepEqual(decodeMsgpack(pack(written)), written)),
      { seed: 1, numRuns: 500 },
    );
  });

  it('reads every length class of strings, arrays, maps and bin', () => {
    for (const length of [0, 1, 15, 16, 23, 24, 25, 31, 32, 255, 256, 65_535, 65_536]) {
      for (const letter of ['a', 'é'])
        assert.equal(decodeMsgpack(pack(letter.repeat(length))), letter.repeat(length));
      const list = Array.from({ length }, (_, i) => i);
      assert.deepEqual(decodeMsgpack(pack(list)), list);
      const map = Object.fromEntries(list.slice(0, 70_000).map((i) => [`k${i}`, i]));
      assert.deepEqual(decodeMsgpack(pack(map)), map);
      const floats = Float32Array.from(list);
      assert.deepEqual(decodeMsgpack(pack(Buffer.from(floats.buffer))), floats);
    }
  });

  it('reads every kind of number, and integers beyond 2^53 as bigint', () => {
    const bytes = (...list: number[]) => decodeMsgpack(Buffer.from(list));
    assert.equal(bytes(0x7f), 127);
    assert.equal(bytes(0xe0), -32);
    assert.equal(bytes(0xcc, 0xff), 255);
    assert.equal(bytes(0xcd, 0x01, 0x00), 256);
    assert.equal(bytes(0xce, 0xff, 0xff, 0xff, 0xff), 2 ** 32 - 1);
    assert.equal(bytes(0xcf, 0, 0, 0, 1, 0, 0, 0, 0), 2 ** 32);
    assert.equal(bytes(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 2n ** 64n - 1n);
    assert.equal(bytes(0xd0, 0x80), -128);
    assert.equal(bytes(0xd1, 0x80, 0x00), -32_768);
    assert.equal(bytes(0xd2, 0x80, 0, 0, 0), -(2 ** 31));
    assert.equal(bytes(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), -1);
    assert.equal(bytes(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0), -(2n ** 63n));
    assert.equal(bytes(0xca, 0x3f, 0xc0, 0, 0), 1.5);
    assert.equal(bytes(0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0), 1.5);
  });

  it('makes bin a Float32Array of its own, wherever it stands in the body', () => {
    for (const before of ['', 'a', 'ab', 'abc']) {
      const body = pack({ [`${before}key`]: 1, vector: Buffer.from(Float32Array.of(1.5, -2).buffer) });
      const { vector } = decodeMsgpack(body) as { vector: Float32Array };
      body.fill(0);
      assert.deepEqual(vector, Float32Array.of(1.5, -2));
    }
  });

  it('refuses a bin that is no floats, with its path and code bad_dim', () => {
    refused(pack(Buffer.alloc(3)), undefined, 'bad_dim');
    refused(
      pack({ requests: [{ vectors: [Buffer.alloc(4), Buffer.alloc(7)] }] }),
      'requests[0].vectors[1]',
      'bad_dim',
    );
  });

  it('refuses the reserved byte, extensions, trailing bytes and an empty body', () => {
    refused([], undefined);
    refused([0xc1], undefined);
    refused([0x81, 0xa1, 0x61, 0xc1], 'a');
    refused([0xd6, 0xff, 0, 0, 0, 0], undefined);
    refused([0x91, 0xd4, 0x01, 0x00], '[0]');
    refused(pack(new Date(0)), undefined);
    refused([0xc0, 0xc0], undefined);
  });

  it('refuses keys that reach a prototype, keys twice and keys that are no strings', () => {
    refused([0x81, 0xa9, ...Buffer.from('__proto__'), 0x80], '__proto__');
    refused(pack({ filter: { constructor: 1 } }), 'filter.constructor');
    refused([0x82, 0xa1, 0x61, 0x01, 0xa1, 0x61, 0x02], 'a');
    refused([0x81, 0x01, 0x02], undefined);
    refused([0x81, 0x80, 0x02], undefined);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  it('refuses lengths that the body cannot hold, before making room for them', () => {
    refused([0xdd, 0xff, 0xff, 0xff, 0xff], undefined);
    refused([0xdf, 0xff, 0xff, 0xff, 0xff], undefined);
    refused([0xdb, 0xff, 0xff, 0xff, 0xff], undefined);
    refused([0xc6, 0xff, 0xff, 0xff, 0xff], undefined);
  });

  it('refuses strings that are not UTF-8', () => {
    refused([0xa2, 0xc3, 0x28], undefined);
    refused([0xd9, 0x20, ...Array<number>(32).fill(0xff)], undefined);
  });

  it('refuses nesting over the limit, and takes what is just within', () => {
    const nest = (depth: number, open: number[]) => Buffer.from([...Array(depth).fill(open).flat(), 0xc0]);
    decodeMsgpack(nest(64, [0x91]));
    decodeMsgpack(nest(64, [0x81, 0xa1, 0x61]));
    assert.throws(() => decodeMsgpack(nest(65, [0x91])), { code: 'bad_msgpack' });
    assert.throws(() => decodeMsgpack(nest(65, [0x81, 0xa1, 0x61])), { code: 'bad_msgpack' });
    assert.throws(() => decodeMsgpack(nest(1_000_000, [0x91])), { code: 'bad_msgpack' });
  });

  it('refuses every truncation, and never fails otherwise on bytes that were changed', () => {
    const whole = pack({
      vector: Buffer.from(Float32Array.of(1, 2, 3).buffer),
      k: 10,
      filter: { price: { $gte: 1.5, $in: [1, 'two', null, true, -70_000] } },
    });
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => decodeMsgpack(whole.subarray(0, length)), { code: 'bad_msgpack' });
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.nat(255),
        fc.nat(whole.length - 1),
        fc.nat(255),
        (i, x, j, y) => {
          const bytes = Buffer.from(whole);
          bytes[i] = x;
          bytes[j] = y;
          try {
            decodeMsgpack(bytes);
          } catch (error) {
            assert.ok(error instanceof NearpinError, String(error));
          }
        },
      ),
      { seed: 2, numRuns: 5000 },
    );
  });

  it('never fails otherwise on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeMsgpack(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof NearpinError, String(error));
        }
      }),
      { seed: 3, numRuns: 5000 },
    );
  });
});

describe('encodeMsgpack', () => {
  it('writes what any msgpack decoder reads, with all bits of numbers', () => {
    const plain = new Unpackr({ useRecords: false, mapsAsObjects: true });
    fc.assert(
      fc.property(value, (written) => {
        const bytes = encodeMsgpack(written);
        assert.deepEqual(plain.unpack(bytes), written);
        assert.deepEqual(decodeMsgpack(bytes), written);
      }),
      { seed: 4, numRuns: 300 },
    );
  });
});
