/** The OpenAPI document: complete, self-consistent, and no more nor less than the routes and the error table. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Static } from 'typebox';
import { ERRORS, type ErrorCode } from '../../src/lib/errors.ts';
import type {
  BatchItem,
  QueryRequest,
  RecallAnswer,
  RecallRequest,
  RelatedRequest,
  SearchRequest,
} from '../../src/retrieval/contract.ts';
import { STORY } from '../../src/server/docs/examples.ts';
import type { SCHEMAS } from '../../src/server/schemas.ts';
import { catalogOf, type Exchange, exchange, serve } from '../support/http.ts';

type Json = Exchange['body'];

const API_TYPES = ['application/json', 'application/msgpack'];
const PROBLEM_TYPES = ['application/problem+json', 'application/msgpack'];

describe('/openapi.json', () => {
  let server: Awaited<ReturnType<typeof serve>>;
  let document: Json;
  const routes: { method: string; url: string; hidden: boolean; isDocumented: boolean }[] = [];

  before(async () => {
    const { createServer } = await import('../../src/server/server.ts');
    // A second instance, only to hear of its routes.
    const app = createServer({ catalog: catalogOf([]), clock: () => 0 });
    app.addHook('onRoute', ({ method, url, schema }) => {
      const route = { url, hidden: schema?.hide === true, isDocumented: schema?.operation !== undefined };
      for (const one of [method].flat()) routes.push({ method: one, ...route });
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
    assert.ok(registered.length >= 20);
    assert.deepEqual(documented.sort(), registered.sort());
    for (const { hidden, isDocumented, url } of routes) assert.ok(hidden !== isDocumented, url);
  });

  it('shows both media types for bodies and answers, and every refusal by its status, on every route', () => {
    const ids = new Set<string>();
    for (const { path, method, operation } of operations()) {
      const at = `${method} ${path}`;
      assert.ok(operation.summary, at);
      assert.ok(!ids.has(operation.operationId), at);
      ids.add(operation.operationId);
      if (method === 'post') assert.deepEqual(Object.keys(operation.requestBody.content), API_TYPES, at);
      assert.deepEqual(Object.keys(operation.responses['200'].content), API_TYPES, at);
      const codes: string[] = [];
      for (const [status, { $ref }] of Object.entries<Json>(operation.responses)) {
        if (status === '200') continue;
        const { content } = document.components.responses[$ref.split('/').at(-1)];
        assert.deepEqual(Object.keys(content), PROBLEM_TYPES, at);
        for (const { schema } of Object.values<Json>(content)) {
          assert.match(schema.$ref, /\/Problem$/);
          assert.equal(schema.properties.status.const, Number(status));
        }
        const { code } = content[PROBLEM_TYPES[0]!].schema.properties;
        for (const each of code.enum) assert.equal(ERRORS[each as ErrorCode].status, Number(status), each);
        codes.push(...code.enum);
      }
      assert.deepEqual(codes.sort(), [...operation['x-error-codes']].sort(), at);
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const parameters = operation.parameters.filter((parameter: Json) => parameter.in === 'path');
      assert.deepEqual(
        parameters.map((parameter: Json) => parameter.name),
        named,
        at,
      );
    }
  });

  it('has an example of every operation, and of every body', () => {
    for (const { path, method, operation } of operations()) {
      const { examples } = operation.responses['200'].content['application/json'];
      assert.ok(Object.keys(examples ?? {}).length > 0, `${method} ${path}`);
      if (operation.requestBody !== undefined)
        assert.ok(operation.requestBody.content['application/json'].examples, `${method} ${path}`);
    }
    for (const { operation } of STORY)
      assert.ok(
        operations().some((each) => each.operation.operationId === operation),
        operation,
      );
  });

  it('refers only to what is there', () => {
    const references = JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g);
    let count = 0;
    for (const [, reference] of references) {
      count++;
      const [, kind = '', name = ''] = /^#\/components\/(\w+)\/([\w-]+)$/.exec(reference!) ?? [];
      assert.ok(name in (document.components[kind] ?? {}), reference);
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
