/** The recall of live queries, against recall as it is measured of stored ones. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineQuery } from '../../../src/engines/engine.ts';
import { measureRecall } from '../../../src/retrieval/recall.ts';
import { RecallMonitor } from '../../../src/server/telemetry/recall-monitor.ts';
import { catalogOf, exchange, postJson, ready } from '../../support/http.ts';
import { liveServer } from '../../support/live-server.ts';
import { memoryEngine } from '../../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../../support/pins.ts';

const DIM = 4;
const COUNT = 200;

function open(missEvery?: number, share = 1) {
  const engine = memoryEngine({
    dim: DIM,
    attributes: ATTRIBUTES,
    pins: somePins(COUNT, DIM, 6),
    ...(missEvery !== undefined && { missEvery }),
  });
  const index = { name: 'demo', engine, model: null };
  // A clock that stands still: nothing takes time, so nothing rests
  const monitor = new RecallMonitor({ catalog: catalogOf([ready(index)]), clock: () => 0, share, seed: 1 });
  return { engine, index, monitor };
}

async function settled(monitor: RecallMonitor, replays: number): Promise<void> {
  const done = () => Object.values(monitor.counts()).reduce((sum, n) => sum + n, 0);
  for (let i = 0; i < 2000 && done() < replays; i++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(done(), replays);
}

/** Offers queries, no faster than they are replayed. */
async function offer(monitor: RecallMonitor, queries: readonly EngineQuery[]): Promise<void> {
  const { compared, failed } = monitor.counts();
  for (const [i, query] of queries.entries()) {
    monitor.offer('demo', query);
    await settled(monitor, compared + failed + i + 1);
  }
}

describe('the recall of live queries', () => {
  it('is what measuring gives, when they are the queries that it draws', async () => {
    for (const missEvery of [undefined, 3, 5, 7]) {
      const { engine, index, monitor } = open(missEvery);
      const measured = await measureRecall(index, { samples: 60, k: 10, ef: 64 });
      const pins = await engine.pins(await engine.sample(60, 1), { vector: true });
      await offer(
        monitor,
        pins.map((pin) => ({ vector: pin!.vector!, k: 10, ef: 64, exclude: [pin!.id] })),
      );
      const [live, ...others] = monitor.of('demo');
      assert.equal(others.length, 0);
      const { recall, low, high, samples } = measured;
      assert.deepEqual(live, { ef: 64, filtered: false, recall, low, high, samples });
      await monitor.close();
    }
  });

  it('is told apart by width and by whether there was a filter', async () => {
    const { engine, monitor } = open(5);
    const [pin] = await engine.pins(['p1'], { vector: true });
    const vector = pin!.vector!;
    const filter = { category: 'lamps' };
    await offer(monitor, [
      { vector, k: 10 },
      { vector, k: 10, ef: 64 },
      { vector, k: 10, ef: 65 },
      { vector, k: 10, ef: 65, filter },
      { vector, k: 10, ef: 3 },
    ]);
    assert.deepEqual(
      monitor.of('demo').map(({ ef, filtered, samples, recall }) => [ef, filtered, samples, recall]),
      [
        [16, false, 1, 0.8],
        [64, false, 2, 0.8],
        [128, false, 1, 0.8],
        [128, true, 1, 0.8],
      ],
    );
  });

  it('is of the same question: filter, width, exclusions and least score, without deadline or watch', async () => {
    const { engine, monitor } = open();
    const vector = Float32Array.of(1, 2, 3, 4);
    const asked = { k: 4, ef: 32, filter: { price: { $lt: 90 } }, minScore: -1, exclude: ['p3'] };
    const watch = { now: () => 0, took: () => assert.fail(), searched: () => assert.fail() };
    await offer(monitor, [{ vector, ...asked, deadlineAtMs: 1, watch, explain: true, withVectors: true }]);
    const [exact, live] = engine.queries;
    const deadlineAtMs = 10_000;
    assert.deepEqual(exact, { vector, ...asked, exact: true, background: true, deadlineAtMs });
    assert.deepEqual(live, { vector, ...asked, deadlineAtMs });
    assert.equal(monitor.counts().compared, 1);
  });

  it('leaves out what asked exactly, and what found nothing to find', async () => {
    const { engine, monitor } = open();
    const vector = Float32Array.of(1, 2, 3, 4);
    monitor.offer('demo', { vector, k: 4, exact: true });
    await offer(monitor, [{ vector, k: 4, filter: { price: { $lt: -1 } } }]);
    assert.equal(engine.queries.length, 2);
    assert.deepEqual(monitor.of('demo'), []);
  });

  it('takes the share that it is to take, wherever the queries come from', () => {
    for (const share of [0.5, 0.1, 0.01]) {
      const { monitor } = open(undefined, share);
      const vector = Float32Array.of(1, 2, 3, 4);
      const offered = 20_000;
      // In one turn of the event loop nothing is replayed: one runs, a few wait, the rest is dropped
      for (let i = 0; i < offered; i++) monitor.offer('demo', { vector, k: 1 });
      const taken = monitor.counts().dropped + 5;
      const expected = offered * share;
      assert.ok(Math.abs(taken - expected) < 5 * Math.sqrt(expected), `${taken} of ${offered} at ${share}`);
    }
  });

  it('counts what fails, and goes on', async () => {
    const { engine, monitor } = open();
    const vector = Float32Array.of(1, 2, 3, 4);
    const { search } = engine;
    engine.search = () => Promise.reject(new Error('it broke'));
    await offer(monitor, [{ vector, k: 4 }]);
    engine.search = search;
    await offer(monitor, [{ vector, k: 4 }]);
    monitor.offer('gone', { vector, k: 4 });
    await settled(monitor, 3);
    assert.deepEqual(monitor.counts(), { compared: 1, failed: 2, dropped: 0 });
  });

  it('rests after each replay for ninety-nine times as long as it took', async () => {
    const { engine, index } = open();
    let nowMs = 0;
    const { search } = engine;
    engine.search = (query) => {
      nowMs += 1;
      return search(query);
    };
    const catalog = catalogOf([ready(index)]);
    const monitor = new RecallMonitor({ catalog, clock: () => nowMs, share: 1, seed: 1 });
    const vector = Float32Array.of(1, 2, 3, 4);
    const startedAt = performance.now();
    for (let i = 0; i < 2; i++) monitor.offer('demo', { vector, k: 4 });
    await settled(monitor, 2);
    // The first took 2 ms by that clock
    assert.ok(performance.now() - startedAt >= 190);
    await monitor.close();
  });

  it('begins anew with another generation', async () => {
    const { engine, monitor } = open(5);
    const vector = Float32Array.of(1, 2, 3, 4);
    await offer(monitor, [{ vector, k: 10 }]);
    const { search } = engine;
    engine.search = async (query) => ({ ...(await search(query)), generation: 'gen-2' });
    await offer(monitor, [
      { vector, k: 10 },
      { vector, k: 10 },
    ]);
    assert.equal(monitor.of('demo')[0]!.samples, 2);
  });
});

it('over HTTP, the recall of an index is in its description and in the metrics', async (t) => {
  const server = await liveServer({ telemetry: { recall: { share: 1, seed: 1 } } });
  t.after(() => server.close());
  const described = async () => (await exchange(server.demo)).body.recall;
  assert.equal(await described(), undefined);
  for (let i = 0; i < 500 && (await described()) === undefined; i++) {
    await postJson(`${server.demo}/search`, { text: 'brass lamp', ef: 40 });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const [{ ef, filtered, recall, low, high, samples }] = await described();
  assert.deepEqual([ef, filtered], [64, false]);
  assert.ok(samples >= 1 && low <= recall && recall <= high && recall > 0.5);
  const { samples: series } = (await server.metrics()).get('nearpin_recall_ratio')!;
  assert.deepEqual(series[0]!.labels, { index: 'demo', ef: '64', filtered: 'false' });
  assert.ok(series[0]!.value >= 0 && series[0]!.value <= 1);
});
