/** By which names a server is asked: where it asks for keys by all, else by those that no resolver can turn. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import type { ServerOptions } from '../../src/server/server.ts';
import { catalogOf, serve } from '../support/http.ts';
import { TestKeys } from '../support/keys.ts';

async function start(t: TestContext, options: Partial<ServerOptions> = {}) {
  const { app, port } = await serve({ catalog: catalogOf([]), ...options });
  t.after(() => app.close());
  /** Asks as a browser does that was led here by this name. */
  return async (host: string, path = '/v1/indexes', headers: Record<string, string> = {}, method = 'GET') => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers: { ...headers, host } }).end();
    const [response] = await once(sent, 'response');
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) body += chunk;
    return { status: response.statusCode as number, headers: response.headers, body };
  };
}

const LOCAL = [
  'localhost',
  'LocalHost:8080',
  '127.0.0.1',
  '127.0.0.1:8080',
  '127.1.2.3:80',
  '192.168.0.7:8080',
  '[::1]',
  '[::1]:8080',
  '[::ffff:127.0.0.1]:80',
];
const OTHER = [
  'evil.example',
  'evil.example:8080',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  '127.0.0.1.nip.example:8080',
  'evil-localhost',
  'localhost:80:80',
  'user@localhost',
  'localhost evil.example',
  'localhost/evil',
  'a.localhost',
  '[::1].evil.example',
  '[evil]',
  'xn--evil',
  'cafe:80',
];

describe('a server that asks for no key', () => {
  it('answers by localhost and by addresses', async (t) => {
    const ask = await start(t);
    for (const host of LOCAL) assert.equal((await ask(host)).status, 200, host);
  });

  it('answers by no other name, at any path, with any method, not to pages of listed origins either', async (t) => {
    const origin = 'http://evil.example';
    const ask = await start(t, { corsOrigins: [origin], graphql: { introspection: true } });
    for (const host of OTHER) {
      const { status, body } = await ask(host);
      assert.deepEqual([status, JSON.parse(body).code], [421, 'misdirected_request'], host);
    }
    for (const path of ['/', '/livez', '/readyz', '/metrics', '/openapi.json', '/docs', '/nowhere'])
      assert.equal((await ask('evil.example', path)).status, 421, path);
    for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])
      for (const path of ['/v1/indexes/a', '/graphql', '/nowhere'])
        assert.equal((await ask('evil.example', path, {}, method)).status, 421, `${method} ${path}`);
    const preflight = { origin, 'access-control-request-method': 'PUT' };
    const { status, headers } = await ask('evil.example', '/v1/indexes/a', preflight, 'OPTIONS');
    assert.deepEqual([status, headers['access-control-allow-origin']], [421, undefined]);
  });
});

describe('a server that asks for keys', () => {
  it('answers by every name, since a name is no key', async (t) => {
    const keys = new TestKeys();
    const owner = keys.add('owner', ['read']);
    const ask = await start(t, { auth: keys.auth });
    for (const host of [...LOCAL, 'shop.example', 'nearpin.default.svc:8080']) {
      assert.equal((await ask(host, '/v1/indexes', owner)).status, 200, host);
      assert.equal((await ask(host)).status, 401, host);
    }
  });
});
