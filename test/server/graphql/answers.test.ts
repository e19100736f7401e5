/** What GraphQL answers: the fields of each question, refusals beside answers, nodes, and one generation a request. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorAt } from '../../../src/lib/errors.ts';
import {
  ExposureLog,
  type ExposureRecord,
  type LogRecord,
} from '../../../src/retrieval/experiments/exposure.ts';
import type { OpenIndex } from '../../../src/retrieval/open-index.ts';
import { codesOf, DIM, MODEL, newEngine, noting, PINS, start } from '../../support/graphql.ts';
import { catalogOf, exchange, postJson, ready, serve } from '../../support/http.ts';
import { TestKeys } from '../../support/keys.ts';

const VECTOR = PINS[0]!.vector as number[];
const HITS = 'edges { score node { pinId } }';
const RELATED = `query ($request: RelatedRequest!) { related(index: "demo", request: $request) { ${HITS} } }`;

describe('GraphQL answers', () => {
  it('query, by a list and by base64, with the parts that are selected', async (t) => {
    const { ask } = await start(t);
    const query = `query ($request: QueryRequest!) { query(index: "demo", request: $request) {
      edges { score source node { pinId payload attributes vector short: vector(as: base64) } }
      ef generation model exhausted coverage { shards answered degraded } experiments { arm } } }`;
    const base64 = Buffer.from(Float32Array.from(VECTOR).buffer).toString('base64');
    const [byList, byBytes] = await Promise.all(
      [VECTOR, base64].map((vector) => ask(query, { request: { vector, k: 2 } })),
    );
    assert.equal(byList!.body.errors, undefined);
    assert.equal(byList!.type, 'application/json; charset=utf-8');
    assert.deepEqual(byList!.body, byBytes!.body);
    const { edges, ...rest } = byList!.body.data.query;
    assert.deepEqual(rest, {
      ef: 64,
      generation: 'gen-1',
      model: MODEL,
      exhausted: false,
      coverage: { shards: 1, answered: 1, degraded: null },
      experiments: null,
    });
    const [{ node, score, source }] = edges;
    assert.deepEqual([node.pinId, source], ['p0', null]);
    assert.ok(score > 0.999);
    assert.deepEqual(node.payload, PINS[0]!.payload);
    assert.deepEqual(node.attributes, PINS[0]!.attributes);
    const floats = new Float32Array(new Uint8Array(Buffer.from(node.short, 'base64')).buffer);
    assert.deepEqual(node.vector, [...floats]);
    assert.equal(node.vector.length, DIM);
  });

  it('indexes and one of them, by any name', async (t) => {
    const { ask } = await start(t);
    const { body } = await ask(`{
      indexes { name status count problem { code status } config { dim metric attributes } surfaces }
      index(name: "demo") { name generation seq shards { count bytes } live { readOnly } }
    }`);
    assert.equal(body.errors, undefined);
    const [demo, late] = body.data.indexes;
    assert.deepEqual([demo.name, demo.status, demo.count, demo.config.dim], ['demo', 'ready', 60, DIM]);
    assert.deepEqual(Object.keys(demo.surfaces), ['related', 'search', 'homefeed', 'notifications']);
    assert.deepEqual(late, {
      name: 'late',
      status: 'loading',
      count: null,
      problem: { code: 'not_ready', status: 503 },
      config: null,
      surfaces: null,
    });
    assert.deepEqual(body.data.index.live, null);
    assert.equal(body.data.index.generation, 'gen-1');
  });

  it('pins by their ids, in order, with null for one that is not there', async (t) => {
    const { ask } = await start(t);
    const { body } = await ask(
      '{ pins(index: "demo", ids: ["p3", "none", "p7"]) { pinId } pin(index: "demo", id: "p1") { payload seq } }',
    );
    assert.deepEqual(
      body.data.pins.map((pin: { pinId: string } | null) => pin?.pinId),
      ['p3', undefined, 'p7'],
    );
    assert.deepEqual(body.data.pin, { payload: PINS[1]!.payload, seq: 2 });
  });

  it('search, homefeed and notifications, with neighbours of neighbours', async (t) => {
    const { ask } = await start(t);
    const { body } = await ask(
      `query ($search: SearchRequest!, $home: HomefeedRequest!, $all: NotificationsRequest!) {
        search(index: "demo", request: $search) { edges { node { pinId related(request: {k: 2}) { ${HITS} } } } }
        homefeed(index: "demo", request: $home) { ${HITS} skipped }
        notifications(index: "demo", request: $all) { user problem { code errors { path } } hits { ${HITS} skipped } }
      }`,
      {
        search: { text: 'red old', k: 3 },
        home: { history: [{ id: 'p1' }, { id: 'gone' }], k: 4 },
        all: {
          users: [
            { user: 'ann', history: [{ id: 'p2' }] },
            { user: 'bob', history: [], topics: [{ text: 'red', pin: 'p1' }] },
          ],
          maxAge: null,
          minScore: -1,
          k: 2,
        },
      },
    );
    assert.equal(body.errors, undefined);
    const { search, homefeed, notifications } = body.data;
    assert.equal(search.edges.length, 3);
    for (const { node } of search.edges) {
      assert.equal(node.related.edges.length, 2);
      for (const near of node.related.edges) assert.notEqual(near.node.pinId, node.pinId);
    }
    assert.deepEqual([homefeed.edges.length, homefeed.skipped], [4, 1]);
    assert.deepEqual([notifications[0].user, notifications[0].hits.edges.length], ['ann', 2]);
    assert.deepEqual(notifications[1].problem, {
      code: 'bad_request',
      errors: [{ path: 'users[1].topics[0]' }],
    });
  });

  it('a refused question as null beside the others, with the code and the path of REST', async (t) => {
    const { ask, rest } = await start(t);
    const answer = await ask(
      `query ($ok: RelatedRequest!, $unknown: RelatedRequest!, $k: RelatedRequest!) {
        ok: related(index: "demo", request: $ok) { ${HITS} }
        unknown: related(index: "demo", request: $unknown) { ${HITS} }
        k: related(index: "demo", request: $k) { ${HITS} }
        none: related(index: "none", request: $ok) { ${HITS} }
        late: related(index: "late", request: $ok) { ${HITS} }
      }`,
      {
        ok: { pins: [{ id: 'p1' }], k: 1 },
        unknown: { pins: [{ id: 'p1' }, { id: 'gone' }] },
        k: { pins: [{ id: 'p1' }], k: 1001 },
      },
    );
    assert.equal(answer.status, 200);
    const { data, errors } = answer.body;
    assert.equal(data.ok.edges.length, 1);
    for (const name of ['unknown', 'k', 'none', 'late']) assert.equal(data[name], null, name);
    const told = Object.fromEntries(
      errors.map(({ path, extensions }: { path: string[]; extensions: object }) => [path[0], extensions]),
    );
    assert.deepEqual(told.unknown, {
      code: 'unknown_pin',
      status: 404,
      errors: [{ path: 'pins[1]', message: 'there is no pin gone' }],
    });
    const { body } = await rest('related', { pins: ['p1'], k: 1001 });
    assert.deepEqual(told.k, { code: body.code, status: body.status, errors: body.errors });
    assert.deepEqual([told.none.code, told.late.code], ['unknown_index', 'not_ready']);
  });

  it('variables that do not fit with bad_request and the path that REST has', async (t) => {
    const { ask } = await start(t);
    for (const [request, path] of [
      [{ pins: [{ id: 'p1' }], k: 'many' }, 'k'],
      [{ pins: [{ id: 'p1', weight: 'much' }] }, 'pins[0].weight'],
      [{ pins: [{ id: 'p1' }], colour: 'red' }, 'request'],
      [undefined, 'request'],
    ] as const) {
      const answer = await ask(RELATED, { request });
      assert.equal(answer.status, 400);
      assert.equal(answer.body.data, undefined);
      const [{ extensions }] = answer.body.errors;
      assert.equal(extensions.code, 'bad_request');
      assert.equal(extensions.errors[0].path, path);
    }
  });

  it('bad vectors with the code and the path that REST has', async (t) => {
    const { ask, rest } = await start(t);
    const query = `query ($request: QueryRequest!) { query(index: "demo", request: $request) { ${HITS} } }`;
    for (const vector of [[1, 2], [...VECTOR.slice(1), 'x'], VECTOR.map(() => 0), { not: 'one' }]) {
      const [{ body }, answer] = await Promise.all([
        rest('query', { vector }),
        ask(query, { request: { vector } }),
      ]);
      const [{ extensions }] = answer.body.errors;
      assert.deepEqual(extensions, { code: body.code, status: body.status, errors: body.errors });
    }
    for (const [vector, code] of [
      ['AAAA', 'bad_dim'],
      ['%%%%', 'bad_vector'],
    ]) {
      const answer = await ask(query, { request: { vector } });
      assert.deepEqual(codesOf(answer), [code]);
      assert.equal(answer.body.errors[0].extensions.errors[0].path, 'vector');
    }
  });

  it('a null as if it were not sent, but where it takes something away', async (t) => {
    const { ask } = await start(t, {
      mixer: { surfaces: { related: { groupBy: { field: 'category', size: 1 } } } },
    });
    const count = async (request: object) => {
      const { body } = await ask(RELATED, {
        request: { pins: [{ id: 'p1', weight: null }], k: null, ...request },
      });
      assert.equal(body.errors, undefined);
      return body.data.related.edges.length;
    };
    assert.equal(await count({ filter: null, diversity: null }), 4);
    assert.equal(await count({ groupBy: null }), 10);
  });

  it('a passed deadline as an error with status 504, and a partial answer with its coverage', async (t) => {
    const clock = () => performance.timeOrigin + performance.now();
    const { ask } = await start(t, {
      engine: newEngine({ clock, beforeAnswer: () => new Promise((r) => setTimeout(r, 5)) }),
    });
    const { body } = await ask(RELATED, { request: { pins: [{ id: 'p1' }], deadlineMs: 0.001 } });
    assert.deepEqual(body.errors[0].extensions, { code: 'deadline_exceeded', status: 504 });
  });

  it('nothing of an internal fault', async (t) => {
    const engine = { ...newEngine(), search: () => Promise.reject(new Error('secret of the house')) };
    const { ask } = await start(t, { engine });
    const { body } = await ask(RELATED, { request: { pins: [{ id: 'p1' }] } });
    assert.deepEqual(body.errors[0].extensions, { code: 'internal', status: 500 });
    assert.ok(!JSON.stringify(body).includes('secret'));
  });

  it('nodes by the ids that it gave', async (t) => {
    const { ask } = await start(t);
    const { body } = await ask('{ index(name: "demo") { id } pin(index: "demo", id: "p5") { id } }');
    const ids = [body.data.index.id, body.data.pin.id];
    const again = await ask(
      `query ($ids: [ID!]!, $gone: ID!) {
        nodes(ids: $ids) { id __typename ... on Pin { pinId payload } ... on Index { count } }
        node(id: $gone) { id }
      }`,
      { ids, gone: Buffer.from('Pin:demo:gone').toString('base64url') },
    );
    assert.deepEqual(again.body, {
      data: {
        nodes: [
          { id: ids[0], __typename: 'Index', count: 60 },
          { id: ids[1], __typename: 'Pin', pinId: 'p5', payload: PINS[5]!.payload },
        ],
        node: null,
      },
    });
    for (const id of [
      '',
      'p5',
      Buffer.from('Pin:demo').toString('base64url'),
      Buffer.from('User:1').toString('base64url'),
    ])
      assert.deepEqual(
        codesOf(await ask('query ($id: ID!) { node(id: $id) { id } }', { id })),
        ['bad_request'],
        id,
      );
  });

  it('exposures of experiments as REST, with the field in the request id', async (t) => {
    const records: LogRecord[] = [];
    const exposures = new ExposureLog(async (written) => {
      records.push(...written);
    });
    const mixer = {
      experiments: {
        layers: [
          {
            name: 'same',
            salt: 's',
            experiments: [{ name: 'aa', surface: 'related', to: 10_000, arms: [{ name: 'a' }] }],
          },
        ],
      },
    };
    const { url, ask } = await start(t, { mixer, exposures });
    const request = { pins: [{ id: 'p1' }], k: 2, unit: 'u1' };
    const { body } = await ask(
      `query ($request: RelatedRequest!) { more: related(index: "demo", request: $request) { ${HITS} experiments { experiment arm forced } } }`,
      { request },
    );
    await postJson(`${url}/v1/indexes/demo/related`, { pins: ['p1'], k: 2, unit: 'u1' });
    await exposures.flush();
    assert.deepEqual(body.data.more.experiments, [{ experiment: 'aa', arm: 'a', forced: null }]);
    const [graphql, rest] = records as ExposureRecord[];
    assert.match(graphql!.requestId, /\/more$/);
    const { requestId: _, at: __, tookMs: ___, ...logged } = graphql!;
    const { requestId: ____, at: _____, tookMs: ______, ...asRest } = rest!;
    assert.deepEqual(logged, asRest);
  });

  it('all fields of a request from one generation', async (t) => {
    let generation = 0;
    let held = 0;
    const engine = newEngine();
    const index = (): OpenIndex => ({
      name: 'demo',
      model: null,
      engine: {
        ...engine,
        search: async (query) => {
          const answer = await engine.search(query);
          generation++;
          return { ...answer, generation: String(generation) };
        },
      },
    });
    const { app, url } = await serve({
      graphql: { introspection: false },
      catalog: catalogOf([
        {
          name: 'demo',
          status: 'ready',
          index: {
            name: 'demo',
            current: index,
            use: async (run) => {
              held++;
              try {
                return await run(index());
              } finally {
                held--;
                assert.ok(generation >= 3, 'it was let go of before all had been asked');
              }
            },
          },
        },
      ]),
    });
    t.after(() => app.close());
    const { body } = await postJson(`${url}/graphql`, {
      query: `{ a: related(index: "demo", request: {pins: [{id: "p1"}], k: 2}) { edges { node { related { ${HITS} } } } } }`,
    });
    assert.equal(body.errors, undefined);
    assert.ok(generation >= 3);
    assert.equal(held, 0);
  });
});

describe('GraphQL reads pins together', () => {
  it('in one call for all pins of a level', async (t) => {
    const { engine, reads } = noting(newEngine());
    const { ask } = await start(t, { engine });
    const { body } = await ask(`{
      a: pin(index: "demo", id: "p1") { payload } b: pin(index: "demo", id: "p2") { payload }
      c: pins(index: "demo", ids: ["p2", "p3"]) { payload }
    }`);
    assert.equal(body.errors, undefined);
    assert.deepEqual(reads, [['p1', 'p2', 'p3']]);
  });

  it('as seeds of all questions, and as seeds of all neighbours', async (t) => {
    const { engine, reads } = noting(newEngine());
    const { ask } = await start(t, { engine });
    const one = await ask(`{
      a: related(index: "demo", request: {pins: [{id: "p1"}], k: 3}) { ${HITS} }
      b: related(index: "demo", request: {pins: [{id: "p2"}, {id: "p1"}], k: 3}) { ${HITS} }
    }`);
    assert.equal(one.body.errors, undefined);
    assert.deepEqual(reads, [['p1', 'p2']]);
    reads.length = 0;
    const two = await ask(
      `{ pins(index: "demo", ids: ["p1", "p2", "p3"]) { related(request: {k: 2}) { ${HITS} } } }`,
    );
    assert.equal(two.body.errors, undefined);
    assert.deepEqual(reads, [
      ['p1', 'p2', 'p3'],
      ['p1', 'p2', 'p3'],
    ]);
  });

  it('with their hits, once, and only where a part is selected', async (t) => {
    const { engine, reads } = noting(newEngine());
    const { ask } = await start(t, { engine });
    const query = (below: string) =>
      ask(
        `query ($v: Vector!, $yes: Boolean = true, $no: Boolean = false) {
          query(index: "demo", request: {vector: $v, k: 3}) {
            edges { node { pinId a: seq @skip(if: $yes) b: seq @include(if: $no) ${below} } }
          }
        } ${below.includes('...Parts') ? 'fragment Parts on Pin { payload again: payload attributes }' : ''}`,
        { v: VECTOR },
      );
    for (const below of ['', '... @include(if: $no) { payload }', '...Parts @skip(if: $yes)']) {
      const { body } = await query(below);
      assert.equal(body.errors, undefined);
      assert.deepEqual(reads, []);
    }
    const { body } = await query('...Parts ... on Pin { attributes }');
    assert.equal(reads.length, 1);
    assert.deepEqual(body.data.query.edges[0].node.payload, PINS[0]!.payload);
    reads.length = 0;
    await query('seq');
    assert.equal(reads.length, 1);
  });

  it('with texts of all questions embedded in one call', async (t) => {
    const calls: number[] = [];
    const engine = newEngine();
    const { app, url } = await serve({
      graphql: { introspection: false },
      catalog: catalogOf([
        {
          name: 'demo',
          status: 'ready',
          index: {
            name: 'demo',
            current: () => index,
            use: (run) => run(index),
          },
        },
      ]),
    });
    const index: OpenIndex = {
      name: 'demo',
      model: MODEL,
      engine,
      embed: async (texts) => {
        calls.push(texts.length);
        return texts.map(() => Float32Array.from(VECTOR));
      },
    };
    t.after(() => app.close());
    const { body } = await postJson(`${url}/graphql`, {
      query: `{ a: search(index: "demo", request: {text: "red"}) { ${HITS} } b: search(index: "demo", request: {text: "old"}) { ${HITS} } }`,
    });
    assert.equal(body.errors, undefined);
    assert.deepEqual(calls, [2]);
  });
});

describe('GraphQL over HTTP', () => {
  it('takes JSON by POST and nothing else', async (t) => {
    const { url } = await start(t);
    const at = `${url}/graphql`;
    const get = await exchange(`${at}?query={indexes{name}}`);
    assert.deepEqual([get.status, get.body.code], [405, 'method_not_allowed']);
    for (const type of [
      'application/graphql',
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/msgpack',
    ]) {
      const answer = await exchange(at, {
        method: 'POST',
        headers: { 'content-type': type },
        body: '{ indexes { name } }',
      });
      assert.deepEqual([answer.status, answer.body.code], [415, 'unsupported_media_type'], type);
    }
    for (const body of [
      '[{"query": "{ indexes { name } }"}]',
      '"x"',
      'null',
      '{"query": 1}',
      '{"query": "{ indexes { name } }", "more": 1}',
    ]) {
      const answer = await postJson(at, body);
      assert.deepEqual([answer.status, answer.body.code], [400, 'bad_request'], body);
    }
    assert.equal((await postJson(at, '{"query": ')).body.code, 'bad_json');
    assert.equal((await postJson(at, '{"query": "a", "query": "b"}')).body.code, 'bad_json');
    assert.equal(
      (await postJson(at, { query: '{ indexes { name } }' }, { accept: 'text/html' })).status,
      406,
    );
  });

  it('answers under the name of the media type that is asked for', async (t) => {
    const { url } = await start(t);
    const accept = 'application/graphql-response+json, application/json;q=0.9';
    const { type, body } = await postJson(`${url}/graphql`, { query: '{ indexes { name } }' }, { accept });
    assert.equal(type, 'application/graphql-response+json; charset=utf-8');
    assert.equal(body.data.indexes.length, 2);
  });

  it('names the operation of several, and says when there is none of that name', async (t) => {
    const { ask } = await start(t);
    const query = 'query A { indexes { name } } query B { index(name: "demo") { name } }';
    const { body } = await ask(query, {}, { operationName: 'B' });
    assert.deepEqual(body, { data: { index: { name: 'demo' } } });
    for (const operationName of [undefined, null, 'C']) {
      const answer = await ask(query, {}, { operationName });
      assert.equal(answer.status, 400);
      assert.deepEqual(codesOf(answer), ['bad_request']);
    }
  });

  it('is not there unless it is asked for', async (t) => {
    const { app, url } = await serve({ catalog: catalogOf([]) });
    t.after(() => app.close());
    assert.equal((await postJson(`${url}/graphql`, { query: '{ __typename }' })).body.code, 'unknown_route');
  });

  it('refuses an index that failed to load with why', async (t) => {
    const { app, url } = await serve({
      graphql: { introspection: true },
      catalog: catalogOf([
        { name: 'bad', status: 'failed', error: errorAt('corrupt_file', 'shard', 'is damaged') },
      ]),
    });
    t.after(() => app.close());
    const answer = await postJson(`${url}/graphql`, {
      query: '{ index(name: "bad") { name } indexes { status problem { code } } }',
    });
    assert.deepEqual(codesOf(answer), ['corrupt_file']);
    assert.deepEqual(answer.body.data.indexes, [{ status: 'failed', problem: { code: 'corrupt_file' } }]);
  });
});

describe('GraphQL with keys', () => {
  const QUESTIONS = `query ($index: String!, $node: ID!, $of: ID!) {
    indexes { name }
    index(name: $index) { name }
    pin(index: $index, id: "p1") { pinId }
    related(index: $index, request: {pins: [{id: "p1"}], k: 1}) { ef }
    node(id: $node) { id }
    again: node(id: $of) { id }
  }`;
  const idOf = (text: string) => Buffer.from(text).toString('base64url');

  it('answers what the key may use, by its names and aliases, and refuses the rest whether it is there or not', async (t) => {
    const keys = new TestKeys();
    const reader = keys.add('one', ['read'], ['a']);
    const both = catalogOf(['a', 'b'].map((name) => ready({ name, engine: newEngine(), model: null })));
    const { app, url } = await serve({
      catalog: { list: both.list, get: (name) => both.get(name === 'live' ? 'a' : name) },
      auth: keys.auth,
      graphql: { introspection: false },
    });
    t.after(() => app.close());
    const ask = (index: string, headers: Record<string, string>) =>
      postJson(
        `${url}/graphql`,
        {
          query: QUESTIONS,
          variables: { index, node: idOf(`Pin:${index}:p1`), of: idOf(`Index:${index}`) },
        },
        headers,
      );
    for (const name of ['a', 'live']) {
      const { body } = await ask(name, reader);
      assert.equal(body.errors, undefined);
      assert.deepEqual(body.data.indexes, [{ name: 'a' }]);
      assert.equal(body.data.pin.pinId, 'p1');
    }
    for (const name of ['b', 'none']) {
      const answer = await ask(name, reader);
      assert.equal(answer.status, 200);
      assert.deepEqual(codesOf(answer), Array(5).fill('forbidden'), name);
      assert.deepEqual(answer.body.data.indexes, [{ name: 'a' }]);
    }
    const nobody = await ask('a', {});
    assert.deepEqual([nobody.status, nobody.body.code], [401, 'unauthorized']);
    const writer = await ask('a', keys.add('two', ['write']));
    assert.deepEqual([writer.status, writer.body.code], [403, 'forbidden']);
  });
});

describe('GraphQL under load', () => {
  it('is refused at the gate of searches, and held to rates', async (t) => {
    const { url } = await start(t, { ratePerSecond: 1 });
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => postJson(`${url}/graphql`, { query: '{ __typename }' })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && refused.length < 30);
    assert.equal(refused[0]!.body.code, 'rate_limited');
  });
});
