/** Every limit on a request, over HTTP: what is at it passes, what is over it is refused with the same code each time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LiveEngine, PinWrite } from '../../src/engines/engine.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { catalogOf, exchange, pack, serve, served } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const DIM = 4;
const PINS = somePins(20, DIM, 8);
const VECTOR = PINS[0]!.vector!;

interface Limit {
  readonly what: string;
  readonly path: string;
  readonly method?: 'PUT' | 'DELETE';
  /** A body that is at the limit, or over it by one. */
  readonly body: (over: 0 | 1) => unknown;
  readonly code: ErrorCode;
  readonly at?: string;
}

const many = <Item>(count: number, item: Item) => Array.from({ length: count }, () => item);
const ids = (count: number) => Array.from({ length: count }, (_, i) => `x${i}`);
const nested = (depth: number, inner: unknown, wrap: (inner: unknown) => unknown) => {
  let value = inner;
  for (let i = 0; i < depth; i++) value = wrap(value);
  return value;
};
const pin = (over: object) => ({ pins: [{ id: 'new', vector: VECTOR, ...over }] });

const BODY_BYTES = 200_000;
const LIMITED: readonly Limit[] = [
  {
    what: 'k',
    path: 'query',
    body: (o) => ({ vector: VECTOR, k: LIMITS.kMax + o }),
    code: 'limit_exceeded',
    at: 'k',
  },
  {
    what: 'ef',
    path: 'query',
    body: (o) => ({ vector: VECTOR, ef: LIMITS.efMax + o }),
    code: 'limit_exceeded',
    at: 'ef',
  },
  {
    what: 'vectors of a query',
    path: 'query',
    body: (o) => ({ vectors: many(LIMITS.queryVectorsMax + o, VECTOR), k: 1 }),
    code: 'limit_exceeded',
    at: 'vectors',
  },
  {
    what: 'requests of a batch',
    path: 'batch',
    body: (o) => ({ requests: many(LIMITS.batchRequestsMax + o, { op: 'query', vector: VECTOR, k: 1 }) }),
    code: 'limit_exceeded',
    at: 'requests',
  },
  {
    what: 'depth of a filter',
    path: 'query',
    body: (o) => ({
      vector: VECTOR,
      filter: nested(LIMITS.filterDepthMax - 1 + o, { price: 1 }, (inner) => ({ $not: inner })),
    }),
    code: 'limit_exceeded',
  },
  {
    what: 'seeds',
    path: 'related',
    body: (o) => ({ pins: many(LIMITS.seedsMax + o, 'p1') }),
    code: 'limit_exceeded',
    at: 'pins',
  },
  {
    what: 'excluded ids',
    path: 'query',
    body: (o) => ({ vector: VECTOR, exclude: ids(LIMITS.excludeMax + o) }),
    code: 'limit_exceeded',
    at: 'exclude',
  },
  {
    what: 'bytes of an id',
    path: 'pins',
    method: 'PUT',
    body: (o) => pin({ id: 'x'.repeat(LIMITS.pinIdBytesMax + o) }),
    code: 'bad_pin_id',
    at: 'pins[0].id',
  },
  {
    what: 'ids of a deletion',
    path: 'pins',
    method: 'DELETE',
    body: (o) => ({ ids: ids(LIMITS.writePinsMax + o) }),
    code: 'limit_exceeded',
    at: 'ids',
  },
  {
    what: 'pins of a write',
    path: 'pins',
    method: 'PUT',
    body: (o) => ({ pins: ids(LIMITS.writePinsMax + o).map((id) => ({ id, vector: VECTOR })) }),
    code: 'limit_exceeded',
    at: 'pins',
  },
  {
    what: 'bytes of a payload',
    path: 'pins',
    method: 'PUT',
    body: (o) => pin({ payload: 'x'.repeat(LIMITS.payloadBytesMax - 2 + o) }),
    code: 'limit_exceeded',
    at: 'pins[0].payload',
  },
  {
    what: 'depth of a payload',
    path: 'pins',
    method: 'PUT',
    body: (o) => pin({ payload: nested(LIMITS.payloadDepthMax + o, 1, (inner) => [inner]) }),
    code: 'limit_exceeded',
  },
  {
    what: 'characters of a text',
    path: 'search',
    body: (o) => ({ text: 'x'.repeat(LIMITS.textCharsMax + o), mode: 'lexical' }),
    code: 'limit_exceeded',
    at: 'text',
  },
];

async function start() {
  const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS });
  const live = {
    upsert: async (pins: readonly PinWrite[]) => ({ seq: 1, upserted: pins.length }),
    delete: async (pins: readonly unknown[]) => ({ seq: 1, deleted: pins.length }),
  } as Partial<LiveEngine> as LiveEngine;
  const index = { ...served({ name: 'a', engine, model: null }), live };
  const catalog = catalogOf([{ name: 'a', status: 'ready', index }]);
  const server = await serve({ catalog, bodyLimitBytes: BODY_BYTES });
  const send = (path: string, method: string, body: Buffer | string, type: string) =>
    exchange(`${server.url}/v1/indexes/a/${path}`, {
      method,
      headers: { 'content-type': type, accept: type },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
  return { app: server.app, send };
}

describe('limits', () => {
  for (const { what, path, method = 'POST', body, code, at } of LIMITED)
    it(`on ${what}: what is over is refused with ${code}`, async (t) => {
      const { app, send } = await start();
      t.after(() => app.close());
      for (const [type, encode] of [
        ['application/json', JSON.stringify],
        ['application/msgpack', pack],
      ] as const) {
        const within = await send(path, method, encode(body(0)), type);
        assert.notEqual(within.body.code, code, JSON.stringify(within.body));
        const over = await send(path, method, encode(body(1)), type);
        assert.deepEqual([over.status, over.body.code], [400, code], JSON.stringify(over.body));
        if (at !== undefined) assert.equal(over.body.errors[0].path, at);
      }
    });

  it('on the depth of a body: what is over is refused before anything looks at it', async (t) => {
    const { app, send } = await start();
    t.after(() => app.close());
    // The body is an object that holds the payload that is nested
    const body = (depth: number) => ({ vector: nested(depth - 1, 1, (inner) => [inner]) });
    for (const [type, encode, code] of [
      ['application/json', JSON.stringify, 'bad_json'],
      ['application/msgpack', pack, 'bad_msgpack'],
    ] as const) {
      const within = await send('query', 'POST', encode(body(LIMITS.msgpackDepthMax)), type);
      assert.notEqual(within.body.code, code);
      const over = await send('query', 'POST', encode(body(LIMITS.msgpackDepthMax + 1)), type);
      assert.deepEqual([over.status, over.body.code], [400, code]);
    }
  });

  it('on the bytes of a body: what is over is refused with body_too_large', async (t) => {
    const { app, send } = await start();
    t.after(() => app.close());
    const text = JSON.stringify({ vector: VECTOR, k: 1 });
    const within = await send('query', 'POST', text.padEnd(BODY_BYTES), 'application/json');
    assert.equal(within.status, 200);
    const over = await send('query', 'POST', text.padEnd(BODY_BYTES + 1), 'application/json');
    assert.deepEqual([over.status, over.body.code], [413, 'body_too_large']);
  });
});
