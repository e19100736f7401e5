/** Which pages may ask: none unless their origin is listed; and a preflight tells nothing of what there is. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { catalogOf, exchange, ready, serve } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const KNOWN = 'https://pins.example';

async function start(t: TestContext, corsOrigins?: readonly string[]) {
  const engine = memoryEngine({ dim: 4, attributes: ATTRIBUTES, pins: somePins(5, 4, 1) });
  const server = await serve({
    catalog: catalogOf([ready({ name: 'pins', engine, model: null })]),
    ...(corsOrigins && { corsOrigins }),
  });
  t.after(() => server.app.close());
  const preflight = (path: string, origin: string) =>
    exchange(server.url + path, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });
  return { url: server.url, preflight };
}
const ofCors = (headers: Headers) => [...headers.keys()].filter((name) => name.startsWith('access-control-'));

describe('pages of other origins', () => {
  it('may not read anything, unless they are listed', async (t) => {
    const { url, preflight } = await start(t);
    assert.deepEqual(ofCors((await preflight('/v1/indexes/pins/query', KNOWN)).headers), []);
    const { status, headers } = await exchange(`${url}/v1/indexes`, { headers: { origin: KNOWN } });
    assert.deepEqual([status, ofCors(headers), headers.get('vary')], [200, [], 'accept, accept-encoding']);
  });

  it('may when they are listed, also what is refused; others may not', async (t) => {
    const { url, preflight } = await start(t, [KNOWN, 'http://localhost:3000']);
    const asked = await preflight('/v1/indexes/pins/query', KNOWN);
    assert.deepEqual(
      [asked.status, asked.headers.get('access-control-allow-origin'), asked.headers.get('vary')],
      [204, KNOWN, 'origin'],
    );
    assert.match(asked.headers.get('access-control-allow-headers')!, /authorization/);
    for (const path of ['/v1/indexes', '/v1/indexes/none', '/nothing']) {
      const known = await exchange(url + path, { headers: { origin: KNOWN } });
      assert.equal(known.headers.get('access-control-allow-origin'), KNOWN, path);
      assert.match(known.headers.get('vary')!, /^origin/);
      const other = await exchange(url + path, { headers: { origin: 'https://evil.example' } });
      assert.deepEqual(ofCors(other.headers), [], path);
      assert.match(other.headers.get('vary')!, /^origin/);
    }
    // Neither a prefix nor the word that sandboxed pages send
    for (const origin of [`${KNOWN}.evil.example`, 'null', 'https://pins.exampl'])
      assert.deepEqual(ofCors((await preflight('/v1/indexes', origin)).headers), [], origin);
    assert.equal(asked.headers.get('access-control-allow-credentials'), null);
  });

  it('learn nothing by a preflight: it is answered in the same words for every path', async (t) => {
    const { preflight } = await start(t, [KNOWN]);
    const said = async (path: string, origin: string) => {
      const { status, body, headers } = await preflight(path, origin);
      const kept = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
      return [status, body, kept];
    };
    for (const origin of [KNOWN, 'https://evil.example']) {
      const first = await said('/v1/indexes/pins/query', origin);
      for (const path of ['/v1/indexes/none/query', '/nothing', '/metrics', '/v1/indexes/pins/pins'])
        assert.deepEqual(await said(path, origin), first, path);
    }
  });
});
