/** Pages of hits: the list cut up where nothing changes, and no hit twice whatever changes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RetrievalAnswer } from '../../../src/retrieval/contract.ts';
import { openPage, pageOf } from '../../../src/server/graphql/connection.ts';
import { codesOf, newEngine, start } from '../../support/graphql.ts';

const answerOf = (ids: readonly string[], generation = 'g1'): RetrievalAnswer => ({
  hits: ids.map((id, i) => ({ id, score: 1 - i / 10_000 })),
  tookMs: 1,
  ef: 10,
  generation,
  model: null,
  coverage: { shards: 1, answered: 1 },
  exhausted: false,
});

describe('pages', () => {
  it('of a list that stays are the list', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        (ids, first) => {
          const shown: string[] = [];
          let after: string | null = null;
          for (let turn = 0; turn <= ids.length; turn++) {
            const page = pageOf(answerOf(ids), openPage({ first, after }, ['a']));
            assert.equal(page.generationChanged, false);
            assert.equal(page.pageInfo.hasPreviousPage, turn > 0);
            shown.push(...page.hits.map(({ hit }) => hit.id));
            if (!page.pageInfo.hasNextPage) break;
            after = page.pageInfo.endCursor();
          }
          assert.deepEqual(shown, ids);
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });

  it('of a list that changes hold nothing twice and leave out nothing of now, from the cursor of any hit', () => {
    const list = fc.uniqueArray(fc.integer({ min: 0, max: 60 }).map(String), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(list, { minLength: 2, maxLength: 8 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(),
        (lists, first, pick) => {
          const shown: string[] = [];
          let after: string | null = null;
          for (const [i, ids] of lists.entries()) {
            const { hits, generationChanged } = pageOf(
              answerOf(ids, `g${i >> 1}`),
              openPage({ first, after }, ['a']),
            );
            assert.equal(generationChanged, i > 0 && i % 2 === 0);
            const wanted = ids.filter((id) => !shown.includes(id)).slice(0, first);
            assert.deepEqual(
              hits.map(({ hit }) => hit.id),
              wanted,
            );
            const upTo = hits.slice(0, 1 + (pick % Math.max(1, hits.length)));
            if (upTo.length === 0) break;
            shown.push(...upTo.map(({ hit }) => hit.id));
            after = upTo.at(-1)!.cursor();
          }
          assert.equal(new Set(shown).size, shown.length);
        },
      ),
      { seed: 12, numRuns: 300 },
    );
  });

  it('end after as many hits as a request may have', () => {
    const list = (from: number) => answerOf(Array.from({ length: 1000 }, (_, i) => `p${from + i}`));
    const page = pageOf(list(0), openPage({ first: 600 }, ['a']));
    const next = pageOf(list(600), openPage({ first: 600, after: page.pageInfo.endCursor() }, ['a']));
    assert.equal(next.hits.length, 400);
    assert.equal(next.pageInfo.hasNextPage, false);
    const none = pageOf(list(2000), openPage({ after: next.pageInfo.endCursor() }, ['a']));
    assert.deepEqual(
      [none.hits.length, none.pageInfo.endCursor(), none.pageInfo.hasNextPage],
      [0, null, false],
    );
  });

  it('do not depend on the order of names in a request, and do on everything else', () => {
    const cursor = pageOf(
      answerOf(['a', 'b']),
      openPage({ first: 1 }, [{ a: 1, b: { c: 2, d: [1] } }]),
    ).pageInfo.endCursor();
    openPage({ after: cursor }, [{ b: { d: [1], c: 2 }, a: 1 }]);
    for (const other of [[{ a: 1, b: { c: 2, d: [2] } }], [{ a: 1 }], []])
      assert.throws(() => openPage({ after: cursor }, other), { code: 'bad_request' });
  });

  const RELATED = `query ($request: RelatedRequest!, $first: Int, $after: String) {
    related(index: "demo", request: $request, first: $first, after: $after) {
      edges { cursor score node { pinId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } generationChanged
    } }`;

  it('over HTTP: all of k, page after page, with a deadline that changes', async (t) => {
    const { ask } = await start(t);
    const request = { pins: [{ id: 'p1' }], k: 25 };
    const whole = (await ask(RELATED, { request })).body.data.related;
    assert.equal(whole.edges.length, 25);
    assert.equal(whole.pageInfo.hasNextPage, false);
    const edges: { node: object; score: number }[] = [];
    let after = null;
    for (const count of [10, 10, 5]) {
      const { body } = await ask(RELATED, {
        request: { ...request, deadlineMs: 1000 + edges.length },
        first: 10,
        after,
      });
      const page: typeof whole = body.data.related;
      assert.equal(page.edges.length, count);
      assert.equal(page.pageInfo.startCursor, page.edges[0].cursor);
      assert.equal(page.pageInfo.endCursor, page.edges.at(-1).cursor);
      assert.equal(page.pageInfo.hasNextPage, count === 10);
      edges.push(...page.edges);
      after = page.pageInfo.endCursor;
    }
    const plain = (list: typeof edges) => list.map(({ node, score }) => ({ node, score }));
    assert.deepEqual(plain(edges), plain(whole.edges));
  });

  it('over HTTP: go on in another generation, which is told', async (t) => {
    const engine = newEngine();
    let generation = 'gen-1';
    const { ask } = await start(t, {
      engine: { ...engine, search: async (query) => ({ ...(await engine.search(query)), generation }) },
    });
    const request = { pins: [{ id: 'p1' }], k: 6 };
    const one = (await ask(RELATED, { request, first: 3 })).body.data.related;
    generation = 'gen-2';
    const two = (await ask(RELATED, { request, first: 3, after: one.pageInfo.endCursor })).body.data.related;
    assert.deepEqual([one.generationChanged, two.generationChanged], [false, true]);
    const ids = [...one.edges, ...two.edges].map(({ node }) => node.pinId);
    assert.equal(new Set(ids).size, 6);
  });

  it('over HTTP: refuse cursors that are none, or of another request, and pages out of bounds', async (t) => {
    const { ask } = await start(t);
    const request = { pins: [{ id: 'p1' }], k: 6 };
    const { endCursor } = (await ask(RELATED, { request, first: 3 })).body.data.related.pageInfo;
    const cases: [object, string, string][] = [
      [{ request: { ...request, k: 7 }, after: endCursor }, 'bad_request', 'after'],
      [{ request: { ...request, pins: [{ id: 'p2' }] }, after: endCursor }, 'bad_request', 'after'],
      [{ request, after: 'AAAA' }, 'bad_request', 'after'],
      [{ request, after: '' }, 'bad_request', 'after'],
      [{ request, after: endCursor.slice(0, -3) }, 'bad_request', 'after'],
      [{ request, first: 0 }, 'bad_request', 'first'],
      [{ request, first: -1 }, 'bad_request', 'first'],
      [{ request, first: 1001 }, 'limit_exceeded', 'first'],
    ];
    for (const [variables, code, path] of cases) {
      const answer = await ask(RELATED, variables);
      assert.deepEqual(codesOf(answer), [code], JSON.stringify(variables));
      assert.equal(answer.body.errors[0].extensions.errors[0].path, path);
    }
  });
});
