/**
 * JSON and msgpack say the same: two servers live through the same random requests, one in each format, and give the same
 * answers, refusals among them. The other two pairs of formats are asked where nothing changes.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Prng } from '../../src/lib/prng.ts';
import { decodeJson } from '../../src/server/codec/json.ts';
import type { OpenApi, OpenApiOperation } from '../../src/server/openapi.ts';
import { toJson, ValueMaker } from '../fuzz/values.ts';
import { catalogServer } from '../support/documented-server.ts';
import { type Exchange, exchange, pack } from '../support/http.ts';

const JSON_TYPE = 'application/json';
const MSGPACK_TYPE = 'application/msgpack';
/**
 * Times, sizes, how far the thread of words has come, and whether the mask of a filter was there already, which it is when
 * it is asked for again.
 */
const VOLATILE: readonly string[] = ['tookMs', 'lagMs', 'bytes', 'fill', 'limitBytes', 'lexical', 'mask'];
const ROUNDS = 500;
const DIM = 8;
const CONFIG = {
  dim: DIM,
  model: `hashed-ngrams-${DIM}`,
  attributes: { category: 'keyword', price: 'number', tags: 'keyword[]', fresh: 'bool', added: 'time' },
};

let servers: Awaited<ReturnType<typeof catalogServer>>[];
before(async () => {
  servers = [await catalogServer(), await catalogServer()];
});
after(async () => {
  for (const server of servers) await server.close();
});

/** An answer as both formats can have it. */
function common({ status, body }: Exchange): unknown {
  const plain = (value: unknown, key: string): unknown => {
    if (VOLATILE.includes(key)) return 0;
    if (value instanceof Uint8Array) return Array.from(new Float32Array(value.slice().buffer));
    if (key === 'vector' && Array.isArray(value)) return value.map((x) => Math.fround(x as number));
    if (Array.isArray(value)) return value.map((each) => plain(each, ''));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner, name)]));
  };
  return [status, plain(body, '')];
}

function send(url: string, method: string, type: string, accept: string, value: unknown): Promise<Exchange> {
  return exchange(url, {
    method,
    headers: { accept, ...(value !== undefined && { 'content-type': type }) },
    ...(value !== undefined && {
      body: type === JSON_TYPE ? JSON.stringify(value) : new Uint8Array(pack(value)),
    }),
  });
}

it('every route gives the same answer to random requests in both formats', async () => {
  const [inJson, inMsgpack] = servers.map(({ url }) => url);
  const api: OpenApi = (await exchange(`${inJson}/openapi.json`)).body;
  const targets = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const prng = new Prng(77);
  const world = { schemas: api.components.schemas, dim: DIM, pins: 60 };
  const asked = new Map<string, { answered: number; refused: number }>();

  const both = async (method: string, path: string, value: unknown, operation?: OpenApiOperation) => {
    const answers = [
      await send(inJson + path, method, JSON_TYPE, JSON_TYPE, value),
      await send(inMsgpack + path, method, MSGPACK_TYPE, MSGPACK_TYPE, value),
    ];
    // What changes nothing can be asked again
    if (operation?.tags[0] === 'retrieval' || method === 'GET')
      answers.push(
        await send(inJson + path, method, JSON_TYPE, MSGPACK_TYPE, value),
        await send(inMsgpack + path, method, MSGPACK_TYPE, JSON_TYPE, value),
      );
    const shown = `${method} ${path} ${JSON.stringify(value)?.slice(0, 500)}`;
    for (const other of answers.slice(1)) assert.deepEqual(common(other), common(answers[0]!), shown);
    const { status } = answers[0]!;
    assert.ok(status < 500 || answers[0]!.body.code === 'deadline_exceeded', shown);
    return status;
  };

  assert.equal(await both('PUT', '/v1/indexes/pins', CONFIG), 200);
  const pins = Array.from({ length: 60 }, (_, i) => ({
    id: `p${i}`,
    vector: Array.from({ length: DIM }, () => Math.fround(prng.normal())),
    attributes: { category: prng.pick(['lamps', 'chairs']), price: i + 0.1 },
    payload: { title: `Red lamp ${i}`, nested: [1.5, null, { deep: true }] },
  }));
  assert.equal(await both('PUT', '/v1/indexes/pins/pins', { pins }), 200);

  for (let round = 0; round < ROUNDS; round++) {
    const { path, method, operation } = prng.pick(targets);
    const id = operation.operationId;
    if (id === 'removeIndex' || id === 'readiness') continue;
    const maker = new ValueMaker(prng, world, prng.pick([0, 0, 0.03]));
    let value: unknown;
    const content = operation.requestBody?.content[JSON_TYPE];
    if (content !== undefined) {
      const text = toJson(maker.make(content.schema));
      // msgpack has no lone surrogates, and a search's time is not the same twice
      if (/\\ud[89a-f]|"deadlineMs"/i.test(text)) continue;
      try {
        value = decodeJson(Buffer.from(text));
      } catch {
        continue;
      }
    }
    const address = path
      .replace('{index}', prng.below(20) === 0 ? 'none' : id === 'createIndex' ? 'other' : 'pins')
      .replace('{alias}', `alias-${prng.below(2)}`)
      .replace('{id}', `p${prng.below(70)}`);
    const status = await both(method, address, value, operation);
    const count = asked.get(id) ?? { answered: 0, refused: 0 };
    if (status === 200) count.answered++;
    else count.refused++;
    asked.set(id, count);
  }
  assert.equal(asked.size, targets.length - 2, [...asked.keys()].join());
  for (const id of ['query', 'related', 'search', 'homefeed', 'upsertPins', 'deletePins'])
    assert.ok(
      asked.get(id)!.answered > 0 && asked.get(id)!.refused > 0,
      `${id}: ${JSON.stringify(asked.get(id))}`,
    );
});
