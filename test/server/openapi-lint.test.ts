/** What a linter says of the OpenAPI document: nothing, with every recommended rule as an error. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { catalogOf, type Exchange, exchange, serve } from '../support/http.ts';

type Json = Exchange['body'];

it('passes the linter with every recommended rule as an error', async (t) => {
  const server = await serve({ catalog: catalogOf([]) });
  t.after(() => server.app.close());
  const document: Json = (await exchange(`${server.url}/openapi.json`)).body;
  const config = await createConfig({ extends: ['recommended-strict'] });
  const problems = await lintFromString({ source: JSON.stringify(document), config });
  assert.deepEqual(
    problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer]),
    [],
  );
  // It looks: the same document without its ids does not pass
  const broken = structuredClone(document);
  for (const methods of Object.values<Json>(broken.paths))
    for (const operation of Object.values<Json>(methods)) delete operation.operationId;
  const found = await lintFromString({ source: JSON.stringify(broken), config });
  assert.ok(found.some(({ ruleId }) => ruleId === 'operation-operationId'));
});
