/** The Authorization header: one way to write a key, in any case of its scheme, and no other. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createAuthenticator } from '../../../src/server/auth/authenticate.ts';
import { composeKey, digestOf, KEY_BYTES, KeyTable } from '../../../src/server/auth/keys.ts';
import type { Principal } from '../../../src/server/auth/principal.ts';
import { refuses } from '../../lib/refuses.ts';

const OWNER: Principal = { kind: 'key', id: 'a', scopes: new Set(['read']), indexes: '*' };
const { id, key } = composeKey(randomBytes(KEY_BYTES));
const kept = { id, digest: digestOf(key), principal: OWNER, expiresAtMs: 1000 };
const { authenticate } = createAuthenticator({ keys: () => new KeyTable([kept]), clock: () => 0 });

describe('the Authorization header', () => {
  it('has a key as a bearer, whatever the case of that word and the spaces after it', () => {
    for (const scheme of ['Bearer ', 'bearer ', 'BEARER ', 'bEaReR    '])
      assert.equal(authenticate(scheme + key), OWNER);
  });

  it('is refused when it is missing, of another scheme, or has more to it', () => {
    for (const header of [
      undefined,
      '',
      key,
      'Bearer',
      'Bearer ',
      `Basic ${key}`,
      `Bearer${key}`,
      `Bearer ${key} ${key}`,
      `Bearer ${key},Bearer ${key}`,
      `Bearer "${key}"`,
      ` Bearer ${key}`,
      `Bearer\t${key}`,
      `Bearer ${key}\n`,
      `Bearer ${Buffer.from(key).toString('base64')}`,
      `Bearer ${digestOf(key).toString('hex')}`,
      `Bearer ${id}`,
    ])
      refuses(() => authenticate(header), 'unauthorized');
  });

  it('never lets in, nor fails in another way, whatever else it holds', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'Bearer',
        'bearer ',
        'np_',
        id,
        key,
        key.slice(0, 30),
        ' ',
        '_',
        '.',
        '\u0000',
        '%20',
        ',',
      ),
      fc.string({ maxLength: 20 }),
      fc.string({ unit: 'binary', maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const header = pieces.join('');
        if (/^bearer +/i.test(header) && header.replace(/^bearer +/i, '') === key) return;
        refuses(() => authenticate(header), 'unauthorized');
      }),
      { seed: 63, numRuns: 500 },
    );
  });

  it('takes time that does not grow with hostile headers', () => {
    // A pattern that backtracks would not end
    for (const header of [`Bearer ${' '.repeat(60_000)}`, `Bearer ${'a'.repeat(60_000)}!`])
      refuses(() => authenticate(header), 'unauthorized');
  });

  it('is looked up in the keys that are in force at that moment', () => {
    let table = new KeyTable([]);
    const changing = createAuthenticator({ keys: () => table, clock: () => 0 });
    refuses(() => changing.authenticate(`Bearer ${key}`), 'unauthorized');
    table = new KeyTable([kept]);
    assert.equal(changing.authenticate(`Bearer ${key}`), OWNER);
  });

  it('is refused where there are no keys of that kind', () => {
    const without = createAuthenticator({ clock: () => 0 });
    refuses(() => without.authenticate(`Bearer ${key}`), 'unauthorized');
    refuses(() => authenticate('Bearer a.b.c'), 'unauthorized');
  });
});
