/** Cases as they come in: what is taken, and what is refused where. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseCase } from '../../src/evaluation/case.ts';

const AT = 'cases.jsonl:7';

test('a list of ids is of grade 1; grades of 0 are not relevant; whole numbers are ids', () => {
  assert.deepEqual(parseCase({ request: { k: 3 }, relevant: ['a', 5, 'a'] }, AT), {
    at: AT,
    request: { k: 3 },
    relevant: new Map([
      ['a', 1],
      ['5', 1],
    ]),
  });
  const graded = parseCase({ request: {}, relevant: { a: 0.5, b: 0, c: 3 }, user: 'u' }, AT);
  assert.deepEqual(
    [...graded.relevant],
    [
      ['a', 0.5],
      ['c', 3],
    ],
  );
  assert.equal(graded.user, 'u');
});

test('what is no case is refused with its line and field', () => {
  for (const [value, code, message] of [
    [5, 'bad_case', /cases\.jsonl:7: must be an object/],
    [{ request: {}, relevant: ['a'], k: 3 }, 'bad_case', /cases\.jsonl:7\.k/],
    [{ relevant: ['a'] }, 'bad_case', /cases\.jsonl:7: request/],
    [{ request: [], relevant: ['a'] }, 'bad_case', /request/],
    [{ request: {} }, 'bad_case', /cases\.jsonl:7: relevant/],
    [{ request: {}, relevant: [] }, 'bad_case', /relevant.*must hold a pin/],
    [{ request: {}, relevant: { a: 0 } }, 'bad_case', /relevant.*must hold a pin/],
    [{ request: {}, relevant: { a: -1 } }, 'bad_case', /relevant\.a/],
    [{ request: {}, relevant: { a: '1' } }, 'bad_case', /relevant\.a/],
    [{ request: {}, relevant: 'a' }, 'bad_case', /relevant/],
    [{ request: {}, relevant: ['a', null] }, 'bad_pin_id', /cases\.jsonl:7: relevant\[1\]/],
    [{ request: {}, relevant: ['a'], user: 5 }, 'bad_case', /user/],
  ] as const) {
    assert.throws(() => parseCase(value, AT), { code, message }, JSON.stringify(value));
  }
});
