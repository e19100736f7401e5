/** The strict JSON decoder against JSON.parse, and what it refuses beyond that. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeJson } from '../../src/server/codec/json.ts';

const decode = (text: string) => decodeJson(Buffer.from(text));
const awkward = fc.constantFrom('"', '\\', '\\"', ':', '":', '\\\\":', '{', 'a', ' ', 'é');
const text = fc.array(awkward, { maxLength: 6 }).map((parts) => parts.join(''));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true),
    fc.integer(),
    text,
    fc.array(tie('value')),
    fc.dictionary(text, tie('value'), { noNullPrototype: true }),
  ),
}));

describe('decodeJson', () => {
  it('reads what JSON.parse reads, however it is spaced', () => {
    fc.assert(
      fc.property(value, fc.constantFrom(0, 1, '\t'), (written, space) => {
        assert.deepEqual(decode(JSON.stringify(written, null, space)), written);
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  it('refuses a key that is written twice, at any depth and however it is escaped', () => {
    for (const body of [
      '{"a":1,"a":1}',
      '{"a":{"b":1,"c":2,"b":3}}',
      '[1,{"a" : [] , "a"\n:{}}]',
      '{"a":1,"\\u0061":2}',
      '{"x\\\\":1,"x\\\\":2}',
      '{"a":{"b":1},"a":{"b":1}}',
    ])
      assert.throws(() => decode(body), { code: 'bad_json' }, body);
    assert.deepEqual(decode('{"a":"a","b":["a:","b"],"c":{"a":1}}'), { a: 'a', b: ['a:', 'b'], c: { a: 1 } });
  });

  it('refuses keys that reach a prototype, also when they are escaped', () => {
    for (const body of [
      '{"__proto__":{}}',
      '[{"\\u005f_proto__":1}]',
      '{"a":{"constructor":{"prototype":1}}}',
    ])
      assert.throws(() => decode(body), { code: 'bad_json' }, body);
  });

  it('refuses nesting over the limit without running out of stack', () => {
    decode('['.repeat(64) + ']'.repeat(64));
    for (const depth of [65, 100_000])
      assert.throws(() => decode('['.repeat(depth) + ']'.repeat(depth)), { code: 'bad_json' });
  });
});
