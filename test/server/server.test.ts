/** What the server does around the API: health, draining, wrong paths and methods, faults, and bytes that are no HTTP. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import { NearpinError } from '../../src/lib/errors.ts';
import type { CatalogEntry } from '../../src/server/catalog.ts';
import { catalogOf, exchange, postJson, postMsgpack, ready, serve } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const DIM = 4;
const PINS = somePins(20, DIM, 8);
const QUERY = { vector: PINS[0]!.vector, k: 3 };

function index(name: string, beforeAnswer?: () => Promise<void>) {
  const engine = memoryEngine({
    dim: DIM,
    attributes: ATTRIBUTES,
    pins: PINS,
    ...(beforeAnswer && { beforeAnswer }),
  });
  return { name, engine, model: null };
}

async function start(t: TestContext, entries: readonly CatalogEntry[], options: object = {}) {
  const server = await serve({ catalog: catalogOf(entries), ...options });
  t.after(() => server.app.close());
  return server;
}

/** A promise and what resolves it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('health', () => {
  it('is live and ready when every index answers', async (t) => {
    const { url } = await start(t, [ready(index('a'))]);
    assert.deepEqual((await exchange(`${url}/livez`)).body, { status: 'live' });
    const { status, body } = await exchange(`${url}/readyz`);
    assert.deepEqual([status, body], [200, { status: 'ready', ready: ['a'], failed: [] }]);
    const probe = await exchange(`${url}/livez?verbose=1`, { headers: { accept: 'text/plain' } });
    assert.deepEqual([probe.status, probe.type], [200, 'application/json; charset=utf-8']);
  });

  it('is live but not ready while an index loads, with a time to come back', async (t) => {
    const entries: CatalogEntry[] = [ready(index('a')), { name: 'b', status: 'loading' }];
    const { url } = await start(t, entries);
    assert.equal((await exchange(`${url}/livez`)).status, 200);
    const { status, body, headers } = await exchange(`${url}/readyz`);
    assert.deepEqual([status, body.code, headers.get('retry-after')], [503, 'not_ready', '1']);
    assert.equal(body.errors[0].path, 'indexes.b');
    const query = await postJson(`${url}/v1/indexes/b/query`, QUERY);
    assert.deepEqual([query.status, query.body.code], [503, 'not_ready']);
    entries[1] = ready(index('b'));
    assert.equal((await exchange(`${url}/readyz`)).status, 200);
  });

  it('serves the other indexes when one failed to load, and says which and why', async (t) => {
    const error = new NearpinError('corrupt_file', 'shard-000.seg: the checksum does not match');
    const { url } = await start(t, [ready(index('good')), { name: 'bad', status: 'failed', error }]);
    assert.equal((await postJson(`${url}/v1/indexes/good/query`, QUERY)).status, 200);
    for (const path of ['', '/pins/p1']) {
      const { status, body } = await exchange(`${url}/v1/indexes/bad${path}`);
      assert.deepEqual([status, body.code, body.detail], [503, 'corrupt_file', error.message]);
    }
    const [, bad] = (await exchange(`${url}/v1/indexes`)).body.indexes;
    assert.deepEqual([bad.name, bad.status, bad.problem.code], ['bad', 'failed', 'corrupt_file']);
    const { status, body } = await exchange(`${url}/readyz`);
    assert.deepEqual([status, body.ready, body.failed[0].name], [200, ['good'], 'bad']);
  });

  it('is not ready when no index could be loaded', async (t) => {
    const error = new NearpinError('corrupt_file', 'broken');
    const { url } = await start(t, [{ name: 'bad', status: 'failed', error }]);
    const { status, body } = await exchange(`${url}/readyz`);
    assert.deepEqual([status, body.code, body.errors[0].message], [503, 'not_ready', 'failed: broken']);
  });
});

describe('close', () => {
  it('finishes what is in flight before it resolves', async () => {
    const { opened, open } = gate();
    const arrival = gate();
    let arrived = 0;
    const beforeAnswer = () => {
      if (++arrived === 5) arrival.open();
      return opened;
    };
    const { app, url } = await serve({ catalog: catalogOf([ready(index('a', beforeAnswer))]) });
    const flying = Array.from({ length: 5 }, () => postJson(`${url}/v1/indexes/a/query`, QUERY));
    // What has not arrived when the server stops listening is not in flight
    await arrival.opened;
    let closed = false;
    const closing = app.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(closed, false);
    open();
    for (const { status, body, headers } of await Promise.all(flying))
      assert.deepEqual([status, body.hits.length, headers.get('connection')], [200, 3, 'close']);
    await closing;
    await assert.rejects(fetch(`${url}/livez`));
  });

  it('does not wait for connections on which nothing is in flight', async () => {
    const { app, port, url } = await serve({ catalog: catalogOf([ready(index('a'))]) });
    const silent = connect(port, '127.0.0.1');
    const halfway = connect(port, '127.0.0.1', () =>
      halfway.write('POST /v1/indexes/a/query HTTP/1.1\r\nhost'),
    );
    const ended = Promise.all(
      [silent, halfway].map((socket) => new Promise((resolve) => socket.on('close', resolve))),
    );
    await exchange(`${url}/livez`);
    const started = performance.now();
    await app.close();
    await ended;
    assert.ok(performance.now() - started < 2000);
  });

  it('gives up on who does not read the answer, or does not send the rest of a request', async () => {
    const wide = memoryEngine({
      dim: DIM,
      attributes: ATTRIBUTES,
      pins: PINS.map((pin) => ({ ...pin, payload: 'x'.repeat(60_000) })),
    });
    const { app, port } = await serve({
      catalog: catalogOf([ready({ name: 'a', engine: wide, model: null })]),
      drainLimitMs: 200,
    });
    const request = (body: string, length = body.length) =>
      `POST /v1/indexes/a/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      `content-length: ${length}\r\n\r\n${body}`;
    const deaf = connect(port, '127.0.0.1').pause();
    const answers = JSON.stringify({
      vectors: Array.from({ length: 100 }, () => QUERY.vector),
      include: ['payload'],
    });
    deaf.write(request(answers));
    const slow = connect(port, '127.0.0.1');
    slow.write(request('{', 1000));
    for (const socket of [deaf, slow]) socket.on('error', () => {});
    while (wide.queries.length < 100) await new Promise((resolve) => setTimeout(resolve, 5));
    await app.close();
    deaf.destroy();
    slow.destroy();
  });

  it('says not ready but answers all the same during the drain delay', async () => {
    const { app, url } = await serve({ catalog: catalogOf([ready(index('a'))]), drainDelayMs: 600 });
    const closing = app.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { status, body } = await exchange(`${url}/readyz`);
    assert.deepEqual([status, body.code, body.detail], [503, 'not_ready', 'The server is draining']);
    assert.equal((await exchange(`${url}/livez`)).status, 200);
    assert.equal((await postJson(`${url}/v1/indexes/a/query`, QUERY)).status, 200);
    await closing;
  });
});

describe('paths and methods', () => {
  it('answers an unknown path with unknown_route, in the format that is accepted', async (t) => {
    const { url } = await start(t, [ready(index('a'))]);
    for (const answer of [
      await exchange(`${url}/v2/indexes`),
      await postMsgpack(`${url}/v1/indexes/a/guess`, {}),
      await exchange(`${url}/v1/indexes/a/`, { headers: { accept: 'text/html' } }),
    ])
      assert.deepEqual([answer.status, answer.body.code], [404, 'unknown_route']);
  });

  it('answers a wrong method with 405 and Allow, before it looks at the body', async (t) => {
    const { url } = await start(t, [ready(index('a'))]);
    for (const [method, path, allow] of [
      ['GET', '/v1/indexes/a/query', 'POST, OPTIONS'],
      ['HEAD', '/v1/indexes/a/query', 'POST, OPTIONS'],
      ['DELETE', '/v1/indexes/a/generations', 'GET, HEAD, OPTIONS'],
      ['PATCH', '/v1/indexes/a', 'GET, HEAD, PUT, DELETE, OPTIONS'],
      ['POST', '/v1/indexes', 'GET, HEAD, OPTIONS'],
      ['PUT', '/v1/indexes/a/pins/p1', 'GET, HEAD, OPTIONS'],
      ['PATCH', '/livez', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const body =
        method === 'GET' || method === 'HEAD' ? {} : { body: 'x', headers: { 'content-type': 'image/png' } };
      const answer = await exchange(`${url}${path}`, { method, ...body });
      assert.deepEqual([answer.status, answer.headers.get('allow')], [405, allow]);
      if (method !== 'HEAD') assert.equal(answer.body.code, 'method_not_allowed');
    }
  });

  it('answers OPTIONS with what a path takes, and HEAD like GET without the body', async (t) => {
    const { url } = await start(t, [ready(index('a'))]);
    const options = await exchange(`${url}/v1/indexes/a/related`, { method: 'OPTIONS' });
    assert.deepEqual([options.status, options.headers.get('allow')], [204, 'POST, OPTIONS']);
    const head = await exchange(`${url}/v1/indexes/a`, { method: 'HEAD' });
    const get = await exchange(`${url}/v1/indexes/a`);
    assert.deepEqual([head.status, head.body], [200, undefined]);
    assert.equal(head.headers.get('content-length'), get.headers.get('content-length'));
  });

  it('refuses a path that does not decode', async (t) => {
    const { url } = await start(t, [ready(index('a'))]);
    const { status, body, type } = await exchange(`${url}/v1/indexes/%E0%A4%A/pins/p1`);
    assert.deepEqual([status, body.code, type], [400, 'bad_request', 'application/problem+json']);
    const long = await exchange(`${url}/v1/indexes/a/pins/${'x'.repeat(10_000)}`);
    assert.ok(long.status >= 400 && long.status < 500);
  });

  it('takes pin ids of every kind in the path', async (t) => {
    const ids = ['a/b', 'ü ?#%', '..', 'constructor', '42', 'x'.repeat(128)];
    const pins = ids.map((id, i) => ({ id, vector: [1, i, 0, 0] }));
    const engine = memoryEngine({ dim: DIM, pins });
    const { url } = await start(t, [ready({ name: 'odd', engine, model: null })]);
    for (const id of ids.filter((id) => id !== '..')) {
      const { status, body } = await exchange(`${url}/v1/indexes/odd/pins/${encodeURIComponent(id)}`);
      assert.deepEqual([status, body.id], [200, id]);
    }
    const related = await postJson(`${url}/v1/indexes/odd/related`, { pins: [42, '..'], k: 10 });
    assert.equal(related.body.hits.length, 4);
  });
});

describe('faults', () => {
  it('tells nothing of what is inside, but logs it', async (t) => {
    const logged: { err: unknown; requestId: string }[] = [];
    const logger = {
      level: 'error',
      error: (entry: (typeof logged)[number]) => logged.push(entry),
      child: () => logger,
      ...Object.fromEntries(
        ['fatal', 'warn', 'info', 'debug', 'trace', 'silent'].map((name) => [name, () => {}]),
      ),
    } as unknown as FastifyBaseLogger;
    const broken = index('a');
    const fault = new Error('secret at /etc/passwd');
    broken.engine.search = () => Promise.reject(fault);
    const { url } = await start(t, [ready(broken)], { logger });
    const answers = [
      await postJson(`${url}/v1/indexes/a/query`, QUERY),
      await postJson(`${url}/v1/indexes/a/batch`, { requests: [{ op: 'query', ...QUERY }] }),
    ];
    assert.deepEqual([answers[0]!.status, answers[0]!.body.code], [500, 'internal']);
    assert.equal(answers[1]!.body.answers[0].code, 'internal');
    const known = new NearpinError('io_error', 'secret file', [], { cause: fault });
    broken.engine.search = () => Promise.reject(known);
    answers.push(await postJson(`${url}/v1/indexes/a/query`, QUERY));
    assert.deepEqual([answers[2]!.status, answers[2]!.body.code], [500, 'io_error']);
    assert.ok(!JSON.stringify(answers).includes('secret'));
    assert.deepEqual(
      logged.map(({ err }) => err),
      [fault, fault, known],
    );
    for (const [i, { requestId }] of logged.entries())
      assert.equal(requestId, answers[i]!.headers.get('x-request-id'));
  });

  it('says when to come back after overload', async (t) => {
    const busy = index('a');
    busy.engine.search = () => Promise.reject(new NearpinError('overloaded', 'too many searches wait'));
    const { url } = await start(t, [ready(busy)]);
    const { status, headers, body } = await postJson(`${url}/v1/indexes/a/query`, QUERY);
    assert.deepEqual([status, body.code, headers.get('retry-after')], [503, 'overloaded', '1']);
  });

  it('refuses, as asked too much, to measure recall twice at a time', async (t) => {
    const measured = index('a');
    let letGo = (_: string[]) => {};
    const { url } = await start(t, [ready(measured)]);
    let first: Promise<{ readonly status: number }> | undefined;
    await new Promise<void>((begun) => {
      measured.engine.sample = () => {
        begun();
        return new Promise((resolve) => {
          letGo = resolve;
        });
      };
      first = postJson(`${url}/v1/indexes/a/recall`, {});
    });
    const { status, headers, body } = await postJson(`${url}/v1/indexes/a/recall`, {});
    assert.deepEqual([status, body.code, headers.get('retry-after')], [429, 'too_many_measurements', '1']);
    letGo([]);
    assert.equal((await first!).status, 200);
  });

  it('gives every answer a request id: the one it was sent, when that is a sane one', async (t) => {
    const { url } = await start(t, [ready(index('a'))]);
    const own = [await exchange(`${url}/livez`), await exchange(`${url}/none`)].map(({ headers }) =>
      headers.get('x-request-id'),
    );
    assert.ok(own[0] && own[1] && own[0] !== own[1]);
    const idOf = async (id: string) =>
      (await exchange(`${url}/livez`, { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    assert.equal(await idOf('trace-1:2'), 'trace-1:2');
    assert.notEqual(await idOf('x'.repeat(129)), 'x'.repeat(129));
    assert.notEqual(await idOf('a b"'), 'a b"');
  });

  it('refuses bytes that are no HTTP with a problem, and goes on', async (t) => {
    const { port, url } = await start(t, [ready(index('a'))]);
    const raw = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'));
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    assert.match(raw, /^HTTP\/1\.1 400 /);
    assert.match(raw, /application\/problem\+json/);
    assert.equal(JSON.parse(raw.slice(raw.indexOf('\r\n\r\n'))).code, 'bad_request');
    assert.equal((await exchange(`${url}/livez`)).status, 200);
  });

  it('limits a body that does not say its length', async (t) => {
    const { url } = await start(t, [ready(index('a'))], { bodyLimitBytes: 1000 });
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent += 500;
        if (sent > 5000) controller.close();
        else controller.enqueue(new Uint8Array(500).fill(0x20));
      },
    });
    const answer = await exchange(`${url}/v1/indexes/a/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      duplex: 'half',
    });
    assert.deepEqual([answer.status, answer.body.code], [413, 'body_too_large']);
  });
});
