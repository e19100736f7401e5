/** docs/graphql.md: every REST request of the guide and its GraphQL twin are run, and answer the same. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildIndex } from '../../../src/build/build-index.ts';
import { CATALOGUE_ATTRIBUTES, drawCatalogue } from '../../../src/build/catalogue.ts';
import { HASHED_NAME } from '../../../src/embed/hashed.ts';
import { openEmbedder } from '../../../src/embed/models.ts';
import { createEngineHost, type EngineHost } from '../../../src/engines/engine-host.ts';
import { type AssembledIndex, assembleIndex } from '../../../src/library/assemble.ts';
import { buildOptions } from '../../support/built-index.ts';
import { exchange, postJson, serve } from '../../support/http.ts';

const GUIDE = readFileSync(new URL('../../../../docs/graphql.md', import.meta.url), 'utf8');

interface Pair {
  readonly title: string;
  readonly rest: string;
  readonly graphql: string;
  readonly variables: string;
}

/** Sections with a request in both forms. */
const pairs = GUIDE.split(/^### /m)
  .slice(1)
  .map((section): Pair => {
    const block = (name: string) => new RegExp(`\`\`\`${name}\\n([\\s\\S]*?)\`\`\``).exec(section)?.[1];
    return {
      title: section.split('\n')[0]!,
      rest: block('rest') ?? '',
      graphql: block('graphql') ?? '',
      variables: block('json') ?? '{}',
    };
  });

type Json = Readonly<Record<string, unknown>>;

/** Asserts that what GraphQL shows is what REST has: hits are edges, a pin's id is its pinId, null is nothing. */
function assertShown(shown: unknown, rest: unknown, path: string): void {
  if (Array.isArray(shown)) {
    assert.ok(Array.isArray(rest), `${path} is no list`);
    assert.equal(shown.length, rest.length, path);
    for (const [i, each] of shown.entries()) assertShown(each, rest[i], `${path}[${i}]`);
  } else if (typeof shown === 'object' && shown !== null && !path.endsWith('payload')) {
    const { edges, node, pinId, hits, surfaces: _, ...fields } = shown as Json;
    if (edges !== undefined) assertShown(edges, (rest as Json).hits, `${path}.hits`);
    // A person's hits lie in the person's own answer
    if (hits !== undefined && hits !== null) assertShown(hits, rest, path);
    if (node !== undefined) assertShown(node, rest, path);
    if (pinId !== undefined) assert.equal(pinId, (rest as Json).id, path);
    for (const [name, value] of Object.entries(fields))
      assertShown(value, (rest as Json | undefined)?.[name], `${path}.${name}`);
  } else if (typeof shown === 'number' && typeof rest === 'number') {
    // Ages in a history go on between two requests
    assert.ok(Math.abs(shown - rest) < 1e-6, `${path}: ${shown}, ${rest}`);
  } else {
    assert.deepEqual(shown ?? null, rest ?? null, path);
  }
}

describe('the guide to GraphQL', () => {
  let folder: string;
  let host: EngineHost;
  let index: AssembledIndex;
  let server: Awaited<ReturnType<typeof serve>>;
  let vector: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nearpin-guide-'));
    const file = join(folder, 'pins.jsonl');
    writeFileSync(file, Array.from(drawCatalogue(500, 1), (pin) => `${JSON.stringify(pin)}\n`).join(''));
    const embedder = await openEmbedder({ name: HASHED_NAME });
    const indexDir = join(folder, 'demo');
    await buildIndex(
      buildOptions([file], indexDir, {
        config: { metric: 'cosine', attributes: CATALOGUE_ATTRIBUTES },
        model: {
          description: { ...embedder.description },
          embed: (texts) => embedder.embed(texts, 'document'),
        },
      }),
    );
    host = createEngineHost('wasm', 1);
    index = await assembleIndex(indexDir, host, {});
    const entry = { name: 'demo', status: 'ready', index } as const;
    server = await serve({
      catalog: { list: () => [entry], get: (name) => (name === 'demo' ? entry : undefined) },
      graphql: { introspection: false },
    });
    const pin = await exchange(`${server.url}/v1/indexes/demo/pins/pin-000001?include=vector`);
    vector = JSON.stringify(pin.body.vector);
  });
  after(async () => {
    await server?.app.close();
    await index?.close();
    await host?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('has a twin for every operation', () => assert.ok(pairs.length >= 10, `${pairs.length} pairs`));

  for (const { title, rest, graphql, variables } of pairs)
    it(title, async () => {
      const filled = (text: string) => text.replaceAll('VECTOR', vector);
      const [, method, path, body] = /^(GET|POST) (\S+)\n([\s\S]*)$/.exec(rest)!;
      const at = `${server.url}${path}`;
      const restAnswer = method === 'GET' ? await exchange(at) : await postJson(at, filled(body!));
      assert.equal(restAnswer.status, 200, JSON.stringify(restAnswer.body));
      const answer = await postJson(`${server.url}/graphql`, {
        query: graphql,
        variables: JSON.parse(filled(variables)),
      });
      assert.equal(answer.body.errors, undefined, JSON.stringify(answer.body.errors));
      const roots = Object.values(answer.body.data as Json);
      const { indexes, answers, results, users } = restAnswer.body;
      const rests = answers ?? [indexes ?? results ?? users ?? restAnswer.body];
      assert.equal(roots.length, rests.length);
      for (const [i, shown] of roots.entries()) assertShown(shown, rests[i], `answers[${i}]`);
    });
});
