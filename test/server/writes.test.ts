/** The routes that write, over a real index of this process's catalog. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Compile } from 'typebox/compile';
import { createCatalog, type LoadedCatalog } from '../../src/cli/catalog.ts';
import { createClient, type NearpinClient } from '../../src/client/client.ts';
import type { LiveEngine } from '../../src/engines/engine.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { type ErrorCode, NearpinError } from '../../src/lib/errors.ts';
import { SCHEMAS, type SchemaName } from '../../src/server/schemas.ts';
import { catalogOf, exchange, pack, serve, served } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';

const DIM = 4;
const host = createEngineHost('wasm', 1);
let dir: string;
let catalog: LoadedCatalog;
let server: Awaited<ReturnType<typeof serve>>;
let client: NearpinClient;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-writes-'));
  await mkdir(join(dir, 'indexes'));
  catalog = await createCatalog(join(dir, 'indexes'), host, {}, () => {});
  await catalog.load(() => {});
  server = await serve({ catalog, telemetry: { searchCpuS: host.searchCpuS } });
  client = createClient({ url: server.url });
});
after(async () => {
  await server.app.close();
  await catalog.close();
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

const json = (method: string, path: string, body?: unknown) =>
  exchange(`${server.url}${path}`, {
    method,
    ...(body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  });

function fits(name: SchemaName, value: unknown): void {
  const validator = Compile(SCHEMAS, { $ref: name });
  assert.ok(validator.Check(value), `${name}: ${JSON.stringify(validator.Errors(value)[0])}`);
}

let made = 0;
async function newIndex(config: object = {}): Promise<string> {
  const name = `i${made++}`;
  const { status, body } = await json('PUT', `/v1/indexes/${name}`, {
    dim: DIM,
    metric: 'l2',
    precision: 'i8+f32',
    attributes: { category: 'keyword', price: 'number', tags: 'keyword[]' },
    ...config,
  });
  assert.equal(status, 200, JSON.stringify(body));
  fits('IndexDescription', body);
  return name;
}

describe('an index', () => {
  it('is made empty, filled, asked, and removed', async () => {
    const name = await newIndex({ shards: 2 });
    const empty = await json('POST', `/v1/indexes/${name}/query`, { vector: [0, 0, 0, 0] });
    assert.deepEqual([empty.body.hits, empty.body.exhausted], [[], true]);
    const pins = Array.from({ length: 50 }, (_, i) => ({
      id: `p${i}`,
      vector: [i, 0, 0, 1],
      attributes: { category: i % 2 ? 'odd' : 'even', tags: ['all', `t${i}`] },
      payload: { i },
    }));
    const written = await json('PUT', `/v1/indexes/${name}/pins`, { pins });
    fits('UpsertAnswer', written.body);
    assert.deepEqual(written.body, { seq: 1, upserted: 50 });
    const { body } = await json('POST', `/v1/indexes/${name}/query`, {
      vector: [10, 0, 0, 1],
      k: 3,
      filter: { category: 'odd' },
      include: ['payload'],
    });
    assert.deepEqual(
      body.hits.map(({ id }: { id: string }) => id),
      ['p11', 'p9', 'p13'],
    );
    const described = (await json('GET', `/v1/indexes/${name}`)).body;
    assert.deepEqual([described.count, described.seq, described.live.seqWritten], [50, 1, 1]);
    const gone = await json('DELETE', `/v1/indexes/${name}/pins`, {
      ids: ['p11', 'x', { id: 'p9', ifSeq: 1 }],
    });
    fits('DeleteAnswer', gone.body);
    assert.deepEqual(gone.body, { seq: 2, deleted: 2 });
    assert.deepEqual((await json('DELETE', `/v1/indexes/${name}`)).body, { removed: name });
    assert.equal((await json('GET', `/v1/indexes/${name}`)).status, 404);
  });

  it('is not made where one is, and not with a bad config or name', async () => {
    const name = await newIndex();
    const same = {
      dim: DIM,
      metric: 'l2',
      precision: 'i8+f32',
      attributes: { category: 'keyword', price: 'number', tags: 'keyword[]' },
    };
    assert.equal((await json('PUT', `/v1/indexes/${name}`, same)).status, 200);
    const refused = async (path: string, config: object, status: number, code: string) => {
      const answer = await json('PUT', `/v1/indexes/${path}`, config);
      assert.deepEqual([answer.status, answer.body.code], [status, code]);
    };
    await refused(name, { dim: 5 }, 409, 'index_exists');
    await refused('other', { dim: 1 }, 400, 'bad_config');
    await refused('other', { dim: 4, colour: 'red' }, 400, 'bad_config');
    // A model is named; no request says where on this machine to look
    for (const model of ['/etc', '../models', 'a/b/c', '.hidden', 'there-is-none', ''])
      await refused('other', { dim: 4, model }, 400, 'bad_config');
    await refused('.hidden', { dim: 4 }, 400, 'bad_request');
    await refused('a%2Fb', { dim: 4 }, 400, 'bad_request');
  });

  it('embeds texts with its own model', async () => {
    const name = `texts${made++}`;
    const { body } = await json('PUT', `/v1/indexes/${name}`, { dim: 256, model: 'hashed-ngrams' });
    if (body.code !== undefined) assert.fail(JSON.stringify(body));
    const pins = [
      { id: 'a', text: 'red velvet sofa' },
      { id: 'b', text: 'oak table' },
    ];
    assert.equal((await json('PUT', `/v1/indexes/${name}/pins`, { pins })).status, 200);
    const found = await json('POST', `/v1/indexes/${name}/search`, { text: 'velvet sofa', k: 1 });
    assert.equal(found.body.hits[0].id, 'a');
    const mismatch = await json('PUT', `/v1/indexes/${name}/pins`, { pins, model: 'other@1' });
    assert.equal(mismatch.body.code, 'model_mismatch');
  });
});

describe('a write over HTTP', () => {
  it('that is wrong names the place and changes nothing', async () => {
    const name = await newIndex();
    const good = { id: 'good', vector: [1, 2, 3, 4] };
    for (const [bad, status, code, path] of [
      [{ id: 'x', vector: [1, 2] }, 400, 'bad_dim', 'pins[1].vector'],
      [{ id: 'x', vector: [1, 2, 3, null] }, 400, 'bad_vector', 'pins[1].vector[3]'],
      [{ id: '', vector: [1, 2, 3, 4] }, 400, 'bad_pin_id', 'pins[1].id'],
      [{ id: 'x' }, 422, 'bad_pin', 'pins[1]'],
      [{ id: 'x', vector: [1, 2, 3, 4], colour: 1 }, 422, 'bad_pin', 'pins[1].colour'],
      [
        { id: 'x', vector: [1, 2, 3, 4], attributes: { price: 'high' } },
        400,
        'bad_attribute',
        'pins[1].attributes.price',
      ],
      [{ id: 'x', attributes: { price: 1 } }, 404, 'unknown_pin', 'pins[1].id'],
      [{ id: 'x', text: 'red' }, 409, 'no_model', 'pins[1].text'],
      [{ id: 'x', vector: [1, 2, 3, 4], ifSeq: 1 }, 409, 'write_conflict', 'pins[1].ifSeq'],
      [{ id: 'x', vector: [1, 2, 3, 4], ifSeq: -1 }, 400, 'bad_request', 'pins[1].ifSeq'],
      [{ id: 'good', vector: [1, 2, 3, 4] }, 422, 'duplicate_pin', 'pins[1]'],
      ['x', 422, 'bad_pin', 'pins[1]'],
    ] as const) {
      const answer = await json('PUT', `/v1/indexes/${name}/pins`, { pins: [good, bad] });
      assert.deepEqual(
        [answer.status, answer.body.code, answer.body.errors?.[0]?.path],
        [status, code, path],
      );
    }
    for (const body of [{ pins: [] }, {}, { pins: [good], more: 1 }, { pins: Array(1001).fill(good) }]) {
      assert.equal((await json('PUT', `/v1/indexes/${name}/pins`, body)).status, 400);
    }
    assert.equal((await json('PUT', '/v1/indexes/nowhere/pins', { pins: [good] })).status, 404);
    assert.equal((await json('GET', `/v1/indexes/${name}`)).body.count, 0);
  });

  it('takes msgpack with binary vectors', async () => {
    const name = await newIndex();
    const vector = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
    const answer = await exchange(`${server.url}/v1/indexes/${name}/pins`, {
      method: 'PUT',
      headers: { 'content-type': 'application/msgpack', accept: 'application/msgpack' },
      body: new Uint8Array(pack({ pins: [{ id: 'm', vector }] })),
    });
    assert.deepEqual(answer.body, { seq: 1, upserted: 1 });
    const pin = await json('GET', `/v1/indexes/${name}/pins/m?include=vector`);
    assert.deepEqual(pin.body.vector, [1, 2, 3, 4]);
  });
});

describe('a write that finds no room', () => {
  it('is told to come again, or why it cannot', async () => {
    const refusing = (code: ErrorCode) => ({
      ...served({ name: code, engine: memoryEngine({ dim: DIM, pins: [] }), model: null }),
      live: { upsert: () => Promise.reject(new NearpinError(code, 'no room')) } as unknown as LiveEngine,
    });
    const codes = ['too_many_writes', 'disk_full', 'shard_full', 'index_locked'] as const;
    const { app, url } = await serve({
      catalog: catalogOf(codes.map((name) => ({ name, status: 'ready', index: refusing(name) }))),
    });
    try {
      for (const [code, status, retryAfter] of [
        ['too_many_writes', 429, '1'],
        ['disk_full', 507, null],
        ['shard_full', 507, null],
        ['index_locked', 409, null],
      ] as const) {
        const answer = await exchange(`${url}/v1/indexes/${code}/pins`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ pins: [{ id: 'a', vector: [1, 2, 3, 4] }] }),
        });
        assert.deepEqual(
          [answer.status, answer.body.code, answer.headers.get('retry-after')],
          [status, code, retryAfter],
        );
      }
      const given = await exchange(`${url}/v1/aliases`);
      assert.deepEqual([given.status, given.body.code], [501, 'not_supported']);
    } finally {
      await app.close();
    }
  });
});

describe('generations over HTTP', () => {
  it('are written, listed, published and rolled back, by the client', async () => {
    const name = await newIndex();
    await client.upsert(name, { pins: [{ id: 'a', vector: Float32Array.of(1, 0, 0, 0) }] });
    const written = await client.checkpoint(name);
    fits('GenerationDescription', written);
    assert.deepEqual(
      [written.generation, written.seq, written.count, written.isCurrent],
      ['000002', 1, 1, true],
    );
    await client.upsert(name, { pins: [{ id: 'b', vector: [0, 1, 0, 0] }] });
    const rolledBack = await client.publish(name, '000001');
    assert.equal(rolledBack.generation, '000001');
    const { hits, generation } = await client.query(name, { vector: [0, 1, 0, 0], k: 5 });
    assert.deepEqual([hits.map(({ id }) => id), generation], [['b', 'a'], '000001']);
    const { generations } = await client.generations(name);
    assert.deepEqual(
      generations.map(({ generation, isCurrent }) => [generation, isCurrent]),
      [
        ['000001', true],
        ['000002', false],
      ],
    );
    await assert.rejects(client.publish(name, '000007'), { code: 'unknown_generation' });
    const bare = await json('POST', `/v1/indexes/${name}/checkpoint`);
    assert.equal(bare.status, 200);
    await client.delete(name, { ids: ['a'] });
    await assert.rejects(client.pin(name, 'a'), { code: 'unknown_pin' });
  });
});

describe('an alias', () => {
  it('stands for one index, and for another from one request to the next', async () => {
    const [one, two] = [await newIndex(), await newIndex()];
    await client.upsert(one, { pins: [{ id: 'one', vector: [1, 0, 0, 0] }] });
    await client.upsert(two, { pins: [{ id: 'two', vector: [1, 0, 0, 0] }] });
    const first = async () => (await client.query('live', { vector: [1, 0, 0, 0], k: 1 })).hits[0]?.id;
    fits('Alias', await client.setAlias('live', one));
    assert.equal(await first(), 'one');
    await client.setAlias('live', two);
    assert.equal(await first(), 'two');
    const listed = await client.aliases();
    fits('AliasList', listed);
    assert.deepEqual(listed.aliases, [{ alias: 'live', index: two }]);
    await assert.rejects(client.setAlias('live', 'nowhere'), { code: 'unknown_index' });
    await assert.rejects(client.setAlias(one, two), { code: 'index_exists' });
    await assert.rejects(client.removeIndex(two), { code: 'bad_request' });
    assert.deepEqual(await client.removeAlias('live'), { removed: 'live' });
    await assert.rejects(client.removeAlias('live'), { code: 'unknown_alias' });
    await assert.rejects(first(), { code: 'unknown_index' });
  });
});

describe('/metrics', () => {
  it('shows what is written and what can be found', async () => {
    const name = await newIndex();
    await client.upsert(name, { pins: [{ id: 'a', vector: [1, 0, 0, 0] }] });
    const { status, type, body } = await exchange(`${server.url}/metrics`);
    assert.equal(status, 200);
    assert.match(type, /^text\/plain; version=0\.0\.4/);
    const text = body as string;
    assert.match(text, new RegExp(`^nearpin_seq_written\\{index="${name}"\\} 1$`, 'm'));
    assert.match(text, new RegExp(`^nearpin_seq_searchable\\{index="${name}"\\} 1$`, 'm'));
    assert.match(text, /^# TYPE nearpin_lag_seconds gauge$/m);
    assert.match(text, new RegExp(`^nearpin_waiting_pins\\{index="${name}"\\} 0$`, 'm'));
    assert.match(text, new RegExp(`^nearpin_warnings\\{index="${name}"\\} 0$`, 'm'));
    const fill = Number(
      new RegExp(`^nearpin_shard_fill_ratio\\{index="${name}"\\} (.*)$`, 'm').exec(text)?.[1],
    );
    assert.ok(fill > 0 && fill < 1, `${fill}`);
  });

  it('counts the CPU time of searches', async () => {
    const name = await newIndex();
    await client.upsert(name, { pins: [{ id: 'a', vector: [1, 0, 0, 0] }] });
    const seconds = async () => {
      const { body } = await exchange(`${server.url}/metrics`);
      assert.match(body, /^# TYPE nearpin_search_cpu_seconds_total counter$/m);
      return Number(/^nearpin_search_cpu_seconds_total (\d.*)$/m.exec(body)?.[1]);
    };
    const before = await seconds();
    assert.equal(await seconds(), before);
    // On a busy machine a thread may have waited for a core for longer than its searches took
    for (let tries = 0; tries < 20 && (await seconds()) === before; tries++)
      await client.query(name, { vectors: Array.from({ length: 100 }, () => [1, 0, 0, 0]) });
    assert.ok((await seconds()) > before);
  });
});
