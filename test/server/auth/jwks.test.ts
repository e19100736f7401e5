/** The keys of an issuer behind a URL: renewed, held while it is gone, and never taken from what is no JWKS. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { exportJWK, type FlattenedJWSInput, generateKeyPair, type JWK } from 'jose';
import { FetchedKeys } from '../../../src/server/auth/jwks.ts';
import { rejects } from '../../lib/refuses.ts';

const MINUTE_MS = 60_000;
const publicKey = async (kid: string): Promise<JWK> => ({
  ...(await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey)),
  kid,
  alg: 'ES256',
});
const [first, second] = [await publicKey('first'), await publicKey('second')];

type Answer = () => Response | Promise<Response>;
const jwks =
  (...keys: JWK[]): Answer =>
  () =>
    Response.json({ keys });
const gone: Answer = () => Promise.reject(new TypeError('fetch failed'));

/** Keys whose issuer answers as `answer.now` says; time passes when told. */
async function start(t: TestContext, initial: Answer) {
  t.mock.timers.enable({ apis: ['Date', 'setInterval'], now: 1e12 });
  const answer = { now: initial };
  const failures: unknown[] = [];
  let fetches = 0;
  const fetched = new FetchedKeys(new URL('https://issuer.example/jwks'), {
    fetch: async () => {
      fetches++;
      return answer.now();
    },
    clock: () => Date.now(),
    onFailure: (error) => failures.push((error as Error).message),
  });
  t.after(() => fetched.close());
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  await settle();
  const pass = async (ms: number) => {
    t.mock.timers.tick(ms);
    await settle();
  };
  const key = async (kid: string) =>
    fetched.keys({ alg: 'ES256', kid }, { payload: '', signature: '' } as FlattenedJWSInput);
  return { answer, failures, pass, key, fetches: () => fetches };
}

describe('the keys of an issuer', () => {
  it('are fetched once for many tokens', async (t) => {
    const { key, fetches } = await start(t, jwks(first));
    for (let i = 0; i < 5; i++) assert.ok(await key('first'));
    assert.equal(fetches(), 1);
  });

  it('are fetched again for one that is new, but not for each that is made up', async (t) => {
    const { answer, key, pass, fetches } = await start(t, jwks(first));
    answer.now = jwks(first, second);
    await assert.rejects(key('second'), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    assert.equal(fetches(), 1, 'just after a fetch there is none');
    await pass(MINUTE_MS);
    assert.ok(await key('second'));
    for (let i = 0; i < 5; i++)
      await assert.rejects(key(`made-up-${i}`), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    assert.equal(fetches(), 2);
  });

  it('that are withdrawn are forgotten at the next renewal', async (t) => {
    const { answer, key, pass } = await start(t, jwks(first, second));
    answer.now = jwks(second);
    assert.ok(await key('first'));
    await pass(10 * MINUTE_MS);
    await assert.rejects(key('first'), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  });

  it('hold for an hour while the issuer is gone; for others the answer is that nobody knows', async (t) => {
    const { answer, key, pass, failures } = await start(t, jwks(first));
    answer.now = gone;
    await pass(10 * MINUTE_MS);
    assert.ok(await key('first'));
    await rejects(key('second') as Promise<unknown>, 'auth_unavailable');
    assert.deepEqual(failures, ['fetch failed'], 'told once');
    await pass(51 * MINUTE_MS);
    await rejects(key('first') as Promise<unknown>, 'auth_unavailable');
    answer.now = jwks(first);
    await pass(MINUTE_MS);
    assert.ok(await key('first'));
    answer.now = gone;
    await pass(10 * MINUTE_MS);
    assert.equal(failures.length, 2, 'told again after a success');
  });

  it('are not asked for by every token while they cannot be had', async (t) => {
    const { answer, key, pass, fetches } = await start(t, gone);
    for (let i = 0; i < 20; i++) await rejects(key('first') as Promise<unknown>, 'auth_unavailable');
    assert.equal(fetches(), 1);
    answer.now = jwks(first);
    await pass(6_000);
    assert.ok(await key('first'));
    assert.equal(fetches(), 2);
  });

  it('are taken from a JWKS of moderate size alone', async (t) => {
    const { answer, key, pass, failures } = await start(t, gone);
    for (const bad of [
      () => new Response('no', { status: 500 }),
      () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.example' } }),
      () => new Response('<html>'),
      () => Response.json([first]),
      () => Response.json({ keys: 'first' }),
      () => new Response(`${' '.repeat(1024 * 1024)}{"keys":[]}`),
    ]) {
      answer.now = bad;
      await pass(6_000);
      await rejects(key('first') as Promise<unknown>, 'auth_unavailable');
    }
    assert.equal(failures.length, 1);
  });
});
