/** The listener for administration beside that of the API: what each answers, and that both end together. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { listen } from '../../src/server/listeners.ts';
import { createServer, type ServerOptions } from '../../src/server/server.ts';
import { catalogOf, clock, exchange, postJson, ready } from '../support/http.ts';
import { TestKeys } from '../support/keys.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const DIM = 4;
const PINS = somePins(20, DIM, 8);
const QUERY = { vector: PINS[0]!.vector, k: 3 };
const HERE = { host: '127.0.0.1', port: 0 };

function index(beforeAnswer?: () => Promise<void>) {
  const engine = memoryEngine({
    dim: DIM,
    attributes: ATTRIBUTES,
    pins: PINS,
    ...(beforeAnswer && { beforeAnswer }),
  });
  return ready({ name: 'a', engine, model: null });
}

/** A promise and what resolves it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

async function start(t: TestContext, options: Partial<ServerOptions> = {}) {
  const app = createServer({ catalog: catalogOf([index()]), clock, hasAdminListener: true, ...options });
  t.after(() => app.close());
  const { url, adminUrl } = await listen(app, HERE, HERE);
  return { app, url, adminUrl: adminUrl! };
}

describe('the admin listener', () => {
  it('alone answers what is for administrators; on the other one it is no route', async (t) => {
    const { url, adminUrl } = await start(t);
    assert.notEqual(url, adminUrl);
    for (const [method, path] of [
      ['GET', '/metrics'],
      ['POST', '/v1/indexes/a/checkpoint'],
      ['GET', '/v1/indexes/a/generations'],
      ['PUT', '/v1/indexes/b'],
      ['DELETE', '/v1/indexes/a'],
      ['DELETE', '/v1/aliases/x'],
      ['PATCH', '/metrics'],
    ] as const) {
      const there = await exchange(`${url}${path}`, { method });
      assert.deepEqual([there.status, there.body.code], [404, 'unknown_route'], `${method} ${path}`);
      const here = await exchange(`${adminUrl}${path}`, { method });
      assert.notEqual(here.body?.code, 'unknown_route', `${method} ${path}`);
    }
    assert.match((await exchange(`${adminUrl}/metrics`)).body, /nearpin_pins/);
  });

  it('answers everything else too, probes among it, and bytes that are no HTTP', async (t) => {
    const { url, adminUrl } = await start(t);
    for (const base of [url, adminUrl]) {
      for (const path of ['/livez', '/readyz', '/openapi.json', '/v1/indexes'])
        assert.equal((await exchange(base + path)).status, 200, base + path);
      assert.equal((await postJson(`${base}/v1/indexes/a/query`, QUERY)).status, 200);
      assert.equal((await exchange(`${base}/nowhere`)).body.code, 'unknown_route');
      const text = await new Promise<string>((resolve) => {
        let answer = '';
        const socket = connect(Number(new URL(base).port), '127.0.0.1', () =>
          socket.write('NONSENSE\r\n\r\n'),
        );
        socket.on('data', (chunk) => {
          answer += chunk;
        });
        socket.on('close', () => resolve(answer));
      });
      assert.match(text, /^HTTP\/1\.1 400 /);
    }
  });

  it('asks for keys like the other one', async (t) => {
    const keys = new TestKeys();
    const headers = keys.add('scraper', ['metrics']);
    const { url, adminUrl } = await start(t, { auth: keys.auth });
    assert.equal((await exchange(`${adminUrl}/metrics`)).status, 401);
    assert.equal((await exchange(`${adminUrl}/metrics`, { headers })).status, 200);
    // Whether it is there is not for those to know who may not be
    assert.equal((await exchange(`${url}/metrics`, { headers })).status, 404);
    assert.equal((await exchange(`${adminUrl}/livez`)).status, 200);
  });

  it('is not there when it is not asked for: one listener answers all', async (t) => {
    const app = createServer({ catalog: catalogOf([index()]), clock });
    t.after(() => app.close());
    const { url, adminUrl } = await listen(app, HERE);
    assert.equal(adminUrl, undefined);
    assert.equal((await exchange(`${url}/metrics`)).status, 200);
  });

  it('whose port is taken fails the start, before the API listens', async (t) => {
    const { adminUrl } = await start(t);
    const taken = { host: '127.0.0.1', port: Number(new URL(adminUrl).port) };
    const app = createServer({ catalog: catalogOf([]), clock, hasAdminListener: true });
    t.after(() => app.close());
    await assert.rejects(listen(app, HERE, taken), { code: 'EADDRINUSE' });
    assert.equal(app.server.listening, false);
  });
});

describe('closing with two listeners', () => {
  it('answers what is under way on both, and waits for no connection on which nothing is', async () => {
    const [search, arrival] = [gate(), gate()];
    let arrived = 0;
    const beforeAnswer = () => {
      if (++arrived === 2) arrival.open();
      return search.opened;
    };
    const app = createServer({ catalog: catalogOf([index(beforeAnswer)]), clock, hasAdminListener: true });
    const { url, adminUrl } = await listen(app, HERE, HERE);
    const silent = [url, adminUrl!].map((base) => connect(Number(new URL(base).port), '127.0.0.1'));
    const ended = Promise.all(silent.map((socket) => new Promise((resolve) => socket.on('close', resolve))));
    await exchange(`${adminUrl}/livez`);
    const flying = [url, adminUrl].map((base) => postJson(`${base}/v1/indexes/a/query`, QUERY));
    await arrival.opened;
    let isClosed = false;
    const closing = app.close().then(() => {
      isClosed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(isClosed, false);
    search.open();
    for (const { status, body } of await Promise.all(flying))
      assert.deepEqual([status, body.hits.length], [200, 3]);
    await closing;
    await ended;
    for (const base of [url, adminUrl]) await assert.rejects(fetch(`${base}/livez`));
  });

  it('says on both that it drains, and serves on both meanwhile', async (t) => {
    const { app, url, adminUrl } = await start(t, { drainDelayMs: 2000 });
    const closing = app.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const base of [url, adminUrl]) {
      assert.equal((await exchange(`${base}/readyz`)).body.code, 'not_ready');
      assert.equal((await postJson(`${base}/v1/indexes/a/query`, QUERY)).status, 200);
    }
    await closing;
  });

  it('ends also when it never listened', async () => {
    const app = createServer({ catalog: catalogOf([]), clock, hasAdminListener: true });
    await app.ready();
    await app.close();
  });
});
