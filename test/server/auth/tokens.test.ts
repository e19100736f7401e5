/** Tokens: who they speak for, everything for which they are refused, and for how long one is believed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { NearpinError } from '../../../src/lib/errors.ts';
import { givenKeys, type TokenKeys } from '../../../src/server/auth/jwks.ts';
import type { Principal } from '../../../src/server/auth/principal.ts';
import {
  BELIEVED_MS,
  type Check,
  type TokenOptions,
  TokenVerifier,
} from '../../../src/server/auth/tokens.ts';
import { rejects } from '../../lib/refuses.ts';

const NOW_MS = Date.parse('2026-05-01T00:00:00Z');
const NOW_S = NOW_MS / 1000;
const ISSUER = 'https://issuer.example';
const AUDIENCE = 'nearpin';
const CLAIMS = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', exp: NOW_S + 3600, scope: 'read' };

const pair = await generateKeyPair('ES256', { extractable: true });
const other = await generateKeyPair('ES256');
const rsa = await generateKeyPair('RS256', { extractable: true });
const JWKS = {
  keys: [
    { ...(await exportJWK(pair.publicKey)), kid: 'ec', alg: 'ES256', use: 'sig' },
    { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS256', use: 'sig' },
  ],
};

const sign = (claims: JWTPayload, key = pair.privateKey, header: object = {}) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'ec', ...header }).sign(key);

function verifier(more: Partial<TokenOptions> = {}) {
  return new TokenVerifier({
    keys: givenKeys(JWKS),
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    clockToleranceS: 30,
    clock: () => NOW_MS,
    ...more,
  });
}

const decided = async (found: Principal | Check) => (typeof found === 'function' ? found() : found);
const principalOf = async (claims: JWTPayload) => decided(verifier().authenticate(await sign(claims)));

/** Also when it is refused at once. */
const refused = async (token: string, more: Partial<TokenOptions> = {}) =>
  rejects((async () => decided(verifier(more).authenticate(token)))(), 'unauthorized');

describe('tokens', () => {
  it('speak for their subject, with the scopes and indexes that they name', async () => {
    const principal = await principalOf({ ...CLAIMS, scope: 'openid read metrics', indexes: ['a', 'b'] });
    assert.deepEqual(principal, {
      kind: 'token',
      id: 'alice',
      scopes: new Set(['read', 'metrics']),
      indexes: new Set(['a', 'b']),
    });
  });

  it('grant nothing that they do not name', async () => {
    const { scope: _, ...without } = CLAIMS;
    const { scopes, indexes } = await principalOf(without);
    assert.deepEqual([scopes, indexes], [new Set(), new Set()]);
    assert.deepEqual((await principalOf({ ...CLAIMS, scope: 'reader READ' })).scopes, new Set());
  });

  it('grant all indexes as * or as a list that has it', async () => {
    for (const indexes of ['*', ['*'], ['a', '*']])
      assert.equal((await principalOf({ ...CLAIMS, indexes })).indexes, '*');
  });

  it('are refused with claims of the wrong kind, or without those that they need', async () => {
    const { sub: _, ...nobody } = CLAIMS;
    const { exp: __, ...endless } = CLAIMS;
    for (const claims of [
      nobody,
      endless,
      { ...CLAIMS, sub: '' },
      { ...CLAIMS, sub: 'x'.repeat(257) },
      { ...CLAIMS, scope: ['read'] },
      { ...CLAIMS, indexes: 'a' },
      { ...CLAIMS, indexes: [1] },
      { ...CLAIMS, indexes: { a: true } },
      { ...CLAIMS, iss: 'https://other.example' },
      { ...CLAIMS, aud: 'another' },
      { ...CLAIMS, exp: NOW_S - 31 },
      { ...CLAIMS, nbf: NOW_S + 31 },
    ])
      await refused(await sign(claims as JWTPayload));
  });

  it('may be off by what clocks may differ', async () => {
    for (const claims of [
      { ...CLAIMS, exp: NOW_S - 29 },
      { ...CLAIMS, nbf: NOW_S + 29 },
    ])
      assert.equal((await principalOf(claims)).id, 'alice');
  });

  it('are refused when somebody else signed, nobody did, or with an algorithm that is not allowed', async () => {
    await refused(await sign(CLAIMS, other.privateKey));
    await refused(new UnsecuredJWT(CLAIMS).encode());
    const byRsa = () => sign(CLAIMS, rsa.privateKey, { alg: 'RS256', kid: 'rsa' });
    await refused(await byRsa());
    const both = verifier({ algorithms: ['ES256', 'RS256'] });
    assert.equal((await decided(both.authenticate(await byRsa()))).id, 'alice');
    await refused(await sign(CLAIMS, pair.privateKey, { kid: 'gone' }));
    // What everybody knows of a key is no secret to sign with
    for (const secret of [await exportSPKI(rsa.publicKey), JSON.stringify(JWKS.keys[1])])
      for (const alg of ['HS256', 'HS512'])
        await refused(
          await new SignJWT(CLAIMS)
            .setProtectedHeader({ alg, kid: 'rsa' })
            .sign(new TextEncoder().encode(secret.padEnd(64))),
          { algorithms: ['ES256', 'RS256'] },
        );
  });

  it('are refused with anything in them changed', async () => {
    const token = await sign(CLAIMS);
    const change = fc.record({ at: fc.nat(token.length - 1), by: fc.integer({ min: 1, max: 60 }) });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, by }) => {
        const changed = String.fromCharCode(33 + ((token.charCodeAt(at) - 33 + by) % 94));
        // The last character of a base64url part may have bits that mean nothing
        if (at === token.length - 1 || token[at + 1] === '.') return;
        await refused(token.slice(0, at) + changed + token.slice(at + 1));
      }),
      { seed: 64, numRuns: 100 },
    );
    for (const text of ['', '.', '..', '...', 'a.b.c', '\u00e9', 'x'.repeat(9000), `${token}.x`])
      await refused(text);
  });

  it('are believed for a while without their signature', async () => {
    let [lookups, nowMs] = [0, NOW_MS];
    const found = givenKeys(JWKS);
    const keys: TokenKeys = (header, jws) => {
      lookups++;
      return found(header, jws);
    };
    const counting = verifier({ keys, clock: () => nowMs });
    const token = await sign({ ...CLAIMS, exp: NOW_S + 10 });
    const check = counting.authenticate(token);
    assert.equal(lookups, 0, 'nothing is looked at before that is asked for');
    const first = await decided(check);
    assert.equal(counting.authenticate(token), first, 'at once');
    assert.equal(lookups, 1);
    nowMs += 39_000;
    assert.equal(counting.authenticate(token), first);
    nowMs += 1_000;
    await rejects(decided(counting.authenticate(token)), 'unauthorized');

    const long = await sign(CLAIMS);
    const before = await decided(counting.authenticate(long));
    nowMs += BELIEVED_MS - 1;
    assert.equal(counting.authenticate(long), before);
    nowMs += 1;
    lookups = 0;
    assert.notEqual(await decided(counting.authenticate(long)), before);
    assert.equal(lookups, 1);
  });

  it('are not called wrong when their key cannot be had', async () => {
    const unavailable = new NearpinError('auth_unavailable', 'not now');
    for (const error of [unavailable, new TypeError('fetch failed')]) {
      const keys = () => Promise.reject(error);
      await rejects(decided(verifier({ keys }).authenticate(await sign(CLAIMS))), 'auth_unavailable');
    }
  });
});
