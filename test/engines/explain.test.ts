/** What an answer tells of how it was found. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import type { EngineName, EngineQuery } from '../../src/engines/engine.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { buildPins, unavailable } from '../support/built-index.ts';
import { clusteredPins, clusteredQueries } from '../support/clustered-pins.ts';
import { openEngine } from '../support/open-engine.ts';

const SPEC = { dim: 16, seed: 31, clusters: 10 };
const COUNT = 4000;
const pins = clusteredPins({ ...SPEC, count: COUNT });
const vector = clusteredQueries(SPEC, 1)[0]!;

let dir: string;
let indexDir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-explain-'));
  ({ indexDir } = await buildPins(dir, 'demo', pins, { efConstruction: 40 }, 2));
});
after(() => rm(dir, { recursive: true, force: true }));

/** Asks one after the other, so that what an answer left behind is there for the next. */
async function plansOf(name: EngineName, queries: readonly Omit<EngineQuery, 'vector' | 'k'>[]) {
  const host = createEngineHost(name, 1);
  try {
    const { engine } = await openEngine(indexDir, host);
    const plans = [];
    for (const query of queries) plans.push((await engine.search({ vector, k: 10, ...query })).explain);
    return plans;
  } finally {
    await host.close();
  }
}

test('an answer tells of every shard how it was searched, and only when asked', async () => {
  const few = { rank: { $lt: 100 } };
  const half = { rank: { $lt: COUNT / 2 } };
  const [silent, graph, exact, widened, evaluated, cached, late] = await plansOf('wasm', [
    {},
    { explain: true },
    { explain: true, exact: true },
    { explain: true, filter: half },
    { explain: true, filter: few },
    { explain: true, filter: few, exact: true },
    { explain: true, deadlineAtMs: 1 },
  ]);
  assert.equal(silent, undefined);
  for (const plans of [graph, exact, widened, evaluated, cached, late]) assert.equal(plans!.length, 2);

  const sum = (numbers: readonly (number | undefined)[]) => numbers.reduce<number>((a, b) => a + (b ?? 0), 0);
  for (const { plan, ef, mask, matching, selectivity, distances, hops } of graph!) {
    assert.deepEqual([plan, ef, mask, selectivity], ['graph', 128, 'none', undefined]);
    assert.ok(matching! > 1000 && distances! > 128 && hops! > 10);
  }
  assert.equal(sum(exact!.map(({ distances }) => distances)), COUNT);
  assert.deepEqual(
    exact!.map(({ plan, ef }) => [plan, ef]),
    [
      ['scan', 0],
      ['scan', 0],
    ],
  );
  for (const { plan, ef, mask, matching, selectivity } of widened!) {
    assert.deepEqual([plan, mask, matching], ['graph', 'none', undefined]);
    assert.ok(ef > 128 && Math.abs(selectivity! - 0.5) < 0.15);
  }
  for (const [plans, mask] of [
    [evaluated!, 'evaluated'],
    [cached!, 'cached'],
  ] as const) {
    assert.deepEqual([...new Set(plans.map((plan) => plan.plan + plan.mask))], [`scan${mask}`]);
    assert.equal(sum(plans.map(({ matching }) => matching)), 100);
    assert.equal(sum(plans.map(({ distances }) => distances)), 100);
  }
  assert.deepEqual(late, [
    { plan: 'none', ef: 0 },
    { plan: 'none', ef: 0 },
  ]);
});

for (const name of ['exact', 'hnswlib'] as const) {
  test(`${name} tells what it knows`, { skip: unavailable(name) ?? false }, async () => {
    const [plans] = await plansOf(name, [{ explain: true }]);
    const plan = name === 'exact' ? { plan: 'scan', ef: 0 } : { plan: 'graph', ef: 128 };
    assert.deepEqual(plans, [plan, plan]);
  });
}
