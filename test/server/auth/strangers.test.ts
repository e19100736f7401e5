/** Many requests without a right key, from one network: answered for nothing, while whoever has a key is let in. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { AuditLog, type AuditRecord, type DropRecord } from '../../../src/server/auth/audit.ts';
import { type AuthenticatorOptions, createAuthenticator } from '../../../src/server/auth/authenticate.ts';
import { STRANGERS_PER_SECOND } from '../../../src/server/auth/guard.ts';
import { givenKeys, type TokenKeys } from '../../../src/server/auth/jwks.ts';
import { TokenVerifier } from '../../../src/server/auth/tokens.ts';
import { createServer } from '../../../src/server/server.ts';
import { catalogOf, exchange, postMsgpack } from '../../support/http.ts';
import { TestKeys } from '../../support/keys.ts';

const WRONG = { authorization: 'Bearer np_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' };

/** A server whose clock goes when it is told. */
async function start(t: TestContext, auth: Partial<AuthenticatorOptions> = {}) {
  const time = { nowMs: 1e12 };
  const clock = () => time.nowMs;
  const keys = new TestKeys();
  const owner = keys.add('owner', ['read']);
  const written: (AuditRecord | DropRecord)[] = [];
  const audit = new AuditLog({
    write: async (records) => {
      written.push(...records);
    },
    clock,
    onFailure: () => {},
  });
  const { authenticate } = createAuthenticator({ clock, ...auth });
  const app = createServer({
    catalog: catalogOf([]),
    clock,
    audit,
    auth: {
      authenticate: (header) =>
        header?.startsWith('Bearer np_') ? keys.auth.authenticate(header) : authenticate(header),
    },
  });
  t.after(() => app.close());
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const ask = (headers: Record<string, string>) => exchange(`${url}/v1/indexes`, { headers });
  const statusOf = async (headers: Record<string, string>) => (await ask(headers)).status;
  /** Until strangers are told to wait. */
  const flood = async () => {
    for (let i = 0; i < STRANGERS_PER_SECOND; i++) assert.equal(await statusOf(WRONG), 401, String(i));
  };
  return { url, time, owner, audit, written, ask, statusOf, flood };
}

/** The status of a request that comes from another address of this machine. */
async function statusFrom(localAddress: string, url: string): Promise<number | undefined> {
  const sent = request(`${url}/v1/indexes`, { localAddress, headers: WRONG, agent: false }).end();
  const [response] = await once(sent, 'response');
  response.resume();
  return response.statusCode;
}

describe('strangers', () => {
  it('are told that they are not known a second’s worth of times, then to wait', async (t) => {
    const { url, time, ask, statusOf, flood } = await start(t);
    await flood();
    const { status, body, headers } = await ask(WRONG);
    assert.deepEqual([status, body.code, headers.get('retry-after')], [429, 'rate_limited', '1']);
    assert.equal(await statusOf({}), 429, 'also with no key at all');
    assert.equal(await statusOf({ authorization: 'Basic YTpi' }), 429);
    assert.equal((await postMsgpack(`${url}/nowhere`, 'x', WRONG)).body.code, 'rate_limited');
    assert.equal((await exchange(`${url}/livez`)).status, 200, 'what is open is open');
    time.nowMs += 1000 / STRANGERS_PER_SECOND;
    assert.deepEqual([await statusOf(WRONG), await statusOf(WRONG)], [401, 429]);
    time.nowMs += 1000;
    await flood();
  });

  it('keep nobody out who has a key, from the same address, and do not become one by waiting', async (t) => {
    const { owner, statusOf, flood } = await start(t);
    await flood();
    for (let i = 0; i < 100; i++) assert.equal(await statusOf(owner), 200);
    assert.equal(await statusOf(WRONG), 429, 'a right key pays for no wrong one');
  });

  it('are counted for each address', async (t) => {
    if (process.platform !== 'linux') return t.skip('127.0.0.2 is no address here');
    const { url, statusOf, flood } = await start(t);
    await flood();
    assert.equal(await statusFrom('127.0.0.2', url), 401);
    assert.equal(await statusFrom('127.0.0.1', url), 429);
    assert.equal(await statusOf(WRONG), 429);
  });

  it('fill the audit log no further, which says how many it has left out', async (t) => {
    const { time, audit, written, statusOf, flood } = await start(t);
    await flood();
    for (let i = 0; i < 50; i++) assert.equal(await statusOf(WRONG), 429);
    await audit.flush();
    assert.equal(written.length, STRANGERS_PER_SECOND);
    time.nowMs += 1000;
    assert.equal(await statusOf(WRONG), 401);
    await audit.flush();
    const [last, dropped] = written.slice(STRANGERS_PER_SECOND);
    assert.equal(last!.kind, 'refused');
    assert.deepEqual(dropped, { kind: 'dropped', at: time.nowMs, refused: 50 });
    assert.deepEqual(audit.counts(), { written: STRANGERS_PER_SECOND + 1, dropped: 50, waiting: 0 });
  });

  it('have no signature looked at while they are told to wait, which those whose token is known do not notice', async (t) => {
    const [issuer, other] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
    const found = givenKeys({ keys: [{ ...(await exportJWK(issuer.publicKey)), alg: 'ES256' }] });
    let looked = 0;
    const tokens = new TokenVerifier({
      keys: ((header, token) => {
        looked++;
        return found(header, token);
      }) satisfies TokenKeys,
      issuer: 'i',
      audience: 'a',
      algorithms: ['ES256'],
      clockToleranceS: 0,
      clock: () => 1e12,
    });
    const sign = async (sub: string, { privateKey } = issuer) => {
      const claims = { iss: 'i', aud: 'a', sub, exp: 1e9 + 10, scope: 'read', indexes: '*' };
      const token = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
      return { authorization: `Bearer ${token}` };
    };
    const { time, statusOf } = await start(t, { tokens });
    const alice = await sign('alice');
    for (let i = 0; i < 3 * STRANGERS_PER_SECOND; i++)
      assert.equal(await statusOf(await sign(`right ${i}`)), 200, 'right ones are no strangers');
    assert.equal(await statusOf(alice), 200);
    for (let i = 0; i < STRANGERS_PER_SECOND; i++)
      assert.equal(await statusOf(await sign(`wrong ${i}`, other)), 401);
    looked = 0;
    for (let i = 0; i < 50; i++) assert.equal(await statusOf(await sign(`more ${i}`, other)), 429);
    const late = await sign('late');
    assert.deepEqual([await statusOf(alice), await statusOf(late)], [200, 429]);
    assert.equal(looked, 0);
    time.nowMs += 1000;
    assert.equal(await statusOf(late), 200);
  });

  it('are answered whole on a kept connection, and lose it where more is to come than is waited for', async (t) => {
    const { url, flood } = await start(t);
    await flood();
    const answerTo = async (text: string) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      t.after(() => socket.destroy());
      socket.setEncoding('latin1').write(text);
      let answer = '';
      for await (const chunk of socket) {
        answer += chunk;
        if (/connection: close|HTTP\/1\.1 200 /i.test(answer)) break;
      }
      return answer;
    };
    const head = 'host: x\r\ncontent-type: application/json\r\n';
    const kept = await answerTo(
      `HEAD /v1/indexes HTTP/1.1\r\n${head}\r\n` +
        `POST /v1/indexes/a/query HTTP/1.1\r\n${head}content-length: 2\r\n\r\n{}` +
        `GET /livez HTTP/1.1\r\n${head}\r\n`,
    );
    const answers = kept.split(/(?=HTTP\/1\.1 )/);
    assert.deepEqual(
      answers.map((each) => each.slice(9, 12)),
      ['429', '429', '200'],
    );
    assert.match(answers[0]!, /\r\n\r\n$/, 'an answer to HEAD has no body');
    assert.match(answers[1]!, /"code":"rate_limited"/);
    const long = await answerTo(
      `PUT /v1/indexes/a/pins HTTP/1.1\r\n${head}content-length: 99999999\r\n\r\n{`,
    );
    assert.match(long, /^HTTP\/1\.1 429 .*connection: close/is);
  });
});
