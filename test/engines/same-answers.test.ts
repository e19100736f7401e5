/** The same answers from 1, 2 and 4 threads, after reopening, from shards or one graph, and from the exact engine. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import type { Engine, EngineName } from '../../src/engines/engine.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import type { OpenIndex } from '../../src/retrieval/open-index.ts';
import { runRelated } from '../../src/retrieval/related.ts';
import { runSearch } from '../../src/retrieval/search.ts';
import { buildPins } from '../support/built-index.ts';
import { clusteredPins, clusteredQueries } from '../support/clustered-pins.ts';
import { openEngine } from '../support/open-engine.ts';

const SPEC = { dim: 16, seed: 21, clusters: 12 };
const pins = clusteredPins({ ...SPEC, count: 3000 });
const queries = clusteredQueries(SPEC, 12);
const filters = [undefined, { fresh: true }, { rank: { $lt: 30 } }];
const clock = () => performance.timeOrigin + performance.now();

let dir: string;
const indexDirs = new Map<number, string>();

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-same-'));
  for (const shards of [1, 3]) {
    const { indexDir } = await buildPins(dir, `demo-${shards}`, pins, { efConstruction: 60 }, shards);
    indexDirs.set(shards, indexDir);
  }
});
after(() => rm(dir, { recursive: true, force: true }));

/** Opens an index with a host of its own for as long as `use` takes. */
async function withEngine<T>(
  name: EngineName,
  workers: number,
  shards: number,
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  const host = createEngineHost(name, workers);
  try {
    const { engine } = await openEngine(indexDirs.get(shards)!, host);
    return await use(engine);
  } finally {
    await host.close();
  }
}

/** Everything that is asked, all at once, so that the threads share the work: 72 searches and 24 related requests. */
async function ask(engine: Engine) {
  const index: OpenIndex = { name: 'demo', engine, model: null };
  const searches = queries.flatMap((vector) =>
    filters.flatMap((filter) =>
      [false, true].map((exact) =>
        runSearch(index, { vector, k: 10, exact, ...(filter && { filter }) }, clock),
      ),
    ),
  );
  const related = queries.flatMap((_, i) => {
    const seeds = [pins[i * 10]!.id, { id: pins[i * 10 + 1]!.id, weight: 0.5 }];
    const include = ['payload', 'attributes', 'vector'] as const;
    return [
      runRelated(index, { pins: seeds, k: 10, include }, clock),
      runRelated(index, { pins: seeds, k: 5, diversity: { lambda: 0.5 }, filter: { fresh: true } }, clock),
    ];
  });
  const answers = await Promise.all([...searches, ...related]);
  return answers.map(({ tookMs: _, ...answer }) => answer);
}

async function askExact(engine: Engine) {
  const answers = await Promise.all(
    queries.flatMap((vector) =>
      filters.map((filter) => engine.search({ vector, k: 25, exact: true, filter, withVectors: true })),
    ),
  );
  return answers.map(({ hits, exhausted }) => ({ hits, exhausted }));
}

for (const shards of [1, 3]) {
  test(`search and related on 1, 2 and 4 threads and after reopening, ${shards} shards`, async () => {
    const expected = await withEngine('wasm', 1, shards, ask);
    assert.equal(expected.length, 96);
    assert.ok(expected.every(({ hits }) => hits.length > 0));
    for (const workers of [1, 2, 4]) {
      const answers = await withEngine('wasm', workers, shards, async (engine) => {
        const first = await ask(engine);
        // And once every thread knows the index
        assert.deepEqual(await ask(engine), first);
        return first;
      });
      assert.deepEqual(answers, expected, `${workers} threads`);
    }
  });
}

test('exact search on one graph, on three shards and by the exact engine', async () => {
  const expected = await withEngine('wasm', 2, 1, askExact);
  assert.deepEqual(await withEngine('wasm', 2, 3, askExact), expected);
  assert.deepEqual(await withEngine('exact', 2, 1, askExact), expected);
  assert.deepEqual(await withEngine('exact', 2, 3, askExact), expected);
});
