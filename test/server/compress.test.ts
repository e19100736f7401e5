/** When answers are packed: for whoever takes that, when they are long, and never what does not get smaller. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { chooseEncoding } from '../../src/server/compress.ts';
import { catalogOf, pack, ready, serve, unpack } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const DIM = 64;
const PINS = somePins(300, DIM, 5);
const VECTOR = PINS[0]!.vector;

describe('an answer', () => {
  let server: Awaited<ReturnType<typeof serve>>;
  before(async () => {
    const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS });
    server = await serve({ catalog: catalogOf([ready({ name: 'pins', engine, model: null })]) });
  });
  after(() => server.app.close());

  function post(body: object, headers: Record<string, string>) {
    return new Promise<{ headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
      const isMsgpack = headers.accept?.includes('msgpack') === true;
      const type = isMsgpack ? 'application/msgpack' : 'application/json';
      request(
        `${server.url}/v1/indexes/pins/query`,
        { method: 'POST', headers: { 'content-type': type, ...headers } },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part) => parts.push(part));
          response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
        },
      )
        .on('error', reject)
        .end(isMsgpack ? pack(body) : JSON.stringify(body));
    });
  }
  const long = { vector: VECTOR, k: 200, include: ['payload'] };
  const short = { vector: VECTOR, k: 5, include: ['payload'] };
  const everything = 'gzip, deflate, br';

  it('that is long goes packed to whoever accepts it, and says so', async () => {
    const plain = await post(long, {});
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.equal(plain.headers.vary, 'accept-encoding');
    const hits = JSON.parse(plain.body.toString()).hits;
    for (const [encoding, undo] of [
      ['gzip', gunzipSync],
      ['br', brotliDecompressSync],
    ] as const) {
      const packed = await post(long, { 'accept-encoding': encoding });
      assert.equal(packed.headers['content-encoding'], encoding);
      assert.equal(packed.headers.vary, 'accept-encoding');
      assert.equal(Number(packed.headers['content-length']), packed.body.length);
      assert.ok(packed.body.length < plain.body.length / 3);
      assert.deepEqual(JSON.parse(undo(packed.body).toString()).hits, hits);
    }
    const accept = 'application/msgpack';
    const inMsgpack = await post(long, { accept, 'accept-encoding': 'gzip' });
    assert.deepEqual((unpack(gunzipSync(inMsgpack.body)) as { hits: unknown }).hits, hits);
  });

  it('that is short, or holds vectors in msgpack, goes as it is', async () => {
    const { headers } = await post(short, { 'accept-encoding': everything });
    assert.deepEqual([headers['content-encoding'], headers.vary], [undefined, undefined]);
    const accept = 'application/msgpack';
    const vectors = { ...long, include: ['vector'] };
    const bare = await post(vectors, { accept, 'accept-encoding': everything });
    assert.ok(bare.body.length > 50_000);
    assert.equal(bare.headers['content-encoding'], undefined);
    const inJson = await post(vectors, { 'accept-encoding': everything });
    assert.equal(inJson.headers['content-encoding'], 'br');
  });
});

it('the encoding is the one that is liked best, and none where none is liked', () => {
  const cases: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['gzip', 'gzip'],
    ['br', 'br'],
    ['gzip, deflate, br', 'br'],
    ['GZIP;q=1.0, br;q=0.5', 'gzip'],
    ['*', 'br'],
    ['*;q=0', undefined],
    ['br;q=0, *', 'gzip'],
    ['gzip;q=0, br;q=0', undefined],
    ['identity', undefined],
    ['identity;q=1, gzip;q=0.5', undefined],
    ['identity;q=0.5, gzip', 'gzip'],
    ['deflate', undefined],
    ['gzip;q=x', undefined],
    [';;,,q=1', undefined],
  ];
  for (const [accepted, chosen] of cases) assert.equal(chooseEncoding(accepted), chosen, accepted);
});
