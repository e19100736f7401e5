/**
 * What every engine must do, as one list of cases that runs on all engines, metrics and precisions. The oracle is a
 * plain Map: filtered by `matches`, scored by the naive kernels, sorted.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { ENGINE_NAMES, type Engine, type EngineName, type EngineQuery } from '../../src/engines/engine.ts';
import { createEngineHost, type EngineHost } from '../../src/engines/engine-host.ts';
import type { Metric, Precision } from '../../src/index/config.ts';
import { rejects } from '../lib/refuses.ts';
import { buildPins, unavailable } from '../support/built-index.ts';
import {
  clusteredPins,
  clusteredQueries,
  Oracle,
  recall,
  type TestPin,
  TYPES,
} from '../support/clustered-pins.ts';
import { openEngine } from '../support/open-engine.ts';

const SPEC = { dim: 12, seed: 3, clusters: 8 };
const COUNT = 400;
const TWINS = 24;

/** Pins in clusters, and among them TWINS of one vector whose ids do not sort in the order they come in. */
function testPins(): TestPin[] {
  const pins = clusteredPins({ ...SPEC, count: COUNT });
  const { vector } = pins[0]!;
  for (let i = 0; i < TWINS; i++) {
    const at = 17 * i + 1;
    pins[at] = { ...pins[at]!, id: `twin-${(i * 7) % TWINS}`, vector };
  }
  return pins;
}

const pins = testPins();
const queries = clusteredQueries(SPEC, 8);
const twinQuery = Float32Array.from(pins[0]!.vector);

/** One of each operator and type, and some nested ones. */
const FILTERS: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { category: 'lamps' },
  { category: { $eq: 'shoes' } },
  { category: { $ne: 'lamps' } },
  { category: { $in: ['lamps', 'cakes', 'unheard of'] } },
  { category: { $nin: ['lamps', 'cakes'] } },
  { category: { $exists: false } },
  { tags: 't3' },
  { tags: { $in: ['t1', 'w7'] } },
  { tags: { $nin: ['t1', 't2', 't3'] } },
  { tags: { $exists: true } },
  { price: { $lt: 50 } },
  { price: { $gte: 20, $lt: 30 } },
  { price: { $gt: 90, $lte: 99.5 } },
  { price: { $not: { $gt: 10 } } },
  { rank: { $in: [5, 17, 300, -1] } },
  { rank: 5 },
  { fresh: true },
  { fresh: { $ne: true } },
  { fresh: { $exists: false } },
  { created: { $gte: '1974-01-01T00:00:00Z' } },
  { created: { $lt: 86_400_000 * 300 } },
  { $and: [{ fresh: true }, { price: { $lt: 70 } }] },
  { $or: [{ category: 'lamps' }, { rank: { $lt: 10 } }] },
  { $not: { tags: 't1' } },
  {
    $or: [{ $and: [{ tags: 't1' }, { $not: { fresh: false } }] }, { price: { $gt: 95 } }],
    category: 'chairs',
  },
  { $or: [] },
];

interface Setup {
  readonly metric: Metric;
  readonly precision: Precision;
  readonly shards: number;
}

const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2'];
const SETUPS: readonly Setup[] = METRICS.flatMap((metric): Setup[] => [
  { metric, precision: 'f32', shards: 1 },
  { metric, precision: 'i8', shards: 1 },
  { metric, precision: 'i8+f32', shards: 3 },
  { metric, precision: 'i8+i10', shards: 2 },
  { metric, precision: 'i8+i4', shards: 2 },
]).concat({ metric: 'cosine', precision: 'i8+f32', shards: 1 });

interface Fixture extends Setup {
  readonly name: EngineName;
  readonly engine: Engine;
  readonly oracle: Oracle;
  /** Opens the same index once more. */
  readonly reopen: () => Promise<Engine>;
}

const plain = (hits: readonly { id: string; score: number }[]) =>
  hits.map(({ id, score }) => ({ id, score }));
const ids = (hits: readonly { id: string }[]) => hits.map(({ id }) => id);
const now = () => performance.timeOrigin + performance.now();

/** Asserts that an exact search finds what the oracle finds, ids and scores to the bit, and resolves to its answer. */
async function checkExact({ engine, oracle }: Fixture, query: EngineQuery) {
  const answer = await engine.search({ ...query, exact: true });
  const { vector, k, filter, exclude, minScore } = query;
  const expected = oracle.search({
    vector,
    k,
    ...(filter && { filter }),
    ...(exclude && { exclude }),
    ...(minScore !== undefined && { minScore }),
  });
  assert.deepEqual(plain(answer.hits), expected);
  assert.equal(answer.ef, 0);
  assert.equal(answer.exhausted, expected.length < k);
  return answer;
}

const CASES: Readonly<Record<string, (fixture: Fixture) => Promise<void>>> = {
  'describes the index': async ({ engine, name, metric, precision, shards }) => {
    const description = engine.describe();
    assert.equal(description.engine, name);
    assert.equal(description.generation, '000001');
    assert.equal(description.seq, 0);
    assert.equal(description.count, COUNT);
    assert.equal(description.shards.length, shards);
    assert.equal(
      description.shards.reduce((sum, { count }) => sum + count, 0),
      COUNT,
    );
    const bytes = description.shards.reduce((sum, shard) => sum + shard.bytes, 0);
    assert.equal(description.bytes, bytes);
    assert.ok(bytes > COUNT * SPEC.dim);
    assert.ok(description.defaultEf >= 10);
    const { config } = description;
    assert.deepEqual(
      [config.dim, config.metric, config.precision, config.shards, config.attributes],
      [SPEC.dim, metric, precision, shards, TYPES],
    );
  },

  'finds the k nearest in the order of their scores': async ({ engine, oracle, shards }) => {
    let found = 0;
    for (const vector of queries) {
      const answer = await engine.search({ vector, k: 10 });
      assert.equal(answer.hits.length, 10);
      assert.deepEqual(answer.coverage, { shards, answered: shards });
      assert.equal(answer.exhausted, false);
      for (const [i, { score }] of answer.hits.entries())
        assert.ok(i === 0 || score <= answer.hits[i - 1]!.score);
      assert.equal(new Set(ids(answer.hits)).size, 10);
      found += recall(oracle.search({ vector, k: 10 }), answer.hits);
    }
    assert.ok(found / queries.length >= 0.95, `recall ${found / queries.length}`);
  },

  'finds exactly what there is when asked to': async (fixture) => {
    await Promise.all(queries.map((vector) => checkExact(fixture, { vector, k: 10 })));
    await checkExact(fixture, { vector: queries[0]!, k: 1 });
    await checkExact(fixture, { vector: queries[0]!, k: COUNT - 1 });
    await checkExact(fixture, { vector: queries[0]!, k: COUNT });
    await checkExact(fixture, { vector: queries[0]!, k: COUNT + 1 });
  },

  'gives everything for a k beyond the count, and says so': async ({ engine, oracle }) => {
    const answer = await engine.search({ vector: queries[1]!, k: COUNT + 100 });
    assert.equal(answer.exhausted, true);
    assert.deepEqual(plain(answer.hits), oracle.search({ vector: queries[1]!, k: COUNT }));
  },

  'raises an ef that is too small, and reports it': async ({ engine, name }) => {
    const { hits, ef } = await engine.search({ vector: queries[2]!, k: 50, ef: 1 });
    assert.equal(hits.length, 50);
    if (name === 'exact') assert.equal(ef, 0);
    else assert.ok(ef === 0 || ef >= 50, `ef ${ef}`);
    const wide = await engine.search({ vector: queries[2]!, k: 5, ef: 300 });
    if (name !== 'exact') assert.ok(wide.ef >= 300, `ef ${wide.ef}`);
  },

  'keeps hits from minScore on': async (fixture) => {
    const { engine, oracle } = fixture;
    const vector = queries[3]!;
    const [, , , , fifth] = oracle.search({ vector, k: 5 });
    const answer = await checkExact(fixture, { vector, k: 20, minScore: fifth!.score });
    assert.ok(answer.hits.length >= 5);
    const unbounded = await engine.search({ vector, k: 20, ef: 300 });
    const bounded = await engine.search({ vector, k: 20, ef: 300, minScore: fifth!.score });
    assert.deepEqual(
      plain(bounded.hits),
      plain(unbounded.hits).filter(({ score }) => score >= fifth!.score),
    );
    const none = await engine.search({ vector, k: 20, minScore: 1e30 });
    assert.deepEqual([none.hits, none.exhausted], [[], true]);
  },

  'leaves out what is excluded': async (fixture) => {
    const { engine, oracle } = fixture;
    const vector = queries[4]!;
    const best = ids(oracle.search({ vector, k: 60 }));
    for (const exclude of [
      best.slice(0, 1),
      best.slice(0, 40),
      [...best, ...best],
      ['no such pin', 'nor this'],
      [...best.slice(0, 3), 'no such pin'],
      pins.map(({ id }) => id),
    ]) {
      await checkExact(fixture, { vector, k: 10, exclude });
      const { hits } = await engine.search({ vector, k: 10, exclude });
      assert.equal(hits.length, exclude.length === COUNT ? 0 : 10);
      for (const { id } of hits) assert.ok(!exclude.includes(id));
    }
  },

  'gives vectors when asked to': async ({ engine, metric, precision }) => {
    for (const exact of [false, true]) {
      const { hits } = await engine.search({ vector: queries[5]!, k: 12, exact, withVectors: true });
      const stored = await engine.pins(ids(hits), { vector: true });
      for (const [i, { vector }] of hits.entries()) {
        assert.deepEqual(vector, stored[i]!.vector);
        const given = pins.find(({ id }) => id === hits[i]!.id)!.vector;
        const length = metric === 'cosine' ? Math.hypot(...given) : 1;
        const step = { i8: 1 / 127, 'i8+i4': 1 / 2032, 'i8+i10': 1e-5, 'i8+f32': 1e-6, f32: 1e-6 }[precision];
        const tolerance = (step * Math.max(1, ...given.map(Math.abs))) / length;
        for (const [d, x] of vector!.entries()) assert.ok(Math.abs(x - given[d]! / length) <= tolerance);
      }
      const bare = await engine.search({ vector: queries[5]!, k: 12, exact });
      for (const hit of bare.hits) assert.ok(!('vector' in hit));
    }
  },

  'filters by every operator': async (fixture) => {
    const { engine, oracle } = fixture;
    const kept = new Set<number>();
    const check = async (filter: Readonly<Record<string, unknown>>, vector: Float32Array) => {
      kept.add(oracle.matching(filter).length);
      await checkExact(fixture, { vector, k: 15, filter });
      const { hits, exhausted } = await engine.search({ vector, k: 15, filter });
      const expected = oracle.search({ vector, k: 15, filter });
      assert.ok(recall(expected, hits) >= 0.95, JSON.stringify(filter));
      assert.equal(hits.length, expected.length);
      assert.equal(exhausted, expected.length < 15);
    };
    await Promise.all(FILTERS.map((filter, i) => check(filter, queries[i % queries.length]!)));
    assert.ok(kept.size > 15, 'the filters keep different numbers of pins');
  },

  'answers a filter that nothing matches': async ({ engine, shards }) => {
    for (const exact of [false, true]) {
      for (const filter of [{ category: 'unheard of' }, { rank: { $gt: 1e9 } }, { tags: { $in: [] } }]) {
        const { hits, exhausted, coverage } = await engine.search({
          vector: queries[6]!,
          k: 5,
          exact,
          filter,
        });
        assert.deepEqual([hits, exhausted, coverage], [[], true, { shards, answered: shards }]);
      }
    }
  },

  'refuses a bad filter': async ({ engine }) => {
    const search = (filter: Readonly<Record<string, unknown>>) =>
      engine.search({ vector: queries[0]!, k: 5, filter });
    await rejects(search({ colour: 'red' }), 'bad_filter', 'filter.colour');
    await rejects(search({ price: { $gte: 'dear' } }), 'bad_filter', 'filter.price.$gte');
  },

  'combines filter, exclude and minScore': async (fixture) => {
    const { oracle } = fixture;
    const vector = queries[7]!;
    const filter = { price: { $lt: 80 }, category: { $in: ['lamps', 'chairs'] } };
    const best = oracle.search({ vector, k: 30, filter });
    const exclude = ids(best.slice(0, 30).filter((_, i) => i % 3 === 0));
    await checkExact(fixture, { vector, k: 10, filter, exclude, minScore: best[20]!.score });
  },

  'says which shards answered when the deadline has passed': async ({ engine, shards }) => {
    for (const exact of [false, true]) {
      for (const filter of [undefined, { fresh: true }]) {
        const query = { vector: queries[0]!, k: 5, exact, filter };
        const late = await engine.search({ ...query, deadlineAtMs: now() - 1 });
        assert.deepEqual(late.hits, []);
        assert.deepEqual(late.coverage, { shards, answered: 0, degraded: 'deadline' });
        assert.equal(late.exhausted, false);
        const early = await engine.search({ ...query, deadlineAtMs: now() + 60_000 });
        assert.deepEqual(early, await engine.search(query));
        assert.deepEqual(early.coverage, { shards, answered: shards });
      }
    }
  },

  'breaks ties by id, also at the last hit': async (fixture) => {
    const twins = Array.from({ length: TWINS }, (_, i) => `twin-${i}`)
      .concat('pin-0')
      .sort();
    for (const k of [1, 7, TWINS, TWINS + 1, TWINS + 2, TWINS + 9]) {
      const { hits } = await checkExact(fixture, { vector: twinQuery, k });
      const scores = hits.filter(({ id }) => twins.includes(id)).map(({ score }) => score);
      assert.equal(new Set(scores).size, 1);
      // Under dot a longer vector can come before them
      if (fixture.metric !== 'dot') assert.deepEqual(ids(hits).slice(0, TWINS + 1), twins.slice(0, k));
    }
  },

  'scores as the metric says': async ({ engine, metric, precision }) => {
    for (const vector of queries) {
      const { hits } = await engine.search({ vector, k: 20, exact: true });
      for (const { id, score } of hits) {
        const other = pins.find((pin) => pin.id === id)!.vector;
        const dot = vector.reduce((sum, x, i) => sum + x * other[i]!, 0);
        const meant = {
          cosine: dot / Math.hypot(...vector) / Math.hypot(...other),
          dot,
          l2: -vector.reduce((sum, x, i) => sum + (x - other[i]!) ** 2, 0),
        }[metric];
        const scale = metric === 'cosine' ? 1 : Math.hypot(...vector) * Math.hypot(...other) + 1;
        const tolerance =
          scale * { i8: 0.02, 'i8+i4': 1e-3, 'i8+i10': 1e-4, 'i8+f32': 1e-5, f32: 1e-5 }[precision];
        assert.ok(Math.abs(score - meant) <= tolerance, `${score} where ${meant} is meant`);
        if (metric === 'cosine') assert.ok(score <= 1 && score >= -1);
      }
    }
    const { hits } = await engine.search({ vector: twinQuery, k: 1 });
    if (metric === 'l2' && precision.endsWith('f32'))
      assert.ok(Object.is(hits[0]!.score, 0), 'a pin is 0 from itself');
  },

  'takes a query of any length': async (fixture) => {
    const long = queries[0]!.map((x) => x * 1e4);
    await checkExact(fixture, { vector: long, k: 10 });
    const before = long.slice();
    const answer = fixture.engine.search({ vector: long, k: 10 });
    // What the caller does with its array afterwards is its own affair
    long.fill(1);
    const again = await fixture.engine.search({ vector: before, k: 10 });
    assert.deepEqual(await answer, again);
    if (fixture.metric !== 'cosine') await checkExact(fixture, { vector: new Float32Array(SPEC.dim), k: 10 });
  },

  'shows pins part by part': async ({ engine, oracle }) => {
    const wanted = ['pin-4', 'no such pin', 'pin-5', 'pin-4', ''];
    const bare = await engine.pins(wanted, {});
    assert.deepEqual(bare, [
      { id: 'pin-4', seq: 0 },
      undefined,
      { id: 'pin-5', seq: 0 },
      { id: 'pin-4', seq: 0 },
      undefined,
    ]);
    const [attributes] = await engine.pins(['pin-4'], { attributes: true });
    assert.deepEqual(attributes, { id: 'pin-4', seq: 0, attributes: oracle.pins.get('pin-4')!.attributes });
    const [payload, without] = await engine.pins(['pin-4', 'pin-5'], { payload: true });
    assert.deepEqual(payload, { id: 'pin-4', seq: 0, payload: pins[4]!.payload });
    assert.deepEqual(without, { id: 'pin-5', seq: 0 });
    const [vector] = await engine.pins(['pin-4'], { vector: true });
    assert.equal(vector!.vector!.length, SPEC.dim);
    const [all] = await engine.pins(['pin-4'], { attributes: true, payload: true, vector: true });
    assert.deepEqual(all, { ...attributes, ...payload, ...vector });
    assert.deepEqual(await engine.pins([], {}), []);
  },

  'samples the same pins for the same seed': async ({ engine }) => {
    const sample = await engine.sample(50, 7);
    assert.deepEqual(await engine.sample(50, 7), sample);
    assert.notDeepEqual(await engine.sample(50, 8), sample);
    assert.equal(new Set(sample).size, 50);
    const all = await engine.sample(COUNT + 50, 1);
    assert.deepEqual([...all].sort(), pins.map(({ id }) => id).sort());
    assert.deepEqual(await engine.sample(0, 1), []);
  },

  'closes while searches run, and is closed then': async ({ reopen }) => {
    const engine = await reopen();
    const expected = await engine.search({ vector: queries[0]!, k: 5 });
    const description = engine.describe();
    const running = Array.from({ length: 40 }, () => engine.search({ vector: queries[0]!, k: 5 }));
    const closing = engine.close();
    const refused = engine.search({ vector: queries[0]!, k: 5 });
    await rejects(refused, 'closed');
    for (const answer of await Promise.all(running)) assert.deepEqual(answer, expected);
    await closing;
    await rejects(engine.search({ vector: queries[0]!, k: 5 }), 'closed');
    await rejects(engine.search({ vector: queries[0]!, k: 5, filter: { fresh: true } }), 'closed');
    await rejects(engine.pins(['pin-4'], { vector: true }), 'closed');
    await rejects(engine.sample(3, 1), 'closed');
    assert.deepEqual(engine.describe(), description);
    await engine.close();
  },
};

const runnable = ENGINE_NAMES.filter((name) => unavailable(name) === undefined);
const hosts = new Map<EngineName, EngineHost>();
let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-conformance-'));
  for (const name of runnable) hosts.set(name, createEngineHost(name, 1));
});
after(async () => {
  for (const host of hosts.values()) await host.close();
  await rm(dir, { recursive: true, force: true });
});

test('every engine is tested, or it is said why not', (t) => {
  for (const name of ENGINE_NAMES) {
    const reason = unavailable(name);
    if (reason !== undefined) t.diagnostic(`${name} is left out: ${reason}`);
  }
  assert.ok(runnable.includes('wasm') && runnable.includes('exact'));
});

for (const setup of SETUPS) {
  const { metric, precision, shards } = setup;
  describe(`${metric}, ${precision}, ${shards} shard${shards === 1 ? '' : 's'}`, () => {
    let indexDir: string;
    const engines = new Map<EngineName, Engine>();
    const oracle = new Oracle(pins, SPEC.dim, metric, precision);
    before(async () => {
      ({ indexDir } = await buildPins(
        dir,
        `${metric}-${precision}-${shards}`,
        pins,
        { metric, precision },
        shards,
      ));
      for (const [name, host] of hosts) engines.set(name, (await openEngine(indexDir, host)).engine);
    });
    after(async () => {
      for (const engine of engines.values()) await engine.close();
    });

    for (const name of runnable) {
      describe(name, () => {
        for (const [title, run] of Object.entries(CASES)) {
          test(title, () =>
            run({
              ...setup,
              name,
              engine: engines.get(name)!,
              oracle,
              reopen: async () => (await openEngine(indexDir, hosts.get(name)!)).engine,
            }),
          );
        }
      });
    }
  });
}
