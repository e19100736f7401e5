import assert from 'node:assert/strict';
import test from 'node:test';
import { type Bar, barsOf, holds } from '../../bench/report/bars.ts';
import type { BenchRecord, ServiceRecord } from '../../bench/report/record.ts';
import { spreadOf } from '../../bench/report/statistics.ts';
import { curve, loadRecord, overloadRecord, searchRecord } from './results.ts';

const POINTS = [
  [0.9, 8000],
  [0.95, 4000],
  [0.99, 2000],
  [0.9995, 500],
] as const;
const slower = (times: number) => POINTS.map(([recall, qps]) => [recall, qps / times] as const);

/** The bars whose name holds a text, in short. */
function found(records: readonly BenchRecord[], what: string) {
  return barsOf(records)
    .filter((bar) => bar.what.includes(what))
    .map((bar: Bar) => [bar.on, Number(bar.measured.toFixed(6)), bar.bar, holds(bar)]);
}

test('speed is held against hnswlib and the best other peer, by the bar of the set', () => {
  const records = (dataset: string, n: number) => [
    ...curve({ engine: 'wasm', dataset, n }, POINTS),
    ...curve({ engine: 'hnswlib', dataset, n }, slower(4.2)),
    ...curve({ engine: 'hnswlib-native', dataset, n }, slower(3.6)),
    ...curve({ engine: 'usearch-i8', dataset, n }, slower(1.4)),
    ...curve({ engine: 'lancedb', dataset, n }, slower(40)),
  ];
  for (const [dataset, n, bar, isHeld] of [
    ['clustered-128', 10_000, 3, true],
    ['clustered-128', 200_000, 4, true],
    ['mnist', 60_000, 4, true],
    ['tate', 68_000, 4, true],
    ['clustered-128', 1_000_000, 4.5, false],
  ] as const) {
    const on = `${dataset}, ${n.toLocaleString('en-US')}`;
    const row = [on, 4.2, bar, isHeld];
    assert.deepEqual(found(records(dataset, n), 'as npm builds it'), [row, row]);
    assert.deepEqual(found(records(dataset, n), 'usearch-i8'), [[on, 1.4, 1.5, false]]);
    const native = n === 1_000_000 ? [[on, 3.6, 3.5, true]] : [];
    assert.deepEqual(found(records(dataset, n), 'march=native'), native);
  }
});

test('a ratio is the median of the ratios of the passes, with the least and the most of them', () => {
  // The machine is half as fast in the second pass and a third as fast in the third, at one width of one engine sooner
  const inPasses = (engine: string, times: number, late: number) =>
    POINTS.map(([recall, qps], i) => {
      const passes = [1, i === 1 ? late : 2, 3].map((slower) => qps / times / slower);
      return searchRecord({ engine, recall, ef: 10 * (i + 1), qps: passes[1]!, qpsSpread: spreadOf(passes) });
    });
  const records = [...inPasses('wasm', 1, 2), ...inPasses('hnswlib', 4, 2.5)];
  const bar = barsOf(records).find(({ what }) => what.includes('recall 0.95'))!;
  assert.deepEqual(
    [bar.measured, bar.passes?.min, bar.passes?.max].map((ratio) => Number(ratio?.toFixed(6))),
    [4, 4, 5],
  );
});

test('memory counts only where nearly everything can be found', () => {
  const records = (recall: number) => [
    searchRecord({ engine: 'wasm', qps: 10, recall, bytesPerVector: 390, rssBytesPerVector: 400 }),
    searchRecord({ engine: 'hnswlib', qps: 10, recall: 1, bytesPerVector: 650, rssBytesPerVector: 800 }),
  ];
  assert.deepEqual(found(records(0.9995), 'memory'), [
    ['clustered-128, 1,000, recall up to 0.9995', 0.6, 0.6, true],
    ['clustered-128, 1,000, recall up to 0.9995', 0.5, 0.6, true],
  ]);
  assert.deepEqual(found(records(0.998), 'memory'), []);
});

test('building, growth and threads are ratios of their own times', () => {
  const records = [
    searchRecord({ engine: 'wasm', qps: 10, buildS: 10, buildCpuS: 10 }),
    searchRecord({ engine: 'hnswlib', qps: 10, buildS: 21, buildCpuS: 20 }),
  ];
  assert.deepEqual(found(records, 'inserts'), [['clustered-128, 1,000', 2.1, 2, true]]);
  const kept = records.map((record) => ({ ...record, buildS: null, buildCpuS: null }));
  assert.deepEqual(found(kept, 'inserts'), [], 'an index of an earlier run says nothing of building');

  const sizes = [
    ...curve({ engine: 'wasm', n: 100_000 }, POINTS),
    ...curve({ engine: 'wasm', n: 1_000_000 }, slower(2.5)),
  ];
  assert.deepEqual(found(sizes, 'at 1M / at 100k'), [
    ['clustered-128', 2.5, 2, false],
    ['clustered-128', 2.5, 2, false],
  ]);

  const threads = [searchRecord({ qps: 1000 }), searchRecord({ qps: 1850, threads: 2 })];
  assert.deepEqual(found(threads, '2 threads'), [['clustered-128, 1,000, ef 64', 1.85, 1.8, true]]);
});

test('filters count by their worst, once for those that repeat and once for those that do not', () => {
  const filtered = (selectivity: number, isFresh: boolean, recall: number, p50Us: number) =>
    searchRecord({ qps: 1, filter: 'random', selectivity, isFresh, recall, p50Us });
  const records = [
    searchRecord({ qps: 1, p50Us: 100 }),
    filtered(1, false, 0.99, 120),
    filtered(0.01, false, 0.96, 200),
    filtered(1, true, 0.99, 120),
    filtered(0.01, true, 0.94, 310),
  ];
  const on = (filters: string) => `clustered-128, 1,000, by random, ${filters} the same filter`;
  assert.deepEqual(found(records, 'least recall'), [
    [on('always'), 0.96, 0.95, true],
    [on('never'), 0.94, 0.95, false],
  ]);
  assert.deepEqual(found(records, 'worst p50'), [
    [on('always'), 2, 3, true],
    [on('never'), 3.1, 3, false],
  ]);
});

test('loading is held against a bare read, serving against a constant body', () => {
  const load = loadRecord({ loadS: 0.1, bareReadS: 0.09 });
  assert.deepEqual(found([load, { ...load, engine: 'hnswlib' }], 'load'), [
    ['clustered-128, 1,000', 0.9, 0.8, true],
  ]);
  const service = (over: Partial<ServiceRecord>): ServiceRecord => ({
    kind: 'service',
    run: '',
    server: 'nearpin',
    dataset: 'clustered-128',
    n: 1000,
    dim: 128,
    k: 10,
    ef: 128,
    format: 'json',
    connections: 32,
    requests: 1,
    recall: 1,
    rps: 1,
    rpsSpread: spreadOf([1]),
    p50Us: spreadOf([400]),
    p99Us: 400,
    p999Us: 400,
    cpuUs: spreadOf([200]),
    coreCpuUs: null,
    searchP50Us: spreadOf([100]),
    searchCpuUs: spreadOf([110]),
    ...over,
  });
  const records = [
    service({}),
    service({ client: 'autocannon', cpuUs: spreadOf([900]) }),
    service({ server: 'constant', client: 'autocannon', cpuUs: spreadOf([1]) }),
    service({ server: 'constant', cpuUs: spreadOf([45]) }),
    service({ server: 'constant', cpuUs: spreadOf([1]), format: 'msgpack' }),
    service({ server: 'bare', cpuUs: spreadOf([1]) }),
    service({ connections: 1 }),
  ];
  const on = 'clustered-128, 1,000, json, 32 connections';
  assert.deepEqual(found(records, 'search alone / same app'), [[on, 2, 1.8, false]]);
  assert.deepEqual(found(records, 'in the core'), [], 'the system does not tell');
  const counted = [service({ coreCpuUs: spreadOf([128]) }), ...records.slice(1)];
  assert.deepEqual(found(counted, 'search alone / same app'), [[on, 2, 1.8, false]]);
  assert.deepEqual(found(counted, 'in the core / same app'), [[on, 1.6, 1.8, true]]);
  const cannon = (over: Partial<ServiceRecord>) => service({ client: 'autocannon', ...over });
  const fired = [
    cannon({ cpuUs: spreadOf([190]), coreCpuUs: spreadOf([100]) }),
    cannon({ server: 'bare', cpuUs: spreadOf([50]) }),
    cannon({ server: 'constant', cpuUs: spreadOf([1]) }),
    cannon({ cpuUs: spreadOf([900]), coreCpuUs: spreadOf([100]), connections: 8 }),
    cannon({ server: 'bare', cpuUs: spreadOf([1]), connections: 8 }),
  ];
  assert.deepEqual(found(fired, 'by autocannon'), [[on, 1.8, 2, true]]);
  assert.deepEqual(found(records, 'serving adds'), [
    ['clustered-128, 1,000, json, 1 connections', 0.3, 0.25, false],
  ]);
  assert.deepEqual(found([service({})], 'same app'), [], 'nothing to be held against');
  const busy = [
    cannon({ cpuUs: spreadOf([190, 380, 190]), coreCpuUs: spreadOf([100, 200, 130]) }),
    cannon({ server: 'bare', cpuUs: spreadOf([50, 100, 60]) }),
  ];
  assert.deepEqual(found(busy, 'by autocannon'), [[on, 1.8, 2, true]], 'pass by pass');
});

test('overload is held against the peak of its own run, and the slowest probe of each listener', () => {
  const records = [
    overloadRecord({ load: 1, goodRps: 1100 }),
    overloadRecord({ load: 3, goodRps: 825, probeMaxMs: 140, healthProbeMaxMs: 8 }),
    overloadRecord({
      run: 'another',
      asks: 'related',
      load: 3,
      goodRps: 999,
      probeMaxMs: 20,
      healthProbeMaxMs: 101,
    }),
  ];
  const on = 'clustered-128, 1,000, query, k 10';
  const another = 'clustered-128, 1,000, related, k 10';
  assert.deepEqual(found(records, 'answers within'), [
    [on, 0.75, 0.8, false],
    [another, 0.999, 0.8, true],
  ]);
  // Half as fast in one pass, and in another while it was overloaded
  const unsteady = overloadRecord({
    load: 3,
    goodRps: 450,
    goodSpread: spreadOf([900, 450, 450]),
    capacitySpread: spreadOf([1000, 500, 1000]),
  });
  assert.deepEqual(found([unsteady], 'answers within'), [[on, 0.9, 0.8, true]], 'pass by pass');
  assert.deepEqual(found(records, "at the API's"), [
    [on, 140, 100, false],
    [another, 20, 100, true],
  ]);
  assert.deepEqual(found(records, 'listener of health'), [
    [on, 8, 100, true],
    [another, 101, 100, false],
  ]);
  assert.deepEqual(found([records[0]!], 'capacity'), []);
});
