/** What GraphQL refuses: before it parses, before it validates, before it runs; and operations that are not on the list. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { LIMITS } from '../../../src/lib/limits.ts';
import { createServer } from '../../../src/server/server.ts';
import { codesOf, newEngine, noting, PINS, start } from '../../support/graphql.ts';
import { catalogOf } from '../../support/http.ts';

const HITS = 'edges { node { pinId } }';
const seed = 'index: "demo", request: {pins: [{id: "p1"}]}';
const repeat = (text: (i: number) => string, times: number) =>
  Array.from({ length: times }, (_, i) => text(i)).join(' ');

describe('a document is refused before it costs anything', () => {
  const bombs: Readonly<Record<string, string>> = {
    'over its bytes': `{ indexes { name } } #${'x'.repeat(LIMITS.graphqlDocumentBytesMax)}`,
    'over its tokens': `{ ${'a '.repeat(LIMITS.graphqlTokensMax)} }`,
    'over its fields, all of one name': `{ indexes { ${'name '.repeat(LIMITS.graphqlFieldsMax)} } }`,
    'of aliases': `{ indexes { ${repeat((i) => `a${i}: name`, LIMITS.graphqlFieldsMax)} } }`,
    'of directives': `{ indexes { name ${'@a '.repeat(LIMITS.graphqlDirectivesMax + 1)} } }`,
    'nested without end': `${'{a'.repeat(LIMITS.graphqlNestingMax + 1)}${'}'.repeat(LIMITS.graphqlNestingMax + 1)}`,
    'of lists in lists': `{ related(index: "demo", request: {pins: [], filter: ${'['.repeat(1900)}${']'.repeat(1900)}}) { ef } }`,
    'of types in types': `query ($a: ${'['.repeat(1900)}Int${']'.repeat(1900)}) { indexes { name } }`,
    'too deep': `{ related(${seed}) { ${repeat(() => 'edges { node { related {', 4)} ef ${'} } }'.repeat(4)} } }`,
    'of too many questions': `{ ${repeat((i) => `a${i}: index(name: "demo") { name }`, LIMITS.graphqlRootFieldsMax + 1)} }`,
    'that costs too much by its hits': `{ related(index: "demo", request: {pins: [{id: "p1"}], k: 1000}) { edges { node { ${repeat((i) => `a${i}: payload`, 5)} } } } }`,
    'that costs too much by questions of hits': `{ related(index: "demo", request: {pins: [{id: "p1"}], k: 1000}) { edges { node { related(request: {k: 50}) { ef } } } } }`,
    'that costs too much by its fragments': `{ related(index: "demo", request: {pins: [{id: "p1"}], k: 100}) { ...A ...B } }
       fragment A on HitConnection { edges { node { a: related { ...C } b: related { ...C } } } }
       fragment B on HitConnection { edges { node { c: related { ...C } d: related { ...C } } } }
       fragment C on HitConnection { edges { node { pinId payload attributes } } }`,
  };
  for (const [name, document] of Object.entries(bombs))
    it(name, async (t) => {
      const { engine, reads } = noting(newEngine());
      const { ask } = await start(t, { engine });
      for (let again = 0; again < 2; again++) {
        const answer = await ask(document);
        assert.equal(answer.status, 400);
        assert.deepEqual(codesOf(answer), ['limit_exceeded']);
        assert.equal(answer.body.data, undefined);
      }
      assert.deepEqual(reads, []);
    });

  const wrong: Readonly<Record<string, string>> = {
    'that is empty': '',
    'that holds nothing': '# nothing',
    'that does not parse': '{ indexes { name }',
    'that is an already parsed document': JSON.stringify({ kind: 'Document', definitions: [] }),
    'that is a number': '1',
    'with a fragment that spreads itself': '{ indexes { ...A } } fragment A on Index { name ...A }',
    'with fragments that spread each other':
      '{ indexes { ...A } } fragment A on Index { ...B } fragment B on Index { ...A }',
    'with fragments only': 'fragment A on Index { name }',
    'with a mutation': 'mutation { upsert }',
    'with a subscription': 'subscription { pins }',
    'with a type': 'type Pin { id: ID! } query { indexes { name } }',
    'with an unknown field': '{ indexes { nome } }',
    'with an unknown argument': '{ indexes(first: 3) { name } }',
    'with a vector written into it':
      '{ query(index: "demo", request: {vector: [1, 0, 0, 0, 0, 0, 0, 0]}) { ef } }',
    'with a vector as a default':
      'query ($v: Vector = "AAAA") { query(index: "demo", request: {vector: $v}) { ef } }',
    'with a key that reaches a prototype':
      '{ related(index: "demo", request: {pins: [], filter: {__proto__: 1}}) { ef } }',
    'with a variable that it does not declare': '{ index(name: $name) { name } }',
  };
  for (const [name, document] of Object.entries(wrong))
    it(`one ${name}`, async (t) => {
      const { ask } = await start(t);
      for (let again = 0; again < 2; again++) {
        const answer = await ask(document);
        assert.equal(answer.status, 400);
        assert.ok(codesOf(answer).length > 0);
        assert.ok(
          codesOf(answer).every((code) => code === 'bad_request'),
          codesOf(answer).join(),
        );
        assert.equal(answer.body.data, undefined);
      }
    });

  it('but whatever one question of REST may ask is answered', async (t) => {
    const { ask } = await start(t);
    const answer = await ask(
      `query ($request: QueryRequest!) { query(index: "demo", request: $request) {
        edges { score source team explain { rank sourceScore boosts } node { pinId payload attributes vector } }
        tookMs ef generation model exhausted coverage { shards answered degraded }
        explain { plan ef selectivity matching mask distances hops } } }`,
      { request: { vector: PINS[0]!.vector, k: LIMITS.kMax, include: undefined } },
    );
    assert.equal(answer.body.errors, undefined);
    assert.equal(answer.body.data.query.edges.length, PINS.length);
  });

  it('and as many questions as a batch may have', async (t) => {
    const { ask } = await start(t);
    const { body } = await ask(
      `{ ${repeat((i) => `a${i}: related(${seed}) { ...H }`, 100)} } fragment H on HitConnection { ${HITS} }`,
    );
    assert.equal(body.errors, undefined);
    assert.equal(Object.keys(body.data).length, 100);
  });

  it('values out of bounds keep the code and the path that REST has', async (t) => {
    const { ask } = await start(t);
    const cases = [
      ['related', 'RelatedRequest', { pins: [{ id: 'p1' }], k: 1001 }, 'limit_exceeded', 'k'],
      ['related', 'RelatedRequest', { pins: [{ id: 'p1' }], k: -5 }, 'bad_request', 'k'],
      ['related', 'RelatedRequest', { pins: [{ id: 'p1' }], ef: 5000 }, 'limit_exceeded', 'ef'],
      ['related', 'RelatedRequest', { pins: [] }, 'bad_request', 'pins'],
      ['related', 'RelatedRequest', { pins: Array(101).fill({ id: 'p1' }) }, 'limit_exceeded', 'pins'],
      ['related', 'RelatedRequest', { pins: [{ id: '' }] }, 'bad_pin_id', 'pins[0].id'],
      [
        'related',
        'RelatedRequest',
        { pins: [{ id: 'p1' }], filter: { colour: 1 } },
        'bad_filter',
        'filter.colour',
      ],
      ['search', 'SearchRequest', { text: 'x'.repeat(9000) }, 'limit_exceeded', 'text'],
      ['search', 'SearchRequest', {}, 'bad_request', 'text'],
      [
        'homefeed',
        'HomefeedRequest',
        { history: Array(1001).fill({ id: 'p1' }) },
        'limit_exceeded',
        'history',
      ],
      [
        'homefeed',
        'HomefeedRequest',
        { history: [], seen: [], seenBloom: { bits: '', hashes: 1 } },
        'bad_request',
        'seen',
      ],
      [
        'queries',
        'QueriesRequest',
        { vectors: Array(101).fill(PINS[0]!.vector) },
        'limit_exceeded',
        'vectors',
      ],
    ] as const;
    for (const [field, type, request, code, path] of cases) {
      const { body } = await ask(
        `query ($request: ${type}!) { ${field}(index: "demo", request: $request) { ef } }`,
        { request },
      );
      const [{ extensions }] = body.errors;
      assert.deepEqual(
        [extensions.code, extensions.errors[0].path],
        [code, path],
        JSON.stringify(request).slice(0, 80),
      );
    }
    const { body } = await ask('query ($ids: [ID!]!) { pins(index: "demo", ids: $ids) { pinId } }', {
      ids: Array(LIMITS.readPinsMax + 1).fill('p1'),
    });
    assert.deepEqual(body.errors[0].extensions.code, 'limit_exceeded');
  });

  it('the message does not repeat a value however long it is', async (t) => {
    const { ask } = await start(t);
    const { body } = await ask(
      'query ($k: Int) { related(index: "demo", request: {pins: [], k: $k}) { ef } }',
      { k: 'x'.repeat(100_000) },
    );
    assert.ok(JSON.stringify(body).length < 3000);
  });
});

describe('introspection that is off', () => {
  it('tells nothing of the schema, neither asked nor by suggestions', async (t) => {
    const { ask } = await start(t, { graphql: { introspection: false } });
    for (const query of [
      '{ __schema { types { name } } }',
      '{ __type(name: "Pin") { name } }',
      '{ indexs { name } }',
      '{ indexes { nome } }',
      '{ related(index: "demo", request: {pins: [], kk: 1}) { ef } }',
    ]) {
      const answer = await ask(query);
      assert.deepEqual([answer.status, ...new Set(codesOf(answer))], [400, 'bad_request'], query);
      assert.ok(!JSON.stringify(answer.body).includes('Did you mean'), query);
    }
    const { body } = await ask('query ($r: RelatedRequest!) { related(index: "demo", request: $r) { ef } }', {
      r: { pins: [], kk: 1 },
    });
    assert.ok(!JSON.stringify(body).includes('Did you mean'));
    assert.deepEqual((await ask('{ __typename }')).body, { data: { __typename: 'Query' } });
  });

  it('suggests where it is on', async (t) => {
    const { ask } = await start(t);
    const { body } = await ask('{ indexs { name } }');
    assert.match(body.errors[0].message, /Did you mean/);
  });
});

describe('operations on a list', () => {
  const document = 'query One { index(name: "demo") { name } }';
  const hash = createHash('sha256').update(document).digest('hex');
  const operations = { one: document };
  const data = { index: { name: 'demo' } };
  const post = (ask: Awaited<ReturnType<typeof start>>['ask'], more: object) =>
    ask(undefined as unknown as string, undefined, more);

  it('are asked by id, by hash and by their text', async (t) => {
    for (const operationsOnly of [false, true]) {
      const { ask } = await start(t, { graphql: { introspection: false, operations, operationsOnly } });
      const persistedQuery = { version: 1, sha256Hash: hash };
      for (const more of [
        { id: 'one' },
        { extensions: { persistedQuery } },
        { query: document },
        { query: document, extensions: { persistedQuery } },
      ])
        assert.deepEqual((await post(ask, more)).body, { data }, JSON.stringify(more));
    }
  });

  it('are all that is answered where that is said', async (t) => {
    const { ask } = await start(t, { graphql: { introspection: false, operations, operationsOnly: true } });
    for (const more of [{ query: '{ indexes { name } }' }, { query: `${document} ` }, { id: 'two' }]) {
      const answer = await post(ask, more);
      assert.deepEqual([answer.status, ...codesOf(answer)], [404, 'unknown_operation'], JSON.stringify(more));
    }
    const open = await start(t, { graphql: { introspection: false, operations } });
    assert.equal((await open.ask('{ indexes { name } }')).status, 200);
  });

  it('that are unknown are told so that clients send the document next; one with another hash is refused', async (t) => {
    const { ask } = await start(t);
    const persistedQuery = { version: 1, sha256Hash: hash };
    const answer = await post(ask, { extensions: { persistedQuery } });
    assert.deepEqual([answer.status, answer.body.errors[0].message], [404, 'PersistedQueryNotFound']);
    const wrong = await post(ask, { query: '{ indexes { name } }', extensions: { persistedQuery } });
    assert.deepEqual(codesOf(wrong), ['bad_request']);
    assert.deepEqual(codesOf(await post(ask, {})), ['bad_request']);
  });

  it('keep a server from starting when one of them is wrong', async () => {
    for (const operations of [
      { bad: '{ nothing }' },
      { bad: '{' },
      { bad: 1 },
      [document],
      'x',
      { bad: 'mutation { a }' },
    ]) {
      const app = createServer({
        catalog: catalogOf([]),
        clock: () => 0,
        graphql: { introspection: true, operations },
      });
      await assert.rejects(async () => app.ready(), { code: 'bad_config' }, JSON.stringify(operations));
    }
  });
});
