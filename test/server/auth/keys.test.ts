/** API keys: whose a key is, and that nothing which is not exactly that key is taken for it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { composeKey, digestOf, isKey, KEY_BYTES, type Key, KeyTable } from '../../../src/server/auth/keys.ts';
import type { Principal } from '../../../src/server/auth/principal.ts';
import { refuses } from '../../lib/refuses.ts';

const principal = (id: string): Principal => ({
  kind: 'key',
  id,
  scopes: new Set(['read']),
  indexes: '*',
});

function make(name: string, expiresAtMs = Number.POSITIVE_INFINITY): { text: string; key: Key } {
  const { id, key: text } = composeKey(randomBytes(KEY_BYTES));
  return { text, key: { id, digest: digestOf(text), principal: principal(name), expiresAtMs } };
}

describe('API keys', () => {
  it('are made of an id and 256 random bits, in characters that need no quoting', () => {
    const { id, key } = composeKey(Buffer.from(Array.from({ length: KEY_BYTES }, (_, i) => i)));
    assert.equal(key, 'np_0001020304050607_CAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJic');
    assert.equal(id, '0001020304050607');
    assert.ok(isKey(key));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES }), (bytes) => {
        const made = composeKey(Buffer.from(bytes));
        assert.match(made.key, /^np_[0-9a-f]{16}_[\w-]{43}$/);
        assert.ok(isKey(made.key));
        // Nothing of the random bytes is lost
        assert.deepEqual(Buffer.from(made.key.slice(20), 'base64url'), Buffer.from(bytes.slice(8)));
      }),
      { seed: 61, numRuns: 200 },
    );
  });

  it('say whose they are, each its own', () => {
    const [a, b] = [make('a'), make('b')];
    const table = new KeyTable([a.key, b.key]);
    assert.equal(table.authenticate(a.text, 0).id, 'a');
    assert.equal(table.authenticate(b.text, 0).id, 'b');
  });

  it('are refused with any character changed, left out or added, and when the ids of two are exchanged', () => {
    const [a, b] = [make('a'), make('b')];
    const table = new KeyTable([a.key, b.key]);
    const character = fc.constantFrom(...'0123456789abcdefABCXYZ_-. ~\u00e9\u0000');
    const change = fc.record({
      at: fc.nat(a.text.length - 1),
      remove: fc.constantFrom(0, 1),
      insert: fc.string({ unit: character, maxLength: 2 }),
    });
    fc.assert(
      fc.property(change, ({ at, remove, insert }) => {
        const changed = a.text.slice(0, at) + insert + a.text.slice(at + remove);
        if (changed === a.text) return;
        refuses(() => table.authenticate(changed, 0), 'unauthorized');
      }),
      { seed: 62, numRuns: 1000 },
    );
    refuses(() => table.authenticate(a.text.slice(0, 20) + b.text.slice(20), 0), 'unauthorized');
    refuses(() => table.authenticate('', 0), 'unauthorized');
    refuses(() => new KeyTable([]).authenticate(a.text, 0), 'unauthorized');
  });

  it('end when they expire', () => {
    const { text, key } = make('a', 1000);
    const table = new KeyTable([key]);
    assert.equal(table.authenticate(text, 999).id, 'a');
    refuses(() => table.authenticate(text, 1000), 'unauthorized');
  });
});
