/** What a server is told of GraphQL: by settings, and refused before it starts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkSettings } from '../../src/cli/check-settings.ts';
import { readGraphql } from '../../src/cli/graphql.ts';
import { SETTINGS, type Settings } from '../../src/cli/settings.ts';

describe('GraphQL settings', () => {
  let folder: string;
  let settings: Settings;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'nearpin-graphql-settings-'));
    const defaults = Object.entries(SETTINGS as Readonly<Record<string, { default?: unknown }>>).flatMap(
      ([name, { default: byDefault }]) => (byDefault === undefined ? [] : [[name, byDefault]]),
    );
    settings = { ...Object.fromEntries(defaults), indexes: folder };
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const list = (operations: unknown): string => {
    const file = join(folder, 'operations.json');
    writeFileSync(file, JSON.stringify(operations));
    return file;
  };

  it('let the schema be asked for on loopback, or where that is said', async () => {
    for (const [more, introspection] of [
      [{}, true],
      [{ host: '0.0.0.0', keysFile: 'keys.json' }, false],
      [{ host: '0.0.0.0', graphqlIntrospection: true }, true],
      [{ graphqlIntrospection: false }, false],
      [{ keysFile: 'keys.json' }, false],
    ] as const)
      assert.equal((await readGraphql({ ...settings, ...more } as Settings)).introspection, introspection);
  });

  it('name a list of operations that is checked against the schema', async () => {
    const operations = { names: '{ indexes { name } }' };
    const good = { ...settings, graphqlOperations: list(operations), graphqlOperationsOnly: true };
    await checkSettings(good);
    assert.deepEqual(await readGraphql(good), { introspection: true, operations, operationsOnly: true });
    const bad = { ...settings, graphqlOperations: list({ names: '{ indexes { nome } }' }) };
    await assert.rejects(checkSettings(bad), (error: { code: string; message: string }) => {
      assert.equal(error.code, 'bad_config');
      assert.match(error.message, /graphqlOperations\.names: .*nome/);
      return true;
    });
    const written = { vector: 'query { query(index: "a", request: {vector: [1]}) { ef } }' };
    await assert.rejects(checkSettings({ ...settings, graphqlOperations: list(written) }), {
      code: 'bad_config',
    });
    await assert.rejects(readGraphql({ ...settings, graphqlOperations: join(folder, 'none') }), {
      code: 'io_error',
    });
    await assert.rejects(readGraphql({ ...settings, graphqlOperationsOnly: true }), { code: 'bad_config' });
  });
});
