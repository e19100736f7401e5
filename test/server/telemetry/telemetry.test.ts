/** What is logged of requests, what is not, and Server-Timing. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import { postJson, postMsgpack } from '../../support/http.ts';
import { type LiveServer, liveServer } from '../../support/live-server.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into records of every shape
  readonly [field: string]: any;
}

/** A logger that keeps what it is given. */
function keeper(): { lines: Line[]; logger: FastifyBaseLogger } {
  const lines: Line[] = [];
  const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'].map((level) => [
    level,
    (fields: object, message: string) => lines.push({ level, message, ...fields }),
  ]);
  const logger = { level: 'trace', silent: () => {}, ...Object.fromEntries(levels) } as FastifyBaseLogger;
  return { lines, logger: Object.assign(logger, { child: () => logger }) };
}

const SECRET = 'whispered-nowhere';
let server: LiveServer;
const { lines, logger } = keeper();
before(async () => {
  server = await liveServer({ logger, telemetry: { slowQueryMs: 0, accessLog: true } });
  lines.length = 0;
});
after(() => server.close());

const slow = () => lines.filter(({ message }) => message === 'slow request');

describe('the log of slow requests', () => {
  it('says what was asked in shape, what took how long, and how each shard was searched', async () => {
    lines.length = 0;
    await postJson(
      `${server.demo}/search`,
      {
        text: SECRET,
        mode: 'hybrid',
        k: 7,
        filter: { category: { $in: ['lamps', SECRET] }, price: { $lt: 12 } },
        include: ['payload'],
      },
      { 'x-request-id': 'r-1', authorization: `Bearer ${SECRET}` },
    );
    const [line] = slow();
    const { requestId, method, route, status, index, coverage, stages, searches, asked, ms, level } = line!;
    assert.deepEqual([level, requestId, method, status, index], ['warn', 'r-1', 'POST', 200, 'demo']);
    assert.deepEqual([route, coverage], ['/v1/indexes/:index/search', 'complete']);
    assert.deepEqual(asked, {
      text: `${SECRET.length} characters`,
      mode: 'hybrid',
      k: 7,
      filter: { category: { $in: '2 entries' }, price: { $lt: 'number' } },
      include: ['payload'],
    });
    for (const stage of ['decode', 'plan', 'embed', 'queue', 'search', 'merge', 'words', 'payload', 'encode'])
      assert.ok(stages[stage] > 0, `${stage}: ${JSON.stringify(stages)}`);
    assert.ok(ms >= stages.decode + stages.encode && ms < 60_000);
    // One search, of two shards
    assert.deepEqual([searches.length, searches[0].length], [1, 2]);
    for (const { plan, compared, visited, thread, queuedMs, searchMs } of searches[0]) {
      assert.ok(['graph', 'scan', 'two-hop'].includes(plan));
      assert.ok(compared > 0 && visited >= 0 && thread > 0 && queuedMs >= 0 && searchMs > 0);
    }
  });

  it('tells of vectors how long they are, in both formats', async () => {
    lines.length = 0;
    const vector = Array.from({ length: 256 }, (_, i) => i + 0.25);
    await postJson(`${server.demo}/query`, { vector });
    await postMsgpack(`${server.demo}/query`, {
      vector: Buffer.from(Float32Array.from(vector).buffer),
      k: 3,
    });
    await postJson(`${server.demo}/related`, { pins: ['p1', { id: 'p2', weight: 2 }] });
    assert.deepEqual(
      slow().map(({ asked }) => asked),
      [{ vector: '256 numbers' }, { vector: '256 numbers', k: 3 }, { pins: '2 entries' }],
    );
  });

  it('is not written where requests are fast enough', async () => {
    const quiet = keeper();
    const other = await server.another({ logger: quiet.logger, telemetry: { slowQueryMs: 60_000 } });
    await postJson(`${other.url}/v1/indexes/demo/search`, { text: 'lamp' });
    assert.deepEqual(quiet.lines, []);
    await other.close();
  });
});

describe('the access log', () => {
  it('has one line a request, with its id and its route', async () => {
    lines.length = 0;
    await postJson(`${server.demo}/search`, { text: 'lamp' }, { 'x-request-id': 'r-2' });
    await postJson(`${server.url}/nowhere`, {}, { 'x-request-id': 'r-3' });
    const requests = lines.filter(({ message }) => message === 'request');
    assert.deepEqual(
      requests.map(({ level, requestId, method, route, status, index }) => [
        level,
        requestId,
        method,
        route,
        status,
        index,
      ]),
      [
        ['info', 'r-2', 'POST', '/v1/indexes/:index/search', 200, 'demo'],
        ['info', 'r-3', 'POST', null, 404, undefined],
      ],
    );
  });
});

it('no log has a text, a vector, a value of a filter, a pin or a key', async () => {
  lines.length = 0;
  const vector = Array.from({ length: 256 }, () => 0.123456789);
  const headers = { authorization: `Bearer ${SECRET}`, 'x-api-key': SECRET, cookie: SECRET };
  for (const [path, body] of [
    ['search', { text: SECRET, filter: { $or: [{ category: SECRET }, { category: { $in: [SECRET] } }] } }],
    ['query', { vector, exclude: [SECRET] }],
    ['query', { vector, [SECRET]: 1 }],
    ['related', { pins: [SECRET] }],
    ['homefeed', { history: [SECRET, 'p1'], unit: SECRET, topics: [{ name: SECRET, text: SECRET }] }],
    ['batch', { requests: [{ op: 'search', text: SECRET }] }],
  ] as const)
    await postJson(`${server.demo}/${path}?${SECRET}=${SECRET}`, body, headers);
  assert.ok(lines.length >= 12);
  const text = JSON.stringify(lines);
  // A refused body's fields are whatever was sent, so of them only names of fields may be there
  assert.equal(text.replaceAll(`"${SECRET}":1`, '').includes(SECRET), false);
  assert.ok(!text.includes('0.1234'));
});

describe('Server-Timing', () => {
  const timing = async (headers: Record<string, string>) => {
    const { headers: answered } = await postJson(`${server.demo}/search`, { text: 'lamp' }, headers);
    return answered.get('server-timing');
  };

  it('is sent to those who ask, in the form that browsers show', async () => {
    const text = await timing({ 'x-server-timing': '1' });
    const entries = text!.split(', ').map((entry) => /^([a-z]+);dur=(\d+(?:\.\d{1,3})?)$/.exec(entry));
    assert.ok(
      entries.every((entry) => entry !== null),
      text!,
    );
    const ms = Object.fromEntries(entries.map((entry) => [entry![1], Number(entry![2])]));
    for (const stage of ['decode', 'embed', 'queue', 'search', 'merge', 'encode', 'total'])
      assert.ok(ms[stage]! > 0, text!);
    assert.ok(ms.total! >= ms.decode! + ms.encode!);
  });

  it('is not sent to others', async () => {
    assert.equal(await timing({}), null);
  });
});
