/** The client against the real server, and against one that fails as servers and networks do. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type ClientOptions, createClient, NearpinClientError } from '../../src/client/client.ts';
import type { Problem } from '../../src/retrieval/contract.ts';
import { catalogOf, ready, serve, unpack } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins, wordModel } from '../support/pins.ts';

const DIM = 8;
const PINS = somePins(50, DIM, 9);

async function rejects(
  call: Promise<unknown>,
  expected: Partial<NearpinClientError>,
): Promise<NearpinClientError> {
  const error = await call.then(
    () => assert.fail('was answered'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof NearpinClientError, String(error));
  for (const [field, value] of Object.entries(expected))
    assert.deepEqual(error[field as keyof NearpinClientError], value, field);
  return error;
}

describe('client', () => {
  let server: Awaited<ReturnType<typeof serve>>;

  before(async () => {
    const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS, model: 'words@1' });
    const embed = wordModel(DIM);
    server = await serve({ catalog: catalogOf([ready({ name: 'demo', engine, model: 'words@1', embed })]) });
  });
  after(() => server.app.close());

  for (const format of ['msgpack', 'json'] as const) {
    it(`has every operation, in ${format}`, async () => {
      const client = createClient({ url: server.url, format });
      const vector = Float32Array.from(PINS[4]!.vector!);
      const one = await client.query('demo', { vector, k: 2, include: ['vector', 'payload', 'attributes'] });
      const [hit] = one.hits;
      assert.deepEqual(
        [hit!.id, hit!.payload, hit!.attributes],
        ['p4', PINS[4]!.payload, PINS[4]!.attributes],
      );
      assert.equal(hit!.vector instanceof Float32Array, format === 'msgpack');
      assert.ok(Math.abs(Math.hypot(...hit!.vector!) - 1) < 1e-6);

      const several = await client.query('demo', { vectors: [vector, [...PINS[7]!.vector!]], k: 1 });
      assert.deepEqual(
        several.results.map(({ hits }) => hits[0]!.id),
        ['p4', 'p7'],
      );
      const related = await client.related('demo', {
        pins: ['p4'],
        filter: { price: { $lt: 19.99 } },
        k: 50,
      });
      assert.equal(related.hits.length, 19);
      const feed = await client.homefeed('demo', { history: ['p4', 'gone'], seen: ['p5'], k: 4 });
      assert.deepEqual([feed.hits.length, feed.skipped], [4, 1]);
      const users = [{ user: 'a', history: ['p4'] }];
      const [notified] = (await client.notifications('demo', { users, minScore: -1 })).users;
      assert.ok('hits' in notified! && notified.hits.length === 3);
      const searched = await client.search('demo', { text: 'red', k: 3 });
      assert.equal(searched.hits.length, 3);
      const batch = await client.batch('demo', {
        requests: [
          { op: 'search', text: 'red', k: 3 },
          { op: 'query', vector: [1] },
        ],
      });
      assert.deepEqual((batch.answers[0] as typeof searched).hits, searched.hits);
      assert.equal((batch.answers[1] as Problem).code, 'bad_dim');
      assert.equal((await client.recall('demo', { samples: 5 })).recall, 1);
      const pin = await client.pin('demo', 'p4', { include: ['vector'] });
      assert.deepEqual([...pin.vector!], [...hit!.vector!]);
      assert.equal((await client.pin('demo', 'p4')).vector, undefined);
      const { indexes } = await client.indexes();
      assert.deepEqual(indexes, [await client.index('demo')]);
      assert.deepEqual(await client.live(), { status: 'live' });
      assert.deepEqual((await client.ready()).ready, ['demo']);
    });

    it(`throws the server's problem, in ${format}`, async () => {
      const client = createClient({ url: `${server.url}/`, format });
      const error = await rejects(client.related('demo', { pins: ['p1', 'gone'] }), {
        code: 'unknown_pin',
        status: 404,
      });
      assert.equal(error.problem!.errors![0]!.path, 'pins[1]');
      assert.equal(error.message, error.problem!.detail);
      await rejects(client.pin('no/ne', 'a/b'), { code: 'unknown_index', status: 404 });
      await rejects(client.query('demo', { vector: [1], k: undefined as never }), {
        code: 'bad_dim',
        status: 400,
      });
    });
  }
});

/** A server that answers each request by the next of `steps`, the last for ever; it notes what it was sent. */
async function flaky(
  t: TestContext,
  ...steps: ((request: IncomingMessage, response: ServerResponse) => void)[]
) {
  const bodies: Record<string, number>[] = [];
  const times: number[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    times.push(performance.now());
    if (chunks.length > 0) bodies.push(unpack(Buffer.concat(chunks)) as Record<string, number>);
    steps[Math.min(times.length, steps.length) - 1]!(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const client = (options: Partial<ClientOptions> = {}) =>
    createClient({ url: `http://127.0.0.1:${port}`, ...options });
  return { client, bodies, times };
}

const drop = (request: IncomingMessage) => request.socket.destroy();
const hang = () => {};
const json =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (_: unknown, response: ServerResponse) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const live = json(200, { status: 'live' });
const overloaded = (retryAfter?: string) =>
  json(
    503,
    { code: 'overloaded', detail: 'busy' },
    retryAfter === undefined ? {} : { 'retry-after': retryAfter },
  );

describe('client, when things fail', () => {
  it('tries again after a lost connection and after 429 and 503, as often as it may', async (t) => {
    const lost = await flaky(t, drop, drop, live);
    assert.deepEqual(await lost.client().live(), { status: 'live' });
    assert.equal(lost.times.length, 3);
    const busy = await flaky(t, overloaded(), json(429, {}), live);
    assert.deepEqual(await busy.client().live(), { status: 'live' });
    const never = await flaky(t, drop);
    await rejects(never.client({ retries: 1 }).live(), { code: 'connection_failed', status: undefined });
    assert.equal(never.times.length, 2);
    const always = await flaky(t, overloaded());
    await rejects(always.client({ retries: 1 }).live(), { code: 'overloaded', status: 503 });
    assert.equal(always.times.length, 2);
  });

  it('never tries again what was refused or failed for good', async (t) => {
    for (const [status, code] of [
      [400, 'bad_request'],
      [404, 'unknown_index'],
      [409, 'no_model'],
      [500, 'internal'],
      [504, 'deadline_exceeded'],
    ] as const) {
      const { client, times } = await flaky(t, json(status, { code, detail: 'no' }), live);
      await rejects(client().live(), { code, status, message: 'no' });
      assert.equal(times.length, 1);
    }
  });

  it('waits longer each time, and as long as the server asks', async (t) => {
    const { client, times } = await flaky(t, drop, drop, live);
    await client().live();
    const [first, second] = [times[1]! - times[0]!, times[2]! - times[1]!];
    assert.ok(first >= 20 && second >= 45, `${first} ${second}`);
    const asked = await flaky(t, overloaded('1'), live);
    await asked.client().live();
    assert.ok(asked.times[1]! - asked.times[0]! >= 990);
    const now = Math.floor((performance.timeOrigin + performance.now()) / 1000) * 1000;
    const dated = await flaky(t, overloaded(new Date(now + 2000).toUTCString()), live);
    await dated.client().live();
    assert.ok(dated.times[1]! - dated.times[0]! >= 900);
  });

  it('gives up at once when the server asks for more time than there is', async (t) => {
    const { client, times } = await flaky(t, overloaded('60'), live);
    await rejects(client({ timeoutMs: 1000 }).live(), { code: 'overloaded', retryAfterMs: 60_000 });
    assert.equal(times.length, 1);
  });

  it('ends at the deadline, over all attempts', async (t) => {
    const { client } = await flaky(t, drop, hang);
    const started = performance.now();
    await rejects(client({ timeoutMs: 300 }).live(), { code: 'deadline_exceeded', status: undefined });
    await rejects(client().live({ timeoutMs: 300 }), { code: 'deadline_exceeded' });
    const took = performance.now() - started;
    assert.ok(took >= 590 && took < 5000, `${took}`);
  });

  it('tells the server how long it will wait, less with each attempt, and never more than was asked for', async (t) => {
    const { client, bodies } = await flaky(t, drop, json(200, {}));
    await client({ timeoutMs: 9000 }).query('a', { vector: [1] });
    assert.ok(bodies[0]!.deadlineMs! > 1000 && bodies[0]!.deadlineMs! <= 9000);
    assert.ok(bodies[1]!.deadlineMs! < bodies[0]!.deadlineMs! - 20);
    await client().query('a', { vector: [1], deadlineMs: 7 });
    assert.equal(bodies[2]!.deadlineMs, 7);
    await client().batch('a', {
      requests: [
        { op: 'query', vector: [1], deadlineMs: 7 },
        { op: 'query', vector: [1] },
      ],
    });
    const { requests } = bodies[3] as unknown as { requests: { deadlineMs: number }[] };
    assert.equal(requests[0]!.deadlineMs, 7);
    assert.ok(requests[1]!.deadlineMs > 1000);
  });

  it("rejects with the signal's reason when it is aborted, at whatever moment", async (t) => {
    const { client, times } = await flaky(t, hang);
    const reason = new Error('nobody looks any more');
    await assert.rejects(client().live({ signal: AbortSignal.abort(reason) }), reason);
    assert.equal(times.length, 0);
    const flying = new AbortController();
    setTimeout(() => flying.abort(reason), 50);
    await assert.rejects(client().live({ signal: flying.signal }), reason);
    const waiting = await flaky(t, overloaded('5'));
    const between = new AbortController();
    setTimeout(() => between.abort(reason), 100);
    const started = performance.now();
    await assert.rejects(waiting.client().live({ signal: between.signal }), reason);
    assert.ok(performance.now() - started < 2000);
  });

  it('says so when an answer cannot be read', async (t) => {
    const html = (_: unknown, response: ServerResponse) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    const { client, times } = await flaky(t, html, json(400, null), (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":'),
    );
    await rejects(client().live(), { code: 'bad_answer', status: 502 });
    await rejects(client().live(), { code: 'bad_answer', status: 400 });
    await rejects(client().live(), { code: 'bad_answer', status: 200 });
    assert.equal(times.length, 3);
  });

  it('sends its headers, and uses the fetch it is given', async (t) => {
    const headers: unknown[] = [];
    const { client } = await flaky(t, (request, response) => {
      headers.push(request.headers.authorization);
      live(request, response);
    });
    let calls = 0;
    const counting: typeof fetch = (...request) => {
      calls++;
      return fetch(...request);
    };
    await client({ headers: { authorization: 'Bearer x' }, fetch: counting }).live();
    assert.deepEqual([headers, calls], [['Bearer x'], 1]);
  });

  it('does not call what is a fault of the caller a lost connection', async (t) => {
    const { client, times } = await flaky(t, live);
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    await assert.rejects(client().query('a', { vector: [1], filter: cyclic }), RangeError);
    assert.equal(times.length, 0);
  });
});
