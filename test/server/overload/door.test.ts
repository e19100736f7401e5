/** What is refused before its body is read, and what becomes of those that nobody waits for any more. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createAuthenticator } from '../../../src/server/auth/authenticate.ts';
import type { ServerOptions } from '../../../src/server/server.ts';
import { catalogOf, exchange, postJson, postMsgpack, ready, serve } from '../../support/http.ts';
import { memoryEngine } from '../../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../../support/pins.ts';

const DIM = 4;
const PINS = somePins(20, DIM, 8);
const QUERY = { vector: PINS[0]!.vector, k: 3 };

/** No time passes, in which a request might be let in again. */
const standingClock = () => 1e12;
/** Three requests at a time, and four a second. */
const BOUNDED = { admission: { maxInFlight: 3, maxWaitMs: 50 }, ratePerSecond: 4, clock: standingClock };

/** A server whose searches wait until they are let go. */
async function start(t: TestContext, options: Partial<ServerOptions> = {}) {
  let letGo = () => {};
  const released = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS, beforeAnswer: () => released });
  const server = await serve({ catalog: catalogOf([ready({ name: 'a', engine, model: null })]), ...options });
  t.after(() => {
    letGo();
    return server.app.close();
  });
  const query = `${server.url}/v1/indexes/a/query`;
  /** Resolves when so many searches wait. */
  const searching = async (count: number) => {
    while (engine.queries.length < count) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  return { ...server, engine, query, letGo, searching };
}

describe('overload', () => {
  const { admission } = BOUNDED;

  it('is refused in the format that is accepted, with a time to come back, and is over when answers are out', async (t) => {
    const { query, letGo, searching, url } = await start(t, { admission });
    const flying = Array.from({ length: 3 }, () => postJson(query, QUERY));
    await searching(3);
    const json = await postJson(query, QUERY);
    assert.deepEqual([json.status, json.body.code, json.body.status], [503, 'overloaded', 503]);
    assert.equal(json.type, 'application/problem+json');
    assert.equal(json.headers.get('retry-after'), '1');
    const packed = await postMsgpack(query, QUERY);
    assert.deepEqual([packed.status, packed.type, packed.body], [503, 'application/msgpack', json.body]);

    for (const path of ['/livez', '/readyz', '/metrics', '/v1/indexes', '/v1/indexes/a/pins/p1'])
      assert.equal((await exchange(`${url}${path}`)).status, 200, path);

    letGo();
    for (const { status } of await Promise.all(flying)) assert.equal(status, 200);
    assert.equal((await postJson(query, QUERY)).status, 200);
  });

  it('is told with the id of the request, and to pages that may ask', async (t) => {
    const corsOrigins = ['https://pins.example'];
    const { query, searching, letGo } = await start(t, { ...BOUNDED, corsOrigins });
    const flying = Array.from({ length: 3 }, () => postJson(query, QUERY));
    await searching(3);
    const asked = (origin: string, id: string) => postJson(query, QUERY, { origin, 'x-request-id': id });
    const told = ({ headers }: Response | Awaited<ReturnType<typeof asked>>) =>
      ['x-request-id', 'access-control-allow-origin', 'vary'].map((name) => headers.get(name));
    const known = await asked('https://pins.example', 'mine-1');
    assert.equal(known.status, 503);
    assert.deepEqual(told(known), ['mine-1', 'https://pins.example', 'origin']);
    assert.match(known.headers.get('access-control-expose-headers')!, /retry-after/);
    const other = await asked('https://other.example', 'no id');
    assert.deepEqual([other.status, ...told(other)], [503, null, null, 'origin']);

    letGo();
    await Promise.all(flying);
    await asked('https://pins.example', 'mine-2');
    const late = await asked('https://pins.example', 'mine-3');
    assert.deepEqual(
      [late.status, late.body.code, late.headers.get('retry-after')],
      [429, 'rate_limited', '1'],
    );
    assert.deepEqual(told(late).slice(0, 2), ['mine-3', 'https://pins.example']);
  });

  it('is refused before the body is there', async (t) => {
    const { query, port, searching } = await start(t, { admission });
    const flying = Array.from({ length: 3 }, () => postJson(query, QUERY));
    await searching(3);
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(
      'POST /v1/indexes/a/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{',
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 503 /);
    t.after(() => Promise.all(flying));
  });

  it('leaves a connection as it was: the next request on it is answered', async (t) => {
    const { query, port, searching, letGo } = await start(t, { admission });
    const flying = Array.from({ length: 3 }, () => postJson(query, QUERY));
    await searching(3);
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    const body = JSON.stringify(QUERY);
    const request =
      `POST /v1/indexes/a/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`;
    socket.write(request);
    assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 503 /);
    letGo();
    await Promise.all(flying);
    socket.write(request);
    assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 200 /);
  });
});

describe('a body that is still to come behind a refusal', () => {
  const head = 'POST /v1/indexes/a/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
  const piece = Buffer.alloc(16 * 1024, ' ');
  const GIVE_UP_BYTES = 256 * 1024 * 1024;

  /** For which the answer waits for its reader (`refusal.ts`). */
  const LINGER_MS = 1000;

  /**
   * Sends as much of a body as is taken, and tells what came back, and how much the server read; again where this process
   * was itself too slow to read it.
   */
  async function pour(t: TestContext, server: Awaited<ReturnType<typeof start>>, kind: string) {
    for (;;) {
      const sinceMs = performance.now();
      const { isAnswered, ...poured } = await pourOnce(t, server, kind);
      if (isAnswered) return poured;
      assert.ok(performance.now() - sinceMs > LINGER_MS, `${kind}: the connection broke before its answer`);
    }
  }

  async function pourOnce(t: TestContext, { app, port }: Awaited<ReturnType<typeof start>>, kind: string) {
    const connected = once(app.server, 'connection');
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    const [read] = (await connected) as [Socket];
    let sent = 0;
    const pourOn = () => {
      while (sent < GIVE_UP_BYTES && socket.writable) {
        sent += piece.length;
        const chunk = kind === 'chunked' ? [`${piece.length.toString(16)}\r\n`, piece, '\r\n'] : [piece];
        if (!chunk.map((bytes) => socket.write(bytes)).at(-1)) break;
      }
    };
    socket.on('drain', pourOn);
    let answer = '';
    const isAnswered = new Promise<boolean>((resolve) => {
      socket.on('data', (bytes) => {
        answer += bytes;
      });
      // The answer has an end, before the connection breaks
      socket.on('end', () => resolve(true));
      socket.on('error', () => resolve(false));
    });
    const closed = once(read, 'close');
    const framing = kind === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${GIVE_UP_BYTES}`;
    socket.write(`${head}${framing}\r\n\r\n`);
    pourOn();
    const isWhole = await isAnswered;
    await closed;
    return { isAnswered: isWhole, answer, bytesRead: read.bytesRead };
  }

  for (const kind of ['of a length', 'chunked'])
    it(`is not read where it is long: ${kind}`, async (t) => {
      const server = await start(t, BOUNDED);
      const flying = Array.from({ length: 3 }, () => postJson(server.query, QUERY));
      await server.searching(3);
      const full = await pour(t, server, kind);
      assert.match(full.answer, /^HTTP\/1\.1 503 .*connection: close.*"code":"overloaded"/is);
      server.letGo();
      await Promise.all(flying);
      while ((await postJson(server.query, QUERY)).status !== 429);
      const late = await pour(t, server, kind);
      assert.match(late.answer, /^HTTP\/1\.1 429 .*connection: close.*"code":"rate_limited"/is);
      for (const { bytesRead } of [full, late]) assert.ok(bytesRead < 4 * 1024 * 1024, `${bytesRead} bytes`);
    });
});

describe('a client that asks whether to send its body', () => {
  const body = JSON.stringify(QUERY);
  const head =
    'HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n' +
    `content-length: ${body.length}\r\n\r\n`;

  /** What comes back until the connection is ended, or what `isEnough` is there. */
  async function ask(t: TestContext, port: number, path: string, isEnough = /never/) {
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(`POST ${path} ${head}`);
    let answer = '';
    for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
      answer += bytes;
      if (isEnough.test(answer)) break;
    }
    return { socket, answer };
  }

  it('is told to when its request is taken, and the connection goes on', async (t) => {
    const { port, letGo } = await start(t);
    letGo();
    const { socket, answer } = await ask(t, port, '/v1/indexes/a/query', /\r\n\r\n/);
    assert.equal(answer, 'HTTP/1.1 100 Continue\r\n\r\n');
    for (const [text, status] of [
      [body, 200],
      [`POST /v1/nothing ${head}`, 100],
      [body, 404],
    ] as const) {
      socket.write(text);
      assert.match(String(await once(socket, 'data')), new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  });

  it('is told why not, and nothing else, by everything that refuses', async (t) => {
    const strange = await start(t, { auth: createAuthenticator({ clock: () => 0 }) });
    const full = await start(t, BOUNDED);
    const flying = Array.from({ length: 3 }, () => postJson(full.query, QUERY));
    await full.searching(3);
    const refusals = [
      await ask(t, full.port, '/v1/indexes/a/query'),
      await ask(t, strange.port, '/v1/indexes/a/query'),
    ];
    full.letGo();
    await Promise.all(flying);
    while ((await postJson(full.query, QUERY)).status !== 429);
    refusals.push(await ask(t, full.port, '/v1/indexes/a/query'));
    for (const [i, status] of [503, 401, 429].entries()) {
      const { answer } = refusals[i]!;
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} .*connection: close`, 'is'));
    }
  });
});

describe('a rate', () => {
  it('is held for each address, and told with the time until there is room', async (t) => {
    const { url, query, letGo } = await start(t, { ratePerSecond: 2, clock: standingClock });
    letGo();
    assert.equal((await postJson(query, QUERY)).status, 200);
    assert.equal((await exchange(`${url}/v1/indexes`)).status, 200);
    const { status, body, headers } = await postJson(query, QUERY);
    assert.deepEqual([status, body.code, headers.get('retry-after')], [429, 'rate_limited', '1']);
    const packed = await postMsgpack(query, 'anything');
    assert.deepEqual([packed.status, packed.body.code], [429, 'rate_limited']);
    for (const path of ['/livez', '/readyz', '/metrics', '/openapi.json', '/'])
      assert.equal((await exchange(`${url}${path}`)).status, 200, path);
  });
});

describe('the deadline of a header', () => {
  it('ends the search, counted from when the request came', async (t) => {
    const { query, engine, letGo } = await start(t);
    letGo();
    const before = performance.timeOrigin + performance.now();
    assert.equal((await postJson(query, QUERY, { 'x-deadline-ms': '5000' })).status, 200);
    const { deadlineAtMs } = engine.queries[0]!;
    const after = performance.timeOrigin + performance.now();
    assert.ok(
      deadlineAtMs! >= before + 5000 && deadlineAtMs! <= after + 5000,
      String(deadlineAtMs! - before),
    );
  });

  it('holds beside that of the body, whichever is earlier, in every request of a batch', async (t) => {
    const { url, engine, letGo } = await start(t);
    letGo();
    const requests = [100, 60_000, undefined].map((deadlineMs) => ({ op: 'query', ...QUERY, deadlineMs }));
    await postJson(`${url}/v1/indexes/a/batch`, { requests }, { 'x-deadline-ms': '5000' });
    const [short, long, none] = engine.queries.map(({ deadlineAtMs }) => deadlineAtMs!);
    assert.equal(long, none);
    assert.ok(Math.abs(long! - short! - 4900) < 1e-3, String(long! - short!));
  });

  it('that has passed when the body is there costs no search', async (t) => {
    const { app, query, port, engine, letGo } = await start(t);
    letGo();
    const body = JSON.stringify(QUERY);
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(
      `POST /v1/indexes/a/query HTTP/1.1\r\nhost: localhost\r\nx-deadline-ms: 5\r\ncontent-type: application/json\r\n` +
        `content-length: ${body.length}\r\n\r\n`,
    );
    await once(app.server, 'request');
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.write(body);
    const answer = String(await once(socket, 'data'));
    assert.match(answer, /^HTTP\/1\.1 504 /);
    assert.match(answer, /deadline_exceeded/);
    assert.equal(engine.queries.length, 0);
    assert.equal((await postJson(query, QUERY)).status, 200);
  });

  it('is refused when it is no time', async (t) => {
    const { query, letGo } = await start(t);
    letGo();
    for (const header of ['0', '-5', 'soon', 'Infinity', ' ']) {
      const { status, body } = await postJson(query, QUERY, { 'x-deadline-ms': header });
      assert.deepEqual(
        [status, body.code, body.errors[0].path],
        [400, 'bad_request', 'x-deadline-ms'],
        header,
      );
    }
  });
});

describe('a client that has gone', () => {
  it('is known to the engine as gone', async (t) => {
    const { query, engine, searching, letGo } = await start(t);
    const leaving = new AbortController();
    const left = postJson(query, QUERY);
    const gone = fetch(query, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(QUERY),
      signal: leaving.signal,
    });
    await searching(2);
    assert.deepEqual(
      engine.queries.map(({ caller }) => caller!.isGone()),
      [false, false],
    );
    leaving.abort();
    await assert.rejects(gone);
    while (!engine.queries.some(({ caller }) => caller!.isGone()))
      await new Promise((resolve) => setTimeout(resolve, 2));
    assert.equal(engine.queries.filter(({ caller }) => caller!.isGone()).length, 1);
    letGo();
    assert.equal((await left).status, 200);
  });
});
