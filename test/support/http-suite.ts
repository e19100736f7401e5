/**
 * The HTTP contract as tests over any engine: whoever has an Engine hands in how to open one over given pins.
 * Every answer is held against the schema that OpenAPI shows for it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import type { Engine } from '../../src/engines/engine.ts';
import type { IndexConfigInput } from '../../src/index/config.ts';
import type { PinInput } from '../../src/index/pin.ts';
import { bloomAdd, emptyBloom } from '../../src/retrieval/seen.ts';
import { SCHEMAS, type SchemaName } from '../../src/server/schemas.ts';
import { catalogOf, type Exchange, exchange, pack, postJson, postMsgpack, ready, serve } from './http.ts';
import { ATTRIBUTES, somePins, wordModel } from './pins.ts';

export interface SuiteEngine {
  readonly engine: Engine;
  /** After the engine was closed. */
  readonly cleanUp?: () => Promise<void>;
}

export type OpenEngine = (config: IndexConfigInput, pins: readonly PinInput[]) => Promise<SuiteEngine>;

const DIM = 16;
const COUNT = 300;
const MODEL = 'words@1';
const BODY_LIMIT_BYTES = 200_000;
const PINS = somePins(COUNT, DIM, 7);
const VECTOR = PINS[0]!.vector as readonly number[];

/** A vector as bin of little-endian f32, which is what msgpack clients send. */
const bin = (vector: readonly number[]): Buffer => Buffer.from(Float32Array.from(vector).buffer);

function fits(name: SchemaName, value: unknown): void {
  const validator = Compile(SCHEMAS, { $ref: name });
  assert.ok(validator.Check(value), `${name}: ${JSON.stringify(validator.Errors(value)[0])}`);
}

export function httpSuite(name: string, open: OpenEngine): void {
  describe(`HTTP over ${name}`, () => {
    let engines: SuiteEngine[] = [];
    let server: Awaited<ReturnType<typeof serve>>;
    let demo: string;
    let bare: string;

    before(async () => {
      const config = { dim: DIM, metric: 'cosine', attributes: ATTRIBUTES } as const;
      engines = [await open({ ...config, model: MODEL }, PINS), await open(config, PINS.slice(0, 20))];
      const [withModel, without] = engines.map(({ engine }) => engine);
      server = await serve({
        bodyLimitBytes: BODY_LIMIT_BYTES,
        // However slow the machine
        admission: { maxWaitMs: 60_000, maxInFlight: 1024 },
        catalog: catalogOf([
          ready({ name: 'bare', engine: without!, model: null }),
          ready({ name: 'demo', engine: withModel!, model: MODEL, embed: wordModel(DIM) }),
        ]),
      });
      demo = `${server.url}/v1/indexes/demo`;
      bare = `${server.url}/v1/indexes/bare`;
    });

    after(async () => {
      await server?.app.close();
      for (const { engine, cleanUp } of engines) {
        await engine.close();
        await cleanUp?.();
      }
    });

    const ids = ({ body }: Exchange): string[] => body.hits.map(({ id }: { id: string }) => id);

    describe('answers', () => {
      it('query: the nearest pins, in the shape that OpenAPI shows', async () => {
        const answer = await postJson(`${demo}/query`, {
          vector: VECTOR,
          k: 5,
          include: ['payload', 'attributes'],
        });
        assert.equal(answer.status, 200);
        fits('RetrievalAnswer', answer.body);
        assert.equal(answer.body.hits[0].id, 'p0');
        assert.deepEqual(answer.body.hits[0].payload, PINS[0]!.payload);
        assert.deepEqual(answer.body.hits[0].attributes, PINS[0]!.attributes);
        assert.ok(answer.body.hits[0].score > 0.999);
        assert.deepEqual(
          [answer.body.hits.length, answer.body.model, answer.body.exhausted],
          [5, MODEL, false],
        );
      });

      it('query with several vectors: one answer each', async () => {
        const vectors = [3, 1, 2].map((i) => PINS[i]!.vector);
        const answer = await postJson(`${demo}/query`, { vectors, k: 1 });
        fits('MultiAnswer', answer.body);
        assert.deepEqual(
          answer.body.results.map(({ hits }: Exchange['body']) => hits[0].id),
          ['p3', 'p1', 'p2'],
        );
      });

      it('query with a filter and exact: only what matches, and exhausted when that is less than k', async () => {
        const filter = { category: 'lamps', price: { $lt: 20 } };
        const answer = await postJson(`${demo}/query`, { vector: VECTOR, k: 10, filter, exact: true });
        assert.deepEqual(ids(answer).sort(), ['p0', 'p12', 'p16', 'p4', 'p8'].sort());
        assert.equal(answer.body.exhausted, true);
      });

      it('tells how each shard was searched when asked, and not otherwise', async () => {
        for (const [route, request] of [
          ['query', { vector: VECTOR }],
          ['related', { pins: ['p5'] }],
        ] as const) {
          const plain = await postJson(`${demo}/${route}`, request);
          assert.equal('explain' in plain.body, false);
          const answer = await postJson(`${demo}/${route}`, { ...request, explain: true });
          fits('RetrievalAnswer', answer.body);
          assert.ok(['graph', 'two-hop', 'scan'].includes(answer.body.explain[0].plan));
        }
      });

      it('related: pins near the seeds, never the seeds', async () => {
        const answer = await postJson(`${demo}/related`, {
          pins: ['p5', { id: 'p6', weight: 2 }],
          negatives: ['p7'],
          k: 20,
        });
        fits('RetrievalAnswer', answer.body);
        assert.equal(answer.body.hits.length, 20);
        for (const seed of ['p5', 'p6', 'p7']) assert.ok(!ids(answer).includes(seed));
      });

      it('related with groupBy and diversity: at most so many of a value', async () => {
        const answer = await postJson(`${demo}/related`, {
          pins: ['p5'],
          k: 6,
          include: ['attributes'],
          diversity: { lambda: 0.7 },
          groupBy: { field: 'category', size: 2 },
        });
        const counts = new Map<string, number>();
        for (const { attributes } of answer.body.hits)
          counts.set(attributes.category, (counts.get(attributes.category) ?? 0) + 1);
        assert.equal(answer.body.hits.length, 6);
        assert.ok([...counts.values()].every((count) => count <= 2));
      });

      it('related changes its surface: sources, boosts, near-duplicates, all told of when asked', async () => {
        const request = {
          pins: ['p5', { id: 'p6', weight: 3 }],
          k: 8,
          sources: { seeds: { strategy: 'perSeed' } },
          boosts: [{ filter: { category: 'lamps' }, factor: 1.5 }],
          nearDuplicates: null,
          diversity: {},
          explain: true,
        };
        const answer = await postJson(`${demo}/related`, request);
        fits('RetrievalAnswer', answer.body);
        const sources = answer.body.hits.map(({ source }: Exchange['body']) => source);
        assert.deepEqual([...new Set(sources)].sort(), ['seeds:p5', 'seeds:p6']);
        assert.equal(sources.filter((source: string) => source === 'seeds:p6').length, 6);
        for (const { explain } of answer.body.hits) assert.ok([1, 1.5].includes(explain.boosts[0]));
        const batch = await postJson(`${demo}/batch`, { requests: [{ op: 'related', ...request }] });
        assert.deepEqual(batch.body.answers[0].hits, answer.body.hits);
      });

      it('shows its surfaces as they are in force', async () => {
        const { body } = await exchange(`${demo}/surfaces`);
        fits('SurfaceList', body);
        assert.deepEqual(body.surfaces.related.sources, { seeds: { source: 'seeds' } });
      });

      it('search: by text, as by the vector of the text', async () => {
        const byText = await postJson(`${demo}/search`, { text: 'red new', k: 8 });
        fits('RetrievalAnswer', byText.body);
        const [vector] = await wordModel(DIM)(['red new']);
        const byVector = await postJson(`${demo}/search`, { vector: [...vector!], k: 8, model: MODEL });
        assert.deepEqual(ids(byVector), ids(byText));
        assert.equal(ids(byText).length, 8);
      });

      it('homefeed: pins near what was saved, none of those and none that was seen', async () => {
        const history = ['p5', { id: 'p6', weight: 2, at: '2026-01-02' }, 'gone'];
        const answer = await postJson(`${demo}/homefeed`, { history, seen: ['p7'], k: 30, explain: true });
        fits('HomefeedAnswer', answer.body);
        assert.equal(answer.body.hits.length, 30);
        assert.equal(answer.body.skipped, 1);
        for (const hidden of ['p5', 'p6', 'p7']) assert.ok(!ids(answer).includes(hidden));
        const byBatch = await postJson(`${demo}/batch`, {
          requests: [{ op: 'homefeed', history, seen: ['p7'], k: 30 }],
        });
        fits('BatchAnswer', byBatch.body);
        assert.deepEqual(ids({ body: byBatch.body.answers[0] } as Exchange), ids(answer));
      });

      it('notifications: hits for each user, or their problem', async () => {
        const answer = await postJson(`${demo}/notifications`, {
          users: [
            { user: 'a', history: ['p5'], max: 2 },
            { user: 'b', history: [{ id: '' }] },
          ],
          minScore: -1,
        });
        fits('NotificationsAnswer', answer.body);
        const [a, b] = answer.body.users;
        assert.deepEqual([a.user, a.hits.length], ['a', 2]);
        assert.deepEqual([b.user, b.problem.code], ['b', 'bad_pin_id']);
      });

      it('search by words, misspelt ones too, and by both', async () => {
        const byWords = await postJson(`${demo}/search`, { text: 'Pin 7', mode: 'lexical', k: 3 });
        fits('RetrievalAnswer', byWords.body);
        assert.deepEqual([ids(byWords)[0], byWords.body.hits[0].source], ['p7', 'text:lexical']);
        const misspelt = await postJson(`${demo}/search`, { text: 'pinn 7 xqzzyv', mode: 'lexical', k: 3 });
        assert.equal(ids(misspelt)[0], 'p7');
        const fusion = { method: 'ranks', weights: { lexical: 2 } };
        for (const more of [{}, { fusion }]) {
          const both = await postJson(`${demo}/search`, {
            text: 'red pin 7',
            mode: 'hybrid',
            k: 100,
            ...more,
          });
          fits('RetrievalAnswer', both.body);
          assert.ok(both.body.hits.some(({ source }: { source: string }) => source === 'text:both'));
        }
        const filter = { category: 'cakes' };
        const filtered = await postJson(`${demo}/search`, { text: 'pin 7', mode: 'lexical', k: 5, filter });
        assert.ok(ids(filtered).every((id) => Number(id.slice(1)) % 4 === 3));
      });

      it('batch: each request on its own, in order', async () => {
        const answer = await postJson(`${demo}/batch`, {
          requests: [
            { op: 'query', vector: VECTOR, k: 2 },
            { op: 'query', vector: [1], k: 2 },
            { op: 'related', pins: ['p1'], k: 3, colour: 'red' },
            { op: 'search', text: 'blue', k: 3 },
          ],
        });
        assert.equal(answer.status, 200);
        fits('BatchAnswer', answer.body);
        const [first, second, third, fourth] = answer.body.answers;
        assert.deepEqual(first.hits, (await postJson(`${demo}/query`, { vector: VECTOR, k: 2 })).body.hits);
        assert.deepEqual([second.code, second.errors[0].path], ['bad_dim', 'requests[1].vector']);
        assert.deepEqual([third.code, third.errors[0].path], ['bad_request', 'requests[2].colour']);
        assert.equal(fourth.hits.length, 3);
      });

      it('recall: near 1 on a small index, within its interval', async () => {
        const { body } = await postJson(`${demo}/recall`, { samples: 40, k: 5, ef: 200 });
        fits('RecallAnswer', body);
        assert.ok(body.recall >= 0.95 && body.low <= body.recall && body.recall <= body.high);
        assert.deepEqual([body.samples, body.k], [40, 5]);
      });

      it('indexes: all of them, and one', async () => {
        const list = await exchange(`${server.url}/v1/indexes`);
        fits('IndexList', list.body);
        assert.deepEqual(
          list.body.indexes.map((index: Exchange['body']) => [index.name, index.count, index.model]),
          [
            ['bare', 20, null],
            ['demo', COUNT, MODEL],
          ],
        );
        const one = await exchange(demo);
        fits('IndexDescription', one.body);
        assert.deepEqual(one.body, list.body.indexes[1]);
      });

      it('one pin: with attributes and payload, and its vector when asked for', async () => {
        const pin = await exchange(`${demo}/pins/p9`);
        fits('Pin', pin.body);
        assert.deepEqual([pin.body.id, pin.body.payload], ['p9', PINS[9]!.payload]);
        assert.deepEqual(pin.body.attributes, PINS[9]!.attributes);
        assert.equal(pin.body.vector, undefined);
        const full = await exchange(`${demo}/pins/p9?include=vector,payload`);
        assert.equal(full.body.vector.length, DIM);
        assert.ok(Math.abs(Math.hypot(...full.body.vector) - 1) < 0.01);
      });

      it('a deadline that has passed: deadline_exceeded, or an answer that says how much of it there is', async () => {
        const answer = await postJson(`${demo}/query`, { vector: VECTOR, deadlineMs: 0.000001 });
        assert.deepEqual([answer.status, answer.body.code], [504, 'deadline_exceeded']);
      });
    });

    describe('msgpack and JSON', () => {
      const ranges = fc.record(
        {
          k: fc.integer({ min: 1, max: 40 }),
          ef: fc.integer({ min: 1, max: 200 }),
          exact: fc.boolean(),
          minScore: fc.double({ min: -1, max: 1, noNaN: true }),
          include: fc.subarray(['payload', 'attributes', 'vector']),
          exclude: fc.array(
            fc.integer({ min: 0, max: COUNT }).map((i) => `p${i}`),
            { maxLength: 5 },
          ),
          filter: fc.constantFrom<object>(
            { category: 'lamps' },
            { price: { $gte: 19.99, $lt: 200.1 } },
            { $or: [{ tags: { $in: ['red', 'old'] } }, { fresh: true }] },
          ),
        },
        { requiredKeys: [] },
      );
      const id = fc.integer({ min: 0, max: COUNT - 1 }).map((i) => `p${i}`);
      const operation = fc.oneof(
        fc
          .record({
            op: fc.constant('related'),
            body: fc.tuple(fc.array(id, { minLength: 1, maxLength: 3 }), ranges),
          })
          .map(({ op, body: [pins, rest] }) => ({ op, body: { pins, ...rest } })),
        fc
          .record({
            op: fc.constant('homefeed'),
            body: fc.tuple(fc.array(id, { maxLength: 9 }), fc.array(id, { maxLength: 9 }), ranges),
          })
          .map(({ op, body: [history, seen, rest] }) => ({ op, body: { history, seen, ...rest } })),
        fc
          .record({
            op: fc.constant('search'),
            body: fc.tuple(
              fc.constantFrom('red', 'old blue', 'new 7'),
              fc.constantFrom('dense', 'lexical', 'hybrid'),
              ranges,
            ),
          })
          .map(({ op, body: [text, mode, rest] }) => ({ op, body: { text, mode, ...rest } })),
        fc
          .record({
            op: fc.constant('query'),
            body: fc.tuple(fc.integer({ min: 0, max: COUNT - 1 }), ranges),
          })
          .map(({ op, body: [i, rest] }) => ({
            op,
            body: { vector: PINS[i]!.vector as readonly number[], ...rest },
          })),
      );

      /** The msgpack answer with vectors as arrays of numbers, and without what differs between two calls. */
      const comparable = (body: Exchange['body']) => {
        const { tookMs, ...rest } = body;
        assert.equal(typeof tookMs, 'number');
        return {
          ...rest,
          hits: body.hits.map((hit: Exchange['body']) =>
            hit.vector === undefined
              ? hit
              : {
                  ...hit,
                  vector: Array.isArray(hit.vector)
                    ? hit.vector
                    : [...new Float32Array(Uint8Array.from(hit.vector).buffer)],
                },
          ),
        };
      };

      it('give the same answer to the same request, every field of it', async () => {
        await fc.assert(
          fc.asyncProperty(operation, async ({ op, body }) => {
            const json = await postJson(`${demo}/${op}`, body);
            const withBin = 'vector' in body ? { ...body, vector: bin(body.vector) } : body;
            const msgpack = await postMsgpack(`${demo}/${op}`, withBin);
            assert.deepEqual([json.status, msgpack.status], [200, 200]);
            assert.match(json.type, /^application\/json/);
            assert.equal(msgpack.type, 'application/msgpack');
            assert.deepEqual(comparable(msgpack.body), comparable(json.body));
          }),
          { seed: 5, numRuns: 60 },
        );
      });

      it('take a Bloom filter in base64 as well as bin, and show the vectors of notifications alike', async () => {
        const bloom = emptyBloom(4, 0.001);
        for (const id of ['p1', 'p2', 'p3']) bloomAdd(bloom, id);
        const { hashes } = bloom;
        const bits = Buffer.from(bloom.bits);
        const request = (sent: unknown) => ({
          users: [{ user: 'a', history: ['p0'], seen: { bloom: { bits: sent, hashes } } }],
          minScore: -1,
          k: 5,
          include: ['vector'],
        });
        const inJson = await postJson(`${demo}/notifications`, request(bits.toString('base64')));
        const inMsgpack = await postMsgpack(`${demo}/notifications`, request(bits));
        const [a] = inJson.body.users;
        const [b] = inMsgpack.body.users;
        assert.deepEqual(ids({ body: b } as Exchange), ids({ body: a } as Exchange));
        assert.equal(a.hits.length, 5);
        const floats = new Float32Array(Uint8Array.from(b.hits[0].vector).buffer);
        assert.deepEqual([...floats], a.hits[0].vector);
      });

      it('take a vector as an array of floats as well as bin, whatever its place in the body', async () => {
        const expected = ids(await postJson(`${demo}/query`, { vector: VECTOR }));
        for (const vector of [VECTOR, bin(VECTOR)])
          for (const body of [
            { vector, k: 10 },
            { k: 10, vector },
            { minScore: -1.5, k: 10, vector },
          ])
            assert.deepEqual(ids(await postMsgpack(`${demo}/query`, body)), expected);
        const multi = await postMsgpack(`${demo}/query`, { vectors: [bin(VECTOR), VECTOR] });
        for (const answer of multi.body.results)
          assert.deepEqual(ids({ body: answer } as Exchange), expected);
      });

      it('show the vectors of hits in every kind of answer: numbers in JSON, bin in msgpack', async () => {
        const one = { vector: VECTOR, k: 1, include: ['vector'] };
        const several = { vectors: [VECTOR], k: 1, include: ['vector'] };
        const requests = [
          { op: 'query', ...one },
          { op: 'query', ...several },
        ];
        const [inJson, inMsgpack] = await Promise.all(
          [postJson, postMsgpack].map(async (post) => {
            const [first, second] = (await post(`${demo}/batch`, { requests })).body.answers;
            const third = (await post(`${demo}/query`, several)).body;
            return [first, second.results[0], third.results[0]].map(({ hits }) => hits[0].vector);
          }),
        );
        const pin = await exchange(`${demo}/pins/p0?include=vector`, {
          headers: { accept: 'application/msgpack' },
        });
        for (const vector of inJson!) assert.deepEqual(vector, inJson![0]);
        assert.equal(inJson![0].length, DIM);
        for (const vector of [...inMsgpack!, pin.body.vector]) {
          assert.ok(vector instanceof Uint8Array);
          assert.deepEqual([...new Float32Array(Uint8Array.from(vector).buffer)], inJson![0]);
        }
      });

      it('mix: Content-Type says what comes in, Accept what goes out', async () => {
        const body = { vector: VECTOR, k: 3 };
        const expected = ids(await postJson(`${demo}/query`, body));
        for (const type of ['application/msgpack', 'application/vnd.msgpack', 'application/x-msgpack']) {
          const out = await postJson(`${demo}/query`, body, { accept: type });
          assert.deepEqual([out.type, ids(out)], [type, expected]);
          const back = await postMsgpack(`${demo}/query`, body, {
            'content-type': type,
            accept: 'application/json',
          });
          assert.match(back.type, /^application\/json/);
          assert.deepEqual(ids(back), expected);
        }
        for (const [accept, type] of [
          ['*/*', 'application/json; charset=utf-8'],
          ['application/*', 'application/json; charset=utf-8'],
          ['application/json;q=0.5, application/msgpack', 'application/msgpack'],
          ['text/html, application/x-msgpack;q=0.1', 'application/x-msgpack'],
        ] as const)
          assert.equal((await postJson(`${demo}/query`, body, { accept })).type, type);
      });

      it('show pins, indexes and problems alike', async () => {
        const headers = { accept: 'application/msgpack' };
        for (const path of [
          '/v1/indexes',
          '/v1/indexes/demo',
          '/v1/indexes/demo/pins/p3',
          '/v1/indexes/none',
          '/readyz',
        ]) {
          const json = await exchange(`${server.url}${path}`);
          const msgpack = await exchange(`${server.url}${path}`, { headers });
          assert.equal(msgpack.type, 'application/msgpack');
          assert.deepEqual([msgpack.status, msgpack.body], [json.status, json.body]);
        }
      });
    });

    describe('bad input', () => {
      interface BadInput {
        readonly title: string;
        readonly status: number;
        readonly code: string;
        readonly path?: string;
        /** Path below the index `demo`; `query` when absent. */
        readonly at?: string;
        readonly body?: unknown;
        readonly send?: () => Promise<Exchange>;
      }
      const query = { vector: VECTOR };
      const related = (body: object) => ({ at: 'related', body: { pins: ['p1'], ...body } });
      const search = (body: object) => ({ at: 'search', body });
      const inMsgpack = (body: unknown, at = 'query') => ({ send: () => postMsgpack(`${demo}/${at}`, body) });

      const cases: readonly BadInput[] = [
        {
          title: 'a vector too short',
          status: 400,
          code: 'bad_dim',
          path: 'vector',
          body: { vector: [1, 2] },
        },
        {
          title: 'a vector too long',
          status: 400,
          code: 'bad_dim',
          path: 'vector',
          body: { vector: [...VECTOR, 1] },
        },
        {
          title: 'one short vector of several',
          status: 400,
          code: 'bad_dim',
          path: 'vectors[1]',
          body: { vectors: [VECTOR, []] },
        },
        {
          title: 'bin of the wrong dim',
          status: 400,
          code: 'bad_dim',
          path: 'vector',
          ...inMsgpack({ vector: bin([1, 2, 3]) }),
        },
        {
          title: 'bin that is no floats',
          status: 400,
          code: 'bad_dim',
          path: 'vector',
          ...inMsgpack({ vector: Buffer.alloc(63) }),
        },
        {
          title: 'bin that is no floats, among others',
          status: 400,
          code: 'bad_dim',
          path: 'vectors[1]',
          ...inMsgpack({ vectors: [bin(VECTOR), Buffer.alloc(5)] }),
        },
        {
          title: 'NaN in bin',
          status: 400,
          code: 'bad_vector',
          path: 'vector[3]',
          ...inMsgpack({ vector: bin(VECTOR.with(3, Number.NaN)) }),
        },
        {
          title: 'Inf in bin',
          status: 400,
          code: 'bad_vector',
          path: 'vector[0]',
          ...inMsgpack({ vector: bin(VECTOR.with(0, Number.NEGATIVE_INFINITY)) }),
        },
        {
          title: 'NaN in an array',
          status: 400,
          code: 'bad_vector',
          path: 'vector[15]',
          ...inMsgpack({ vector: VECTOR.with(15, Number.NaN) }),
        },
        {
          title: 'a number too large for f32',
          status: 400,
          code: 'bad_vector',
          path: 'vector[1]',
          body: { vector: VECTOR.with(1, 1e39) },
        },
        {
          title: 'a string in a vector',
          status: 400,
          code: 'bad_vector',
          path: 'vector[2]',
          body: { vector: VECTOR.map((x, i) => (i === 2 ? '1' : x)) },
        },
        {
          title: 'a vector that is a string',
          status: 400,
          code: 'bad_vector',
          path: 'vector',
          body: { vector: 'AAAA' },
        },
        {
          title: 'a vector that is null',
          status: 400,
          code: 'bad_vector',
          path: 'vector',
          body: { vector: null },
        },
        {
          title: 'a zero vector under cosine',
          status: 400,
          code: 'zero_vector',
          path: 'vector',
          body: { vector: VECTOR.map(() => 0) },
        },
        { title: 'no vector', status: 400, code: 'bad_request', path: 'vector', body: {} },
        {
          title: 'both vector and vectors',
          status: 400,
          code: 'bad_request',
          path: 'vector',
          body: { ...query, vectors: [] },
        },
        {
          title: 'an unknown field',
          status: 400,
          code: 'bad_request',
          path: 'kk',
          body: { ...query, kk: 3 },
        },
        {
          title: 'an unknown field within',
          status: 400,
          code: 'bad_request',
          path: 'pins[0].wait',
          ...related({ pins: [{ id: 'p1', wait: 2 }] }),
        },
        {
          title: 'an unknown field of a rule',
          status: 400,
          code: 'bad_request',
          path: 'groupBy.max',
          ...related({ groupBy: { field: 'price', size: 1, max: 1 } }),
        },
        {
          title: 'an unknown kind of source',
          status: 400,
          code: 'bad_request',
          path: 'sources.more.source',
          ...related({ sources: { more: { source: 'sow' } } }),
        },
        {
          title: 'a boost without a factor',
          status: 400,
          code: 'bad_request',
          path: 'boosts[0].factor',
          ...related({ boosts: [{ filter: { category: 'lamps' } }] }),
        },
        {
          title: 'too many boosts',
          status: 400,
          code: 'limit_exceeded',
          path: 'boosts',
          ...related({ boosts: Array(17).fill({ filter: {}, factor: 2 }) }),
        },
        {
          title: 'a similarity over 1',
          status: 400,
          code: 'bad_request',
          path: 'nearDuplicates.similarity',
          ...related({ nearDuplicates: { similarity: 2 } }),
        },
        {
          title: 'an unknown query parameter',
          status: 400,
          code: 'bad_request',
          path: 'pretty',
          at: 'query?pretty=1',
          body: query,
        },
        { title: 'a body that is a list', status: 400, code: 'bad_request', path: '', body: [query] },
        { title: 'a body that is a number', status: 400, code: 'bad_request', path: '', body: '5' },
        {
          title: 'no body',
          status: 400,
          code: 'bad_request',
          path: '',
          send: () => exchange(`${demo}/query`, { method: 'POST' }),
        },
        { title: 'an empty body', status: 400, code: 'bad_json', body: '' },
        {
          title: 'k of the wrong type',
          status: 400,
          code: 'bad_request',
          path: 'k',
          body: { ...query, k: '10' },
        },
        { title: 'k of null', status: 400, code: 'bad_request', path: 'k', body: { ...query, k: null } },
        { title: 'k of 0', status: 400, code: 'bad_request', path: 'k', body: { ...query, k: 0 } },
        {
          title: 'a k that is not whole',
          status: 400,
          code: 'bad_request',
          path: 'k',
          body: { ...query, k: 1.5 },
        },
        {
          title: 'k over its limit',
          status: 400,
          code: 'limit_exceeded',
          path: 'k',
          body: { ...query, k: 1001 },
        },
        {
          title: 'k over its limit beside an unknown field',
          status: 400,
          code: 'bad_request',
          path: 'kk',
          body: { ...query, k: 1001, kk: 1 },
        },
        {
          title: 'k and ef over their limits',
          status: 400,
          code: 'limit_exceeded',
          path: 'k',
          body: { ...query, k: 1001, ef: 5000 },
        },
        {
          title: 'ef over its limit',
          status: 400,
          code: 'limit_exceeded',
          path: 'ef',
          body: { ...query, ef: 4097 },
        },
        {
          title: 'a deadline of 0',
          status: 400,
          code: 'bad_request',
          path: 'deadlineMs',
          body: { ...query, deadlineMs: 0 },
        },
        {
          title: 'minScore of NaN',
          status: 400,
          code: 'bad_request',
          path: 'minScore',
          ...inMsgpack({ ...query, minScore: Number.NaN }),
        },
        {
          title: 'exact of the wrong type',
          status: 400,
          code: 'bad_request',
          path: 'exact',
          body: { ...query, exact: 1 },
        },
        {
          title: 'an unknown part to include',
          status: 400,
          code: 'bad_request',
          path: 'include[0]',
          body: { ...query, include: ['seq'] },
        },
        {
          title: 'too many vectors',
          status: 400,
          code: 'limit_exceeded',
          path: 'vectors',
          body: { vectors: Array(101).fill([1]) },
        },
        {
          title: 'too many requests in a batch',
          status: 400,
          code: 'limit_exceeded',
          path: 'requests',
          at: 'batch',
          body: { requests: Array(101).fill({}) },
        },
        {
          title: 'a batch without requests',
          status: 400,
          code: 'bad_request',
          path: 'requests',
          at: 'batch',
          body: {},
        },
        {
          title: 'too many pins to exclude',
          status: 400,
          code: 'limit_exceeded',
          path: 'exclude',
          body: { ...query, exclude: Array(1001).fill('a') },
        },
        {
          title: 'an empty id to exclude',
          status: 400,
          code: 'bad_pin_id',
          path: 'exclude[1]',
          body: { ...query, exclude: ['a', ''] },
        },
        {
          title: 'a filter on an undeclared attribute',
          status: 400,
          code: 'bad_filter',
          path: 'filter.colour',
          body: { ...query, filter: { colour: 'red' } },
        },
        {
          title: 'a filter value of the wrong type',
          status: 400,
          code: 'bad_filter',
          path: 'filter.price.$gt',
          body: { ...query, filter: { price: { $gt: 'much' } } },
        },
        {
          title: 'an unknown operator',
          status: 400,
          code: 'bad_filter',
          path: 'filter.price.$near',
          body: { ...query, filter: { price: { $near: 5 } } },
        },
        {
          title: 'a filter that is a list',
          status: 400,
          code: 'bad_filter',
          path: 'filter',
          body: { ...query, filter: [] },
        },
        {
          title: 'another model',
          status: 409,
          code: 'model_mismatch',
          path: 'model',
          body: { ...query, model: 'other@1' },
        },
        { title: 'no seeds', status: 400, code: 'bad_request', path: 'pins', ...related({ pins: [] }) },
        { title: 'seeds missing', status: 400, code: 'bad_request', path: 'pins', at: 'related', body: {} },
        {
          title: 'too many seeds',
          status: 400,
          code: 'limit_exceeded',
          path: 'pins',
          ...related({ pins: Array(101).fill('p1') }),
        },
        {
          title: 'an unknown seed',
          status: 404,
          code: 'unknown_pin',
          path: 'pins[1]',
          ...related({ pins: ['p1', 'gone'] }),
        },
        {
          title: 'an unknown negative',
          status: 404,
          code: 'unknown_pin',
          path: 'negatives[0]',
          ...related({ negatives: ['gone'] }),
        },
        {
          title: 'an empty seed id',
          status: 400,
          code: 'bad_pin_id',
          path: 'pins[0]',
          ...related({ pins: [''] }),
        },
        {
          title: 'a seed id over 128 bytes',
          status: 400,
          code: 'bad_pin_id',
          path: 'pins[0].id',
          ...related({ pins: [{ id: 'é'.repeat(65) }] }),
        },
        {
          title: 'a seed that is true',
          status: 400,
          code: 'bad_pin_id',
          path: 'pins[0]',
          ...related({ pins: [true] }),
        },
        {
          title: 'a seed without id',
          status: 400,
          code: 'bad_request',
          path: 'pins[0].id',
          ...related({ pins: [{ weight: 1 }] }),
        },
        {
          title: 'a weight of 0',
          status: 400,
          code: 'bad_request',
          path: 'pins[0].weight',
          ...related({ pins: [{ id: 'p1', weight: 0 }] }),
        },
        {
          title: 'seeds that cancel out',
          status: 400,
          code: 'zero_vector',
          path: 'negatives',
          ...related({ negatives: ['p1'] }),
        },
        {
          title: 'a lambda over 1',
          status: 400,
          code: 'bad_request',
          path: 'diversity.lambda',
          ...related({ diversity: { lambda: 1.01 } }),
        },
        {
          title: 'k over its limit with diversity',
          status: 400,
          code: 'limit_exceeded',
          path: 'k',
          ...related({ k: 101, diversity: { lambda: 0.5 } }),
        },
        {
          title: 'groups of an undeclared attribute',
          status: 400,
          code: 'bad_request',
          path: 'groupBy.field',
          ...related({ groupBy: { field: 'colour', size: 1 } }),
        },
        { title: 'no text', status: 400, code: 'bad_request', path: 'text', ...search({}) },
        { title: 'a blank text', status: 400, code: 'bad_request', path: 'text', ...search({ text: '  ' }) },
        {
          title: 'a text over its limit',
          status: 400,
          code: 'limit_exceeded',
          path: 'text',
          ...search({ text: 'x'.repeat(8193) }),
        },
        {
          title: 'a text without a known word',
          status: 400,
          code: 'zero_vector',
          path: 'text',
          ...search({ text: 'qwerty' }),
        },
        {
          title: 'text and vector',
          status: 400,
          code: 'bad_request',
          path: 'text',
          ...search({ text: 'red', vector: VECTOR }),
        },
        {
          title: 'a mode there is not',
          status: 400,
          code: 'bad_request',
          path: 'mode',
          ...search({ text: 'red', mode: 'vague' }),
        },
        {
          title: 'text on an index without a model',
          status: 409,
          code: 'no_model',
          send: () => postJson(`${bare}/search`, { text: 'red' }),
        },
        {
          title: 'too many samples',
          status: 400,
          code: 'limit_exceeded',
          path: 'samples',
          at: 'recall',
          body: { samples: 1001 },
        },
        {
          title: 'an unknown index',
          status: 404,
          code: 'unknown_index',
          path: 'index',
          send: () => postJson(`${server.url}/v1/indexes/none/query`, query),
        },
        {
          title: 'an unknown index, looked at',
          status: 404,
          code: 'unknown_index',
          path: 'index',
          send: () => exchange(`${server.url}/v1/indexes/__proto__`),
        },
        {
          title: 'an unknown pin',
          status: 404,
          code: 'unknown_pin',
          path: 'id',
          send: () => exchange(`${demo}/pins/gone`),
        },
        {
          title: 'a pin id over 128 bytes in the path',
          status: 400,
          code: 'bad_pin_id',
          path: 'id',
          send: () => exchange(`${demo}/pins/${encodeURIComponent('é'.repeat(65))}`),
        },
        {
          title: 'an unknown part of a pin',
          status: 400,
          code: 'bad_request',
          path: 'include',
          send: () => exchange(`${demo}/pins/p1?include=everything`),
        },
        {
          title: 'a body over its limit',
          status: 413,
          code: 'body_too_large',
          body: { vector: Array(BODY_LIMIT_BYTES).fill(1) },
        },
        {
          title: 'a msgpack body over its limit',
          status: 413,
          code: 'body_too_large',
          ...inMsgpack({ vector: Buffer.alloc(BODY_LIMIT_BYTES) }),
        },
        {
          title: 'an unsupported media type',
          status: 415,
          code: 'unsupported_media_type',
          path: 'content-type',
          send: () => postJson(`${demo}/query`, query, { 'content-type': 'text/plain' }),
        },
        {
          title: 'a compressed body',
          status: 415,
          code: 'unsupported_media_type',
          path: 'content-encoding',
          send: () => postJson(`${demo}/query`, query, { 'content-encoding': 'gzip' }),
        },
        {
          title: 'an Accept that cannot be met',
          status: 406,
          code: 'not_acceptable',
          path: 'accept',
          send: () => postJson(`${demo}/query`, query, { accept: 'text/html' }),
        },
        { title: 'broken JSON', status: 400, code: 'bad_json', body: '{"vector": [1, 2' },
        { title: 'JSON with the same key twice', status: 400, code: 'bad_json', body: '{"k": 1, "k": 2}' },
        {
          title: 'JSON that reaches for a prototype',
          status: 400,
          code: 'bad_json',
          path: 'filter.__proto__',
          body: '{"filter": {"__proto__": {"k": 1}}}',
        },
        {
          title: 'JSON that is not UTF-8',
          status: 400,
          code: 'bad_json',
          send: () =>
            exchange(`${demo}/query`, {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: Uint8Array.of(0x22, 0xff, 0x22),
            }),
        },
        {
          title: 'broken msgpack',
          status: 400,
          code: 'bad_msgpack',
          path: 'vector',
          ...inMsgpack(pack({ vector: bin(VECTOR) }).subarray(0, 30)),
        },
        {
          title: 'the reserved byte of msgpack',
          status: 400,
          code: 'bad_msgpack',
          ...inMsgpack(Buffer.of(0xc1)),
        },
        {
          title: 'bytes after the msgpack value',
          status: 400,
          code: 'bad_msgpack',
          ...inMsgpack(Buffer.concat([pack(query), Buffer.of(0xc0)])),
        },
        { title: 'an empty msgpack body', status: 400, code: 'bad_msgpack', ...inMsgpack(Buffer.alloc(0)) },
        {
          title: 'JSON called msgpack',
          status: 400,
          code: 'bad_msgpack',
          ...inMsgpack(Buffer.from(JSON.stringify(query))),
        },
      ];

      for (const { title, status, code, path, at = 'query', body, send } of cases)
        it(`refuses ${title}`, async () => {
          const state = async () => [
            ids(await postJson(`${demo}/query`, { vector: VECTOR, k: 20 })),
            (await exchange(`${server.url}/v1/indexes`)).body,
          ];
          const before = await state();
          const refusal = await (send?.() ?? postJson(`${demo}/${at}`, body));
          assert.equal(refusal.status, status, JSON.stringify(refusal.body));
          fits('Problem', refusal.body);
          assert.match(refusal.type, /^application\/(problem\+json|msgpack)$/);
          assert.deepEqual(
            { status: refusal.body.status, code: refusal.body.code, path: refusal.body.errors?.[0]?.path },
            { status, code, path },
          );
          assert.deepEqual(await state(), before);
        });
    });

    it('answers a hundred at once as one by one', async () => {
      const bodies = Array.from({ length: 100 }, (_, i) => ({
        vector: PINS[i]!.vector as readonly number[],
        k: 5,
      }));
      const together = await Promise.all(
        bodies.map((body, i) =>
          i % 2 === 0
            ? postJson(`${demo}/query`, body)
            : postMsgpack(`${demo}/query`, { ...body, vector: bin(body.vector) }),
        ),
      );
      for (const [i, answer] of together.entries()) {
        assert.equal(ids(answer)[0], `p${i}`);
        if (i % 10 === 0) assert.deepEqual(ids(answer), ids(await postJson(`${demo}/query`, bodies[i])));
      }
    });
  });
}
