/** Content negotiation, case by case. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { negotiate } from '../../src/server/codec/format.ts';

const JSON_TYPE = 'application/json';
const MSGPACK = 'application/msgpack';

const cases: readonly [accept: string | undefined, type: string | null][] = [
  [undefined, JSON_TYPE],
  ['', JSON_TYPE],
  ['*/*', JSON_TYPE],
  ['application/*', JSON_TYPE],
  ['APPLICATION/JSON', JSON_TYPE],
  [MSGPACK, MSGPACK],
  ['application/x-msgpack', 'application/x-msgpack'],
  ['application/vnd.msgpack;q=0.9, application/json;q=0.8', 'application/vnd.msgpack'],
  ['application/json, application/msgpack', JSON_TYPE],
  ['application/msgpack, application/json', MSGPACK],
  ['application/msgpack, */*', MSGPACK],
  ['*/*, application/msgpack', MSGPACK],
  ['application/json;q=0, */*', MSGPACK],
  ['application/json;q=0.2, application/msgpack;q=0.3', MSGPACK],
  ['text/html,application/xhtml+xml,*/*;q=0.8', JSON_TYPE],
  ['application/json; charset=utf-8', JSON_TYPE],
  ['application/json;q=nonsense', null],
  ['text/html', null],
  ['application/json;q=0', null],
  ['application/msgpacked', null],
];

for (const [accept, type] of cases)
  it(`answers Accept: ${accept} with ${type}`, () => {
    assert.equal(negotiate(accept), type);
    assert.equal(negotiate(accept), type, 'the second time, from the cache');
  });
