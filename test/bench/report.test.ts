import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { reportPage } from '../../bench/report/page.ts';
import { logAxis, recallAxis, spreadLabels } from '../../bench/report/plot.ts';
import type { BenchRecord } from '../../bench/report/record.ts';
import { middleOf, spreadOf } from '../../bench/report/statistics.ts';
import { compare, filteringsOf, panelsOf, scalingsOf } from '../../bench/report/summary.ts';
import { formatResults, markdownTable } from '../../bench/report/text.ts';
import { curve, loadRecord, overloadRecord, resultsOf, searchRecord } from './results.ts';

const wasm = curve({ engine: 'wasm' }, [
  [0.9, 9000],
  [0.97, 5000],
  [0.999, 1000],
]);
const hnswlib = curve({ engine: 'hnswlib', buildS: 4, bytesPerVector: 700 }, [
  [0.92, 3000],
  [0.96, 2000],
  [0.995, 500],
]);

const everything: readonly BenchRecord[] = [
  ...wasm,
  ...hnswlib,
  ...curve({ engine: 'wasm', n: 10_000 }, [
    [0.9, 4000],
    [0.99, 1000],
  ]),
  searchRecord({
    engine: 'exact',
    qps: 10,
    recall: 1,
    recallById: 1,
    ef: 0,
    buildS: null,
    rssBytesPerVector: null,
  }),
  searchRecord({ qps: 9000, ef: 20, threads: 2, recall: 0.97, recallById: 0.97 }),
  searchRecord({ qps: 3000, ef: 20, filter: 'random', selectivity: 0.01 }),
  searchRecord({ qps: 1000, ef: 20, filter: 'random', selectivity: 0.001, recall: 0.5 }),
  loadRecord({ loadS: 0.2, bareReadS: 0.17 }),
  {
    kind: 'kernel',
    run: 'Kernels',
    engine: 'wasm',
    version: '1',
    kernel: 'np_dot_i8',
    dim: 128,
    vectorBytes: 128,
    hotNs: 20,
    randomNs: 137,
    regionBytes: 1 << 20,
  },
  ...(['nearpin', 'constant', 'bare'] as const).map((server) => ({
    kind: 'service' as const,
    run: 'Serving',
    server,
    dataset: 'clustered-128',
    n: 1000,
    dim: 128,
    k: 10,
    ef: 128,
    format: 'json' as const,
    connections: 1,
    requests: 100,
    recall: server === 'nearpin' ? 0.99 : null,
    rps: 5000,
    rpsSpread: spreadOf([5000]),
    p50Us: spreadOf([server === 'nearpin' ? 900 : 300]),
    p99Us: 2000,
    p999Us: 3000,
    cpuUs: spreadOf([{ nearpin: 600, constant: 50, bare: 40 }[server]]),
    coreCpuUs: server === 'nearpin' ? spreadOf([520]) : null,
    searchP50Us: spreadOf([500]),
    searchCpuUs: spreadOf([500]),
  })),
  ...[1, 32].flatMap((connections) =>
    (['nearpin', 'constant', 'bare'] as const).map((server) => ({
      kind: 'service' as const,
      run: 'Serving',
      server,
      dataset: 'clustered-128',
      n: 1000,
      dim: 128,
      k: 10,
      ef: 128,
      format: 'msgpack' as const,
      client: 'autocannon' as const,
      connections,
      requests: 100,
      recall: server === 'nearpin' ? 0.99 : null,
      rps: 4000,
      rpsSpread: spreadOf([4000]),
      p50Us: spreadOf([1000]),
      p99Us: 2000,
      p999Us: 3000,
      cpuUs: null,
      coreCpuUs: null,
      searchP50Us: spreadOf([500]),
      searchCpuUs: spreadOf([500]),
    })),
  ),
  overloadRecord({ load: 1, goodRps: 990 }),
  overloadRecord({ load: 3, goodRps: 850, refusedRps: 2100, probeMaxMs: 12 }),
  ...[1, 3].map((load) => overloadRecord({ run: 'Related', asks: 'related', load, goodRps: 900 })),
];

test('engines are compared at equal recall, and not where either was not measured', () => {
  const [panel] = panelsOf([...wasm, ...hnswlib]);
  const at = (recall: number) => compare(panel!, [recall]).find(({ engine }) => engine === 'wasm')!;
  assert.equal(at(0.97).qps, 5000);
  assert.ok(at(0.97).qpsRatio!.median > 2.5);
  assert.ok(Math.abs(at(0.97).qpsRatio!.median - at(0.97).cpuRatio!.median) < 1e-9);
  assert.ok(at(0.91).qps! > 5000 && at(0.91).qpsRatio === null, 'hnswlib was not measured that low');
  assert.equal(at(0.9995).qps, null);
});

test('cost is followed over the sizes of one set at one recall', () => {
  const [at95] = scalingsOf(everything);
  const own = at95!.engines.find(({ engine }) => engine === 'wasm')!;
  assert.deepEqual(
    own.points.map(({ n }) => n),
    [1000, 10_000],
  );
  assert.ok(middleOf(own.points[1]!.us)! > middleOf(own.points[0]!.us)!);
  assert.deepEqual(scalingsOf([...wasm, ...hnswlib]), []);
});

test('a filtered point is held against the same search without a filter', () => {
  const [filtering] = filteringsOf(everything);
  assert.equal(filtering!.plain.ef, 20);
  assert.equal(filtering!.plain.selectivity, undefined);
  assert.deepEqual(
    filtering!.points.map(({ selectivity }) => selectivity),
    [0.01, 0.001],
  );
});

test('the tables say every engine, every kind of run and every note', () => {
  const text = formatResults(resultsOf(everything, ['faiss was left out']));
  for (const part of [
    'wasm',
    'hnswlib',
    'exact',
    'np_dot_i8',
    'constant',
    'autocannon',
    'random',
    'faiss was left out',
  ]) {
    assert.ok(text.includes(part), part);
  }
  // Built in 2 s where hnswlib took 4, 500 B a vector where it takes 700
  assert.match(text, /^wasm .* 500 +2\.00x +2\.0 +500 +0\.71x/m);
  // 600 us of CPU, of which 520 were searches in the core and 500 would be a search alone, against 50 and 40
  assert.match(text, /^nearpin .* 600 +520 +80\.0 +1\.60x +2\.00x +100 +2\.00x +2\.50x +400$/m);
  // 850 of a peak of 1,000 were answered in time
  assert.match(text, /^query, k 10 +3x +3,000 +850 +0\.85 +2,100 .* 12\.0 +2\.0 +3\.0$/m);
  assert.doesNotMatch(text, /NaN|undefined|Infinity|null/);
});

test('a table for a document has a rule, and numbers to the right', () => {
  const table = { title: 'T', heading: ['engine', 'QPS'], rows: [['wasm', '1,000']] };
  assert.equal(markdownTable(table), '| engine | QPS |\n| --- | ---: |\n| wasm | 1,000 |');
});

/** Tags that are opened and not closed, or closed and not opened. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const body = html.replace(/<style>[\s\S]*?<\/style>/g, '').replace(/<!doctype html>/, '');
  for (const [, close, tag, , empty] of body.matchAll(/<(\/?)([\w]+)((?:\s[^<>]*?)?)(\/?)>/g)) {
    if (empty === '/' || tag === 'meta') continue;
    if (close !== '/') open.push(tag!);
    else if (open.pop() !== tag) return [`</${tag}>`];
  }
  return open;
}

test('the page is whole, holds a plot of each curve, and no number that is none', () => {
  const page = reportPage(resultsOf(everything, ['a note']));
  assert.deepEqual(unbalanced(page), []);
  assert.doesNotMatch(page, /NaN|undefined|Infinity/);
  for (const part of ['<svg', 'polyline', 'recall@10', 'a note', 'A processor', 'np_dot_i8']) {
    assert.ok(page.includes(part), part);
  }
  assert.doesNotMatch(page, /(src|href)="[^#]|@import|url\(/, 'it needs nothing else');
});

test('what results say cannot become part of the page', () => {
  const bad = '<script>alert("1")</script>';
  const page = reportPage(
    resultsOf(
      curve({ engine: bad, version: bad, dataset: bad, run: bad }, [
        [0.9, 10],
        [0.95, 5],
      ]),
      [bad],
    ),
  );
  assert.ok(!page.includes('<script>'));
  assert.ok(page.includes('&lt;script&gt;'));
});

test('labels stay in order, apart and within the plot', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 18, max: 402 }), { maxLength: 20 }), (wanted) => {
      const placed = spreadLabels(wanted);
      const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]! || a - b);
      for (const [rank, i] of order.entries()) {
        assert.ok(placed[i]! >= 0 && placed[i]! <= 402, `${placed[i]}`);
        if (rank > 0) assert.ok(placed[i]! - placed[order[rank - 1]!]! >= 16 - 1e-9);
      }
    }),
    { seed: 5 },
  );
});

test('axes hold their values, rising from left to right', () => {
  for (const axis of [
    logAxis('x', [3, 700]),
    recallAxis('recall', [0.5, 0.99, 1], []),
    recallAxis('recall', [1], []),
  ]) {
    const places = axis.ticks.map(({ value }) => axis.place(value));
    for (const place of places) assert.ok(place >= 0 && place <= 1);
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
    );
  }
  assert.equal(recallAxis('recall', [0.5, 1], []).place(1) <= 1, true);
});
