/**
 * Who is let in, over real HTTP: nothing of a request without a right key is parsed, each route asks for its scope, and
 * indexes that are not granted cannot be told from such as are not there.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { RouteOptions } from 'fastify';
import { AuditLog, type AuditRecord, type DropRecord } from '../../../src/server/auth/audit.ts';
import { SCOPES } from '../../../src/server/auth/principal.ts';
import type { Catalog } from '../../../src/server/catalog.ts';
import { createServer, type ServerOptions } from '../../../src/server/server.ts';
import { catalogOf, clock, exchange, postJson, postMsgpack, ready, serve } from '../../support/http.ts';
import { TestKeys } from '../../support/keys.ts';
import { memoryEngine } from '../../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../../support/pins.ts';
import { parseMetrics, seriesValue } from '../../support/prometheus.ts';

const DIM = 4;
const PINS = somePins(20, DIM, 8);
const QUERY = JSON.stringify({ vector: PINS[0]!.vector, k: 3 });
const SECRET = 'np_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

/** Indexes `a` and `b`; the alias `live` stands for what `target.index` says. */
function catalogWithAlias(target = { index: 'a' }): Catalog {
  const index = (name: string) =>
    ready({ name, engine: memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS }), model: null });
  const { list, get } = catalogOf([index('a'), index('b')]);
  const admin = {
    aliases: () => new Map([['live', target.index]]),
    setAlias: async (_: string, name: string) => {
      target.index = name;
    },
  } as unknown as NonNullable<Catalog['admin']>;
  return { list, get: (name) => get(name === 'live' ? target.index : name), admin };
}

/** A server that counts the requests which come past the decision, to where bodies are parsed, and the bodies that were. */
async function counting(options: Omit<ServerOptions, 'clock'> & Partial<Pick<ServerOptions, 'clock'>>) {
  const counts = { parsed: 0, admitted: 0 };
  const app = createServer({ clock, ...options });
  app.addHook('preParsing', (_request, _reply, payload, done) => {
    counts.admitted++;
    done(null, payload);
  });
  app.addHook('preValidation', (request, _reply, done) => {
    if (request.body !== undefined) counts.parsed++;
    done();
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { app, url, port: Number(new URL(url).port), counts };
}

/** Sends a head and, in pieces, a body; what came back until the other end closed, or there was a whole answer. */
async function raw(port: number, head: string, body: readonly string[] = [], pauseMs = 0): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let answer = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.write(head);
  for (const piece of body) {
    if (socket.destroyed || answer.includes('\r\n\r\n')) break;
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  for (let i = 0; i < 500 && !answer.includes('\r\n\r\n'); i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  socket.destroy();
  return answer;
}

const JSON_HEADERS = { 'content-type': 'application/json' };
/** A route of each kind; those with a body come with one. */
const REQUESTS = [
  ['POST', '/v1/indexes/a/query', QUERY],
  ['POST', '/v1/indexes/live/related', '{"pins": ["p1"]}'],
  ['POST', '/v1/indexes/none/search', '{}'],
  ['POST', '/v1/indexes/a/batch', '{"requests": []}'],
  ['PUT', '/v1/indexes/a/pins', '{"pins": []}'],
  ['DELETE', '/v1/indexes/a/pins', '{"ids": []}'],
  ['PUT', '/v1/indexes/new', '{"dim": 3}'],
  ['DELETE', '/v1/indexes/a', ''],
  ['POST', '/v1/indexes/a/checkpoint', '{}'],
  ['PUT', '/v1/aliases/live', '{"index": "b"}'],
  ['GET', '/v1/indexes', ''],
  ['HEAD', '/v1/indexes/a', ''],
  ['GET', '/v1/indexes/a/pins/p1', ''],
  ['GET', '/metrics', ''],
  ['POST', '/graphql', '{"query": "{indexes{name}}"}'],
  ['POST', '/nowhere', '{"a": 1}'],
  ['PUT', '/v1/indexes/a/nowhere', '{"a": 1}'],
  ['GET', '/nowhere', ''],
] as const;

describe('requests without a right key', () => {
  const keys = new TestKeys();
  const owner = keys.add('owner', SCOPES);
  let server: Awaited<ReturnType<typeof counting>>;
  before(async () => {
    const graphql = { introspection: true };
    // So slow that they are no flood
    let nowMs = 0;
    const slow = () => (nowMs += 1000);
    server = await counting({ catalog: catalogWithAlias(), auth: keys.auth, graphql, clock: slow });
  });
  after(() => server.app.close());

  /** Runs requests, none of which may come as far as a parser. */
  async function nothingParsed(run: () => Promise<void>) {
    const { counts } = server;
    Object.assign(counts, { parsed: 0, admitted: 0 });
    await run();
    assert.deepEqual(counts, { parsed: 0, admitted: 0 });
  }

  it('are counted by a count that counts: with a right key bodies are parsed', async () => {
    const { counts, url } = server;
    Object.assign(counts, { parsed: 0, admitted: 0 });
    await postJson(`${url}/v1/indexes/a/query`, QUERY, owner);
    await postMsgpack(`${url}/v1/indexes/a/query`, JSON.parse(QUERY), owner);
    assert.deepEqual(counts, { parsed: 2, admitted: 2 });
    await postJson(`${url}/nowhere`, QUERY, owner);
    assert.deepEqual(counts, { parsed: 3, admitted: 3 }, 'also of a path that is no route');
  });

  it('are refused with 401 and how to do better, on every kind of route, and none is parsed', () =>
    nothingParsed(async () => {
      for (const [method, path, body] of REQUESTS)
        for (const [header, challenge] of [
          [{}, 'Bearer realm="nearpin"'],
          [{ authorization: `Bearer ${SECRET}` }, 'Bearer realm="nearpin", error="invalid_token"'],
          [{ authorization: 'Basic YTpi' }, 'Bearer realm="nearpin", error="invalid_token"'],
        ] as const) {
          const answer = await exchange(`${server.url}${path}`, {
            method,
            headers: { ...(body && JSON_HEADERS), ...header },
            ...(body && { body }),
          });
          const at = `${method} ${path}`;
          assert.deepEqual([answer.status, answer.headers.get('www-authenticate')], [401, challenge], at);
          if (method !== 'HEAD') assert.equal(answer.body.code, 'unauthorized', at);
          assert.ok(!JSON.stringify(answer.body ?? '').includes(SECRET), at);
        }
    }));

  it('are refused whatever their media type, and before that is looked at', () =>
    nothingParsed(async () => {
      for (const type of [
        'application/msgpack',
        'text/plain',
        'image/png',
        'nonsense',
        'multipart/form-data',
      ])
        for (const path of ['/v1/indexes/a/query', '/nowhere']) {
          const headers = { 'content-type': type, accept: 'image/png' };
          const { status } = await exchange(`${server.url}${path}`, { method: 'POST', headers, body: QUERY });
          assert.equal(status, 401, `${type} ${path}`);
        }
    }));

  it('are answered while their body is still on its way, and that is not waited for', () =>
    nothingParsed(async () => {
      const head = 'POST /v1/indexes/a/query HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
      const slow = await raw(server.port, `${head}content-length: 1000000\r\n\r\n`, Array(400).fill(' '), 10);
      const chunked = await raw(
        server.port,
        `${head}transfer-encoding: chunked\r\n\r\n`,
        Array(400).fill('1\r\n \r\n'),
        10,
      );
      const huge = await raw(server.port, `${head}content-length: 99999999999\r\n\r\n`, [
        'x'.repeat(1_000_000),
      ]);
      const nothing = await raw(server.port, `${head}content-length: 70000\r\n\r\n`);
      for (const answer of [slow, chunked, huge, nothing]) {
        assert.match(answer, /^HTTP\/1\.1 401 /);
        assert.match(answer, /connection: close/i);
      }
      const short = await raw(server.port, `${head}content-length: 5\r\n\r\n`);
      assert.match(short, /^HTTP\/1\.1 401 /);
      assert.doesNotMatch(short, /connection: close/i);
    }));

  it('ask in vain what a path takes of what is for administrators, and learn it of the others', () =>
    nothingParsed(async () => {
      const ask = (method: string, path: string, body?: string) =>
        exchange(`${server.url}${path}`, {
          method,
          ...(body !== undefined && { body, headers: JSON_HEADERS }),
        });
      assert.equal((await ask('OPTIONS', '/v1/indexes/a/checkpoint', QUERY)).status, 401);
      assert.equal((await ask('PATCH', '/metrics', QUERY)).status, 401);
      assert.equal((await ask('OPTIONS', '/v1/indexes/a/query', QUERY)).status, 204);
      assert.equal((await ask('PATCH', '/v1/indexes/a/query', QUERY)).status, 405);
      assert.equal((await ask('POST', '/livez', QUERY)).status, 405);
    }));

  it('reach no parser whatever headers they have', () =>
    nothingParsed(async () => {
      const value = fc.oneof(
        fc.constantFrom(
          SECRET,
          `Bearer ${SECRET}`,
          `bearer  ${SECRET}`,
          'Bearer',
          'Basic eDp5',
          'Bearer a.b.c',
        ),
        fc.stringMatching(/^[\x20-\x7e]{0,80}$/),
      );
      const name = fc.constantFrom(
        'authorization',
        'Authorization',
        'AUTHORIZATION',
        'x-authorization',
        'proxy-authorization',
        'x-api-key',
        'cookie',
        'expect',
        'x-http-method-override',
        'content-encoding',
        'x-forwarded-for',
      );
      const lines = fc.array(fc.tuple(name, value), { maxLength: 5 });
      await fc.assert(
        fc.asyncProperty(
          lines,
          fc.constantFrom('/v1/indexes/a/query', '/graphql', '/x'),
          async (given, path) => {
            const text = given.map(([field, content]) => `${field}: ${content}\r\n`).join('');
            const head = `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
            const answer = await raw(server.port, `${head}${text}content-length: ${QUERY.length}\r\n\r\n`, [
              QUERY,
            ]);
            assert.match(answer, /^HTTP\/1\.1 4(01|17) /, text);
          },
        ),
        { seed: 66, numRuns: 100 },
      );
    }));

  it('see what is open', async () => {
    for (const path of ['/', '/livez', '/readyz', '/openapi.json'])
      assert.equal((await exchange(`${server.url}${path}`)).status, 200, path);
  });

  it('learn no name of an index from probes', async () => {
    const { body } = await exchange(`${server.url}/readyz`);
    assert.deepEqual(body, { status: 'ready', ready: [], failed: [] });
    const waiting = await serve({ catalog: catalogOf([{ name: 'a', status: 'loading' }]), auth: keys.auth });
    try {
      const answer = await exchange(`${waiting.url}/readyz`);
      assert.deepEqual([answer.status, answer.body.errors], [503, undefined]);
    } finally {
      await waiting.app.close();
    }
  });
});

describe('scopes', () => {
  const keys = new TestKeys();
  const granted = {
    read: keys.add('reader', ['read']),
    write: keys.add('writer', ['write']),
    admin: keys.add('admin', ['admin']),
    metrics: keys.add('scraper', ['metrics']),
  };
  const none = keys.add('none', []);
  let server: Awaited<ReturnType<typeof counting>>;
  before(async () => {
    server = await counting({ catalog: catalogWithAlias(), auth: keys.auth });
  });
  after(() => server.app.close());

  it('are said by every route, and a route without one fails the start', async () => {
    const app = createServer({ catalog: catalogWithAlias(), clock, graphql: { introspection: true } });
    const routes: RouteOptions[] = [];
    app.addHook('onRoute', (route) => {
      routes.push(route);
    });
    await app.ready();
    await app.close();
    assert.ok(routes.length > 40);
    for (const { url, method, config } of routes)
      assert.ok([...SCOPES, 'open'].includes(config?.scope as string), `${method} ${url}`);
    const lacking = createServer({ catalog: catalogWithAlias(), clock });
    lacking.get('/forgotten', () => 'x');
    await assert.rejects(async () => lacking.ready(), /GET \/forgotten has no scope/);
  });

  it('are asked for, each by its routes, and one does not hold another', async () => {
    for (const [method, path, body, scope] of [
      ['POST', '/v1/indexes/a/query', QUERY, 'read'],
      ['POST', '/v1/indexes/a/recall', '{}', 'read'],
      ['GET', '/v1/indexes', '', 'read'],
      ['GET', '/v1/aliases', '', 'read'],
      ['GET', '/v1/indexes/a', '', 'read'],
      ['HEAD', '/v1/indexes/a', '', 'read'],
      ['GET', '/v1/indexes/a/surfaces', '', 'read'],
      ['GET', '/v1/indexes/a/pins/p1', '', 'read'],
      ['PUT', '/v1/indexes/a/pins', '{"pins": []}', 'write'],
      ['DELETE', '/v1/indexes/a/pins', '{"ids": []}', 'write'],
      ['POST', '/v1/indexes/a/checkpoint', '{}', 'admin'],
      ['GET', '/v1/indexes/a/generations', '', 'admin'],
      ['PUT', '/v1/indexes/a/generation', '{"generation": "000001"}', 'admin'],
      ['PUT', '/v1/aliases/live', '{"index": "a"}', 'admin'],
      ['GET', '/metrics', '', 'metrics'],
      ['OPTIONS', '/metrics', '', 'metrics'],
    ] as const)
      for (const [has, headers] of [...Object.entries(granted), ['none', none] as const]) {
        const { counts } = server;
        Object.assign(counts, { parsed: 0, admitted: 0 });
        const answer = await exchange(`${server.url}${path}`, {
          method,
          headers: { ...headers, ...(body && JSON_HEADERS) },
          ...(body && { body }),
        });
        const at = `${method} ${path} with ${has}`;
        if (has === scope) {
          assert.ok(answer.status !== 401 && answer.status !== 403, at);
          continue;
        }
        assert.equal(answer.status, 403, at);
        assert.deepEqual(counts, { parsed: 0, admitted: 0 }, at);
        assert.equal(
          answer.headers.get('www-authenticate'),
          `Bearer realm="nearpin", error="insufficient_scope", scope="${scope}"`,
        );
        if (method !== 'HEAD') assert.equal(answer.body.code, 'forbidden', at);
      }
  });

  it('are none for a path that is no route: whoever has a key is told so', async () => {
    const { status, body } = await exchange(`${server.url}/nowhere`, { headers: none });
    assert.deepEqual([status, body.code], [404, 'unknown_route']);
  });
});

describe('rates', () => {
  it('are of each key, wherever it comes from', async (t) => {
    const keys = new TestKeys();
    const [a, b] = [keys.add('a', ['read']), keys.add('b', ['read'])];
    const server = await serve({ catalog: catalogWithAlias(), auth: keys.auth, ratePerSecond: 0.01 });
    t.after(() => server.app.close());
    const statusOf = async (headers: { authorization: string }) =>
      (await exchange(`${server.url}/v1/indexes`, { headers })).status;
    assert.deepEqual([await statusOf(a), await statusOf(a), await statusOf(b)], [200, 429, 200]);
  });
});

describe('indexes', () => {
  const target = { index: 'a' };
  const keys = new TestKeys();
  const ofA = keys.add('of a', SCOPES, ['a']);
  const ofLive = keys.add('of live', ['read'], ['live']);
  const ofNone = keys.add('of none', ['read', 'admin'], []);
  const all = keys.add('all', ['read', 'admin', 'metrics']);
  let url: string;
  let close: () => Promise<void>;
  before(async () => {
    const graphql = { introspection: false };
    const { app, ...server } = await serve({ catalog: catalogWithAlias(target), auth: keys.auth, graphql });
    url = server.url;
    close = () => app.close();
  });
  after(() => close());

  const query = (index: string, headers: object) =>
    exchange(`${url}/v1/indexes/${index}/query`, {
      method: 'POST',
      headers: { ...JSON_HEADERS, ...headers },
      body: QUERY,
    });

  it('are used by their names and aliases, and by no others', async () => {
    target.index = 'a';
    const statuses = async (headers: object) =>
      Promise.all(['a', 'b', 'live'].map(async (index) => (await query(index, headers)).status));
    assert.deepEqual(await statuses(ofA), [200, 403, 200]);
    assert.deepEqual(await statuses(ofLive), [200, 403, 200]);
    assert.deepEqual(await statuses(ofNone), [403, 403, 403]);
    assert.deepEqual(await statuses(all), [200, 200, 200]);
    target.index = 'b';
    assert.deepEqual(await statuses(ofA), [200, 403, 403], 'an alias that moved takes its keys along');
    assert.deepEqual(await statuses(ofLive), [403, 200, 200]);
    target.index = 'a';
  });

  it('that are not granted answer like those that are not there', async () => {
    const [hidden, missing] = [await query('b', ofA), await query('c', ofA)];
    assert.deepEqual([hidden.status, missing.status], [403, 403]);
    assert.deepEqual(
      { ...hidden.body, detail: hidden.body.detail.replace('b', 'X') },
      { ...missing.body, detail: missing.body.detail.replace('c', 'X') },
    );
    assert.equal((await query('c', all)).body.code, 'unknown_index');
    assert.equal((await query('%61', ofA)).status, 200, 'the name is what the path says when decoded');
    for (const name of ['a%2F..%2Fb', 'A', 'a%00', '%2A', '__proto__', 'constructor'])
      assert.equal((await query(name, ofA)).status, 403, name);
  });

  it('are listed as far as they are granted, and so are aliases', async () => {
    const list = async (headers: { authorization: string }) => {
      const { body } = await exchange(`${url}/v1/indexes`, { headers });
      const aliases = await exchange(`${url}/v1/aliases`, { headers });
      return [body.indexes.map(({ name }: { name: string }) => name), aliases.body.aliases.length];
    };
    assert.deepEqual(await list(ofA), [['a'], 1]);
    assert.deepEqual(await list(ofLive), [['a'], 1]);
    assert.deepEqual(await list(ofNone), [[], 0]);
    assert.deepEqual(await list(all), [['a', 'b'], 1]);
    target.index = 'b';
    assert.deepEqual(await list(ofA), [['a'], 0]);
    target.index = 'a';
  });

  it('are granted over GraphQL as they are over REST', async () => {
    const ask = async (document: string, headers: { authorization: string }) => {
      const { body } = await postJson(`${url}/graphql`, { query: document }, headers);
      return body.errors?.[0].extensions.code ?? JSON.stringify(body.data);
    };
    assert.match(await ask('{ indexes { name } }', ofA), /^{"indexes":\[{"name":"a"}\]}$/);
    assert.match(await ask('{ index(name: "live") { name } }', ofA), /"a"/);
    for (const name of ['b', 'c']) {
      assert.equal(await ask(`{ index(name: "${name}") { name } }`, ofA), 'forbidden');
      const related = `{ related(index: "${name}", request: {pins: [{id: "p1"}]}) { edges { score } } }`;
      assert.equal(await ask(related, ofA), 'forbidden');
    }
  });

  it('that are all concerned need a key for all: aliases and metrics', async () => {
    const put = (headers: object) =>
      exchange(`${url}/v1/aliases/live`, {
        method: 'PUT',
        headers: { ...JSON_HEADERS, ...headers },
        body: '{"index": "a"}',
      });
    assert.equal((await put(ofA)).status, 403);
    assert.equal((await put(all)).status, 200);
    assert.equal((await exchange(`${url}/metrics`, { headers: ofA })).status, 403);
    assert.equal((await exchange(`${url}/metrics`, { headers: all })).status, 200);
  });

  it('are everybody’s where nobody is asked', async (t) => {
    const open = await serve({ catalog: catalogWithAlias() });
    t.after(() => open.app.close());
    assert.equal((await exchange(`${open.url}/v1/indexes`)).body.indexes.length, 2);
    const withKey = await exchange(`${open.url}/v1/indexes`, { headers: { authorization: 'Bearer x' } });
    assert.equal(withKey.status, 200);
  });
});

describe('the record of calls', () => {
  const keys = new TestKeys();
  const writer = keys.add('writer', ['write'], ['a']);
  const owner = keys.add('owner', SCOPES);
  const written: (AuditRecord | DropRecord)[] = [];
  const disk = { isBroken: false };
  const audit = new AuditLog({
    write: async (records) => {
      if (disk.isBroken) throw new Error('no space');
      written.push(...records);
    },
    clock: () => 0,
    onFailure: () => {},
  });
  let server: Awaited<ReturnType<typeof counting>>;
  before(async () => {
    server = await counting({ catalog: catalogWithAlias(), auth: keys.auth, audit });
  });
  after(async () => {
    await server.app.close();
    await audit.flush();
  });

  const call = (method: string, path: string, headers: object, body?: unknown) =>
    exchange(`${server.url}${path}`, {
      method,
      headers: { ...(body !== undefined && JSON_HEADERS), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  /** What is on the disk by the time of the answer. */
  async function recorded(run: () => Promise<unknown>) {
    const before = written.length;
    await run();
    return written.slice(before).map((record) => {
      if (record.kind === 'dropped') return record;
      const { at: _, requestId, from, ...rest } = record;
      assert.ok(requestId);
      assert.equal(from, '127.0.0.1');
      return rest;
    });
  }

  it('has who did what to which index, with how much and what became of it, before the answer', async () => {
    const pins = [{ id: 'x', vector: [0.123456, 0, 0, 0], payload: { title: 'private' } }];
    const [put] = await recorded(() => call('PUT', '/v1/indexes/live/pins', writer, { pins }));
    assert.deepEqual(put, {
      kind: 'call',
      by: 'key',
      who: 'writer',
      method: 'PUT',
      route: '/v1/indexes/:index/pins',
      index: 'a',
      pins: 1,
      status: 501,
    });
    const ids = { ids: ['p1', 'p2'] };
    const [gone] = await recorded(() => call('DELETE', '/v1/indexes/a/pins', writer, ids));
    assert.deepEqual(
      [gone, 'pins' in gone! && gone.pins],
      [{ ...put, method: 'DELETE', index: 'a', pins: 2 }, 2],
    );
    const [alias] = await recorded(() => call('PUT', '/v1/aliases/live', owner, { index: 'a' }));
    assert.deepEqual(alias, {
      kind: 'call',
      by: 'key',
      who: 'owner',
      method: 'PUT',
      route: '/v1/aliases/:alias',
      index: 'a',
      alias: 'live',
      status: 200,
    });
    const text = JSON.stringify(written);
    for (const secret of ['np_', '0.123456', 'private', 'Bearer']) assert.ok(!text.includes(secret), secret);
  });

  it('has requests that were let in and found wrong, but none that only look', async () => {
    const [bad] = await recorded(() => call('PUT', '/v1/indexes/a/pins', writer, { pins: 'many' }));
    assert.deepEqual(bad && 'status' in bad && [bad.kind, bad.status, 'pins' in bad], ['call', 400, false]);
    const quiet = await recorded(async () => {
      await call('GET', '/metrics', owner);
      await call('GET', '/v1/indexes/a/generations', owner);
      await call('POST', '/v1/indexes/a/query', owner, JSON.parse(QUERY));
    });
    assert.deepEqual(quiet, []);
  });

  it('has requests that were not let in, on every route', async () => {
    const records = await recorded(async () => {
      await call('PUT', '/v1/indexes/a/pins', {}, { pins: [] });
      await call('POST', '/v1/indexes/b/query', { authorization: `Bearer ${SECRET}` }, {});
      await call('PUT', '/v1/indexes/b/pins', writer, { pins: [] });
      await call('GET', '/secret', {});
      // Nobody waits for them
      await audit.flush();
    });
    const refused = { kind: 'refused', by: null, who: null, status: 401, code: 'unauthorized' };
    assert.deepEqual(records, [
      { ...refused, method: 'PUT', route: '/v1/indexes/:index/pins', index: 'a' },
      { ...refused, method: 'POST', route: '/v1/indexes/:index/query', index: 'b' },
      {
        kind: 'refused',
        by: 'key',
        who: 'writer',
        method: 'PUT',
        route: '/v1/indexes/:index/pins',
        index: 'b',
        status: 403,
        code: 'forbidden',
      },
      { ...refused, method: 'GET', route: null },
    ]);
    assert.ok(!JSON.stringify(records).includes(SECRET));
  });

  it('that cannot be kept lets nothing change, and everything be read', async () => {
    disk.isBroken = true;
    await call('PUT', '/v1/aliases/live', owner, { index: 'a' });
    server.counts.parsed = 0;
    const refused = await call('PUT', '/v1/indexes/a/pins', writer, { pins: [] });
    assert.deepEqual(
      [refused.status, refused.body.code, refused.headers.get('retry-after')],
      [503, 'audit_unavailable', '1'],
    );
    assert.equal(server.counts.parsed, 0);
    const isReady = async () => {
      const families = parseMetrics((await call('GET', '/metrics', owner)).body);
      return [
        seriesValue(families, 'nearpin_audit_ready'),
        seriesValue(families, 'nearpin_audit_waiting_records'),
      ];
    };
    assert.deepEqual(await isReady(), [0, 1], 'the one that was under way');
    assert.equal((await call('POST', '/v1/indexes/a/query', owner, JSON.parse(QUERY))).status, 200);
    disk.isBroken = false;
    await audit.flush();
    assert.deepEqual(await isReady(), [1, 0]);
    assert.equal((await call('PUT', '/v1/aliases/live', owner, { index: 'a' })).status, 200);
  });
});
