/** The OpenAPI document: complete, self-consistent, and no more nor less than the routes and the error table. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Static } from 'typebox';
import { ERRORS } from '../../src/lib/errors.ts';
import type {
  BatchItem,
  QueryRequest,
  RecallAnswer,
  RecallRequest,
  RelatedRequest,
  SearchRequest,
} from '../../src/retrieval/contract.ts';
import type { SCHEMAS } from '../../src/server/schemas.ts';
import { catalogOf, type Exchange, exchange, serve } from '../support/http.ts';

type Json = Exchange['body'];

const API_TYPES = ['application/json', 'application/msgpack'];
const PROBLEM_TYPES = ['application/problem+json', 'application/msgpack'];

describe('/openapi.json', () => {
  let server: Awaited<ReturnType<typeof serve>>;
  let document: Json;
  const routes: { method: string; url: string; hidden: boolean }[] = [];

  before(async () => {
    const { createServer } = await import('../../src/server/server.ts');
    // A second instance, only to hear of its routes.
    const app = createServer({ catalog: catalogOf([]), clock: () => 0 });
    app.addHook('onRoute', ({ method, url, schema }) => {
      for (const one of [method].flat()) routes.push({ method: one, url, hidden: schema?.hide === true });
    });
    await app.ready();
    await app.close();
    server = await serve({ catalog: catalogOf([]) });
    document = (await exchange(`${server.url}/openapi.json`)).body;
  });
  after(() => server.app.close());

  const operations = () =>
    Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, operation]) => ({ path, method, operation })),
    );

  it('is OpenAPI 3.1 with a title, a version and a licence', () => {
    assert.equal(document.openapi, '3.1.0');
    for (const field of ['title', 'version', 'license']) assert.ok(document.info[field], field);
  });

  it('has every route of the API, and no other', () => {
    const documented = operations().map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    const registered = routes
      .filter(({ hidden, method }) => !hidden && method !== 'HEAD')
      .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
    assert.ok(registered.length >= 10);
    assert.deepEqual(documented.filter((one) => !one.startsWith('HEAD')).sort(), registered.sort());
    for (const path of ['query', 'related', 'search', 'batch', 'recall', 'pins/{id}'])
      assert.ok(`/v1/indexes/{index}/${path}` in document.paths, path);
  });

  it('shows both media types for bodies and answers, and problems for refusals, on every route', () => {
    for (const { path, method, operation } of operations()) {
      const at = `${method} ${path}`;
      assert.ok(operation.summary, at);
      if (method === 'post') assert.deepEqual(Object.keys(operation.requestBody.content), API_TYPES, at);
      assert.deepEqual(Object.keys(operation.responses['200'].content), API_TYPES, at);
      for (const status of ['4XX', '5XX']) {
        const { content } = operation.responses[status];
        assert.deepEqual(Object.keys(content), PROBLEM_TYPES, at);
        for (const { schema } of Object.values<Json>(content)) assert.match(schema.$ref, /\/Problem$/);
      }
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const parameters = (operation.parameters ?? []).filter((parameter: Json) => parameter.in === 'path');
      assert.deepEqual(
        parameters.map((parameter: Json) => parameter.name),
        named,
        at,
      );
    }
  });

  it('refers only to schemas that are there', () => {
    const references = JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g);
    let count = 0;
    for (const [, reference] of references) {
      count++;
      const name = /^#\/components\/schemas\/(\w+)$/.exec(reference!)?.[1];
      assert.ok(name !== undefined && name in document.components.schemas, reference);
    }
    assert.ok(count > 50);
  });

  it('lists every error code in the schema of problems', () => {
    assert.deepEqual(
      document.components.schemas.Problem.properties.code.enum.sort(),
      Object.keys(ERRORS).sort(),
    );
  });

  it('refuses unknown fields in every request', () => {
    for (const name of [
      'QueryRequest',
      'RelatedRequest',
      'SearchRequest',
      'BatchRequest',
      'RecallRequest',
      'QueryItem',
    ])
      assert.equal(document.components.schemas[name].additionalProperties, false, name);
  });
});

describe('schemas and contract', () => {
  // Checked by the compiler: each line fails to compile when schema and type drift apart.
  type Fields<Schema, Contract> = [
    Exclude<keyof Schema, keyof Contract>,
    Exclude<keyof Contract, keyof Schema>,
  ];
  type Same<Schema, Contract> =
    Fields<Schema, Contract> extends [never, never] ? true : Fields<Schema, Contract>;
  const same: readonly true[] = [
    true satisfies Same<Static<typeof SCHEMAS.QueryRequest>, QueryRequest>,
    true satisfies Same<Static<typeof SCHEMAS.RelatedRequest>, RelatedRequest>,
    true satisfies Same<Static<typeof SCHEMAS.SearchRequest>, SearchRequest>,
    true satisfies Same<Static<typeof SCHEMAS.RecallRequest>, RecallRequest>,
    true satisfies Same<Static<typeof SCHEMAS.RecallAnswer>, RecallAnswer>,
    true satisfies Same<Static<typeof SCHEMAS.QueryItem>, Extract<BatchItem, { op: 'query' }>>,
  ];

  it('name the same fields', () => assert.ok(same.every(Boolean)));
});
