import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareUtf8 } from '../../src/lib/utf8-order.ts';

const units = ['', '\0', 'a', 'b', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '😀', '\u{10ffff}'];

test('strings are compared as their UTF-8 bytes', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.array(fc.constantFrom(...units), { maxLength: 3 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, text, (a, b) => {
      const bytewise = Buffer.compare(Buffer.from(a), Buffer.from(b));
      assert.equal(Math.sign(compareUtf8(a, b)), bytewise);
    }),
    { seed: 7, numRuns: 5000 },
  );
});
