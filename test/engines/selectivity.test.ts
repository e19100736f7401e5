/**
 * Filtered search at every selectivity: recall@10 against the oracle, for filters that have nothing to do with the
 * vectors, that follow them, and that keep only what is far from the query.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import type { Engine, EngineName } from '../../src/engines/engine.ts';
import { createEngineHost, type EngineHost } from '../../src/engines/engine-host.ts';
import { buildPins, unavailable } from '../support/built-index.ts';
import { clusteredPins, clusteredQueries, Oracle, recall } from '../support/clustered-pins.ts';
import { openEngine } from '../support/open-engine.ts';

const SPEC = { dim: 24, seed: 11, clusters: 20 };
const COUNT = 12_000;
const K = 10;
const RECALL_MIN = 0.95;

const pins = clusteredPins({ ...SPEC, count: COUNT });
/** Query i lies in cluster i, modulo their number. */
const queries = clusteredQueries(SPEC, 60);
const oracle = new Oracle(pins, SPEC.dim, 'cosine', 'i8+f32');

type FilterOf = (query: number) => Readonly<Record<string, unknown>>;
const below = (share: number): FilterOf => {
  return () => ({ rank: { $lt: Math.round(COUNT * share) } });
};
const FILTERS: readonly (readonly [name: string, kept: number, filter: FilterOf])[] = [
  ['100 %', COUNT, below(1)],
  ['50 %', COUNT / 2, below(0.5)],
  ['20 %', COUNT / 5, below(0.2)],
  ['10 %', COUNT / 10, below(0.1)],
  ['1 %', COUNT / 100, below(0.01)],
  ['0.1 %', COUNT / 1000, below(0.001)],
  ['3 pins', 3, () => ({ rank: { $in: [17, 4711, 11_999] } })],
  ["the query's own cluster", Number.NaN, (i) => ({ cluster: `c${i}` })],
  ['all but that cluster', Number.NaN, (i) => ({ cluster: { $ne: `c${i}` } })],
  [
    'a third of the clusters, all far away',
    Number.NaN,
    (i) => ({ cluster: { $in: [1, 2, 3, 4, 5, 6, 7].map((step) => `c${(i + step) % SPEC.clusters}`) } }),
  ],
];

let dir: string;
/** The index of so many shards. */
const indexDirs = new Map<number, string>();
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-selectivity-'));
  for (const shards of [1, 3]) {
    const { indexDir } = await buildPins(dir, `demo-${shards}`, pins, { efConstruction: 60 }, shards);
    indexDirs.set(shards, indexDir);
  }
});
after(() => rm(dir, { recursive: true, force: true }));

/** How many queries each engine is asked: the exact one is slow, and has no recall to lose. */
const RUNS: readonly (readonly [name: EngineName, shards: number, queries: number])[] = [
  ['wasm', 1, 60],
  ['wasm', 3, 60],
  ['hnswlib', 1, 5],
  ['exact', 1, 2],
];

for (const [name, shards, asked] of RUNS) {
  const skip = unavailable(name) ?? false;
  describe(`${name}, ${shards} shard${shards === 1 ? '' : 's'}: a filter that keeps`, { skip }, () => {
    let host: EngineHost;
    let engine: Engine;
    before(async () => {
      host = createEngineHost(name, 1);
      ({ engine } = await openEngine(indexDirs.get(shards)!, host));
    });
    after(async () => {
      await engine.close();
      await host.close();
    });

    for (const [title, kept, filterOf] of FILTERS) {
      test(title, async (t) => {
        let found = 0;
        const all = queries.slice(0, asked);
        const answers = await Promise.all(
          all.map((vector, i) => engine.search({ vector, k: K, filter: filterOf(i % SPEC.clusters) })),
        );
        for (const [i, { hits, exhausted }] of answers.entries()) {
          const filter = filterOf(i % SPEC.clusters);
          const matching = oracle.matching(filter);
          if (!Number.isNaN(kept)) assert.equal(matching.length, kept);
          const expected = oracle.search({ vector: all[i]!, k: K, filter });
          assert.equal(hits.length, expected.length);
          assert.equal(exhausted, matching.length < K);
          const allowed = new Set(matching);
          for (const { id } of hits) assert.ok(allowed.has(id), `${id} does not match`);
          found += recall(expected, hits) / all.length;
        }
        t.diagnostic(`recall@${K} ${found.toFixed(3)}, ef ${answers.map(({ ef }) => ef).join(' ')}`);
        assert.ok(found >= RECALL_MIN, `recall@${K} is ${found}`);
      });
    }
  });
}
