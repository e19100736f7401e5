/** The schema as documents and clients have it: printed, described, and with everything that REST takes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  buildClientSchema,
  getIntrospectionQuery,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  printSchema,
} from 'graphql';
import { createSchema } from '../../../src/server/graphql/schema.ts';
import { SCHEMAS } from '../../../src/server/schemas.ts';
import { start } from '../../support/graphql.ts';

const FILE = new URL('../../../../docs/schema.graphql', import.meta.url);
const MAKE =
  "node -e \"import('./dist/src/server/graphql/schema.js').then(async ({ createSchema }) => " +
  "console.log((await import('graphql')).printSchema(createSchema())))\" > docs/schema.graphql";

describe('the GraphQL schema', () => {
  it('is served as docs/schema.graphql has it', async (t) => {
    const { ask } = await start(t);
    const { body } = await ask(getIntrospectionQuery());
    assert.equal(body.errors, undefined);
    const served = `${printSchema(buildClientSchema(body.data))}\n`;
    assert.equal(readFileSync(FILE, 'utf8'), served, `make it anew: ${MAKE}`);
  });

  it('describes every type, field, argument and value', () => {
    let described = 0;
    const check = (what: string, description: string | null | undefined) => {
      assert.ok(description, `${what} is not described`);
      described++;
    };
    for (const type of Object.values(createSchema().getTypeMap())) {
      if (type.name.startsWith('__') || ['String', 'Int', 'Float', 'Boolean', 'ID'].includes(type.name))
        continue;
      check(type.name, type.description);
      if (isEnumType(type))
        for (const { name, description } of type.getValues()) check(`${type.name}.${name}`, description);
      if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
      for (const field of Object.values(type.getFields()))
        check(`${type.name}.${field.name}`, field.description);
    }
    assert.ok(described > 150, `${described} described`);
  });

  it('has no mutations', () => assert.equal(createSchema().getMutationType(), undefined));

  it('takes every field of a REST request, but those that follow from what is selected', () => {
    const schema = createSchema();
    const twins = {
      QueryRequest: ['QueryRequest', 'QueriesRequest'],
      RelatedRequest: ['RelatedRequest'],
      SearchRequest: ['SearchRequest'],
      HomefeedRequest: ['HomefeedRequest'],
      NotificationsRequest: ['NotificationsRequest'],
      UserToNotify: ['UserInput'],
    } as const;
    for (const [rest, inputs] of Object.entries(twins)) {
      const { properties } = SCHEMAS[rest as keyof typeof twins];
      const wanted = Object.keys(properties).filter((name) => !['include', 'explain'].includes(name));
      const fields = inputs.flatMap((input) => {
        const type = schema.getType(input);
        assert.ok(isInputObjectType(type));
        return Object.keys(type.getFields());
      });
      const own = new Set(fields.filter((name) => name !== 'seenBloom'));
      assert.deepEqual([...own].sort(), wanted.sort(), rest);
    }
  });
});
