/** An evaluation as tables and as a page. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type EvaluationReport, evaluationTables } from '../../bench/report/evaluation.ts';
import { evaluationPage } from '../../bench/report/evaluation-page.ts';
import { linearAxis } from '../../bench/report/intervals.ts';
import type { EvaluationCase } from '../../src/evaluation/case.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import type { System } from '../../src/evaluation/systems.ts';
import { NearpinError } from '../../src/lib/errors.ts';

async function* cases(): AsyncGenerator<EvaluationCase> {
  for (let i = 0; i < 20; i++) yield { at: `cases:${i + 1}`, request: { i }, relevant: new Map([['a', 1]]) };
}

async function reportOf(names: readonly string[], withNovelty: boolean): Promise<EvaluationReport> {
  const systems = names.map(
    (name, s): System => ({
      name,
      list: async ({ request }) => {
        if (s === 1 && request.i === 3) throw new NearpinError('overloaded', '<b>too much</b>');
        return s === 2 ? ['z'] : (request.i as number) % (s + 2) === 0 ? ['a', 'b'] : ['b', 'c'];
      },
    }),
  );
  const evaluation = await evaluate(cases(), systems, {
    ks: [1, 2],
    seed: 1,
    catalogue: 4,
    unitVector: async (id) => Float32Array.of(id.charCodeAt(0) % 2, 1),
    selfInformation: withNovelty ? () => 2 : undefined,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  return {
    surface: names[0]!,
    index: { name: '<i>', generation: '000001', model: null, count: 4, engine: 'wasm', metric: 'l2', dim: 2 },
    input: { cases: 'c.jsonl', interactions: null, variants: { wide: { ef: 300 } } },
    startedAt: '2026-01-02T03:04:05.000Z',
    tookS: 1.5,
    nearpin: '0.0.0',
    commit: null,
    node: 'v20',
    evaluation,
  };
}

test('tables have a row and its intervals for each system, a row for each comparison, and what failed', async () => {
  const [figures, compared, , , failures] = evaluationTables(await reportOf(['own', 'wide', 'none'], true));
  assert.deepEqual(figures!.heading, [
    'system',
    'failed',
    'recall',
    'hit rate',
    'MRR',
    'nDCG',
    'diversity',
    'novelty, bits',
    'coverage',
  ]);
  assert.deepEqual(figures!.rows[0]!.slice(0, 3), ['own', '0.0 %', '0.5000']);
  assert.match(figures!.rows[1]![2]!, /^\[0\.\d{4}, 0\.\d{4}\]$/);
  assert.equal(figures!.rows[2]![1], '5.0 %');
  // One pin of nothing but itself has no pairs; of a baseline that finds nothing there is no ratio
  assert.equal(figures!.rows[0]![6], '-');
  const recallOver = (baseline: string) =>
    compared!.rows.find((row) => row[0] === baseline && row[1] === 'recall')!;
  assert.equal(recallOver('none')[4], '-');
  assert.doesNotMatch(JSON.stringify(compared), /-0\.0+\b/);
  assert.equal(recallOver('wide')[2], (0.5 - 6 / 20).toFixed(4));
  assert.deepEqual(failures!.rows, [['wide', '1', 'overloaded', 'cases:4: <b>too much</b>']]);
});

test('metrics that were not measured are in no table', async () => {
  const text = JSON.stringify(evaluationTables(await reportOf(['own'], false)));
  assert.doesNotMatch(text, /novelty/);
  assert.match(text, /nDCG/);
});

test('the page is whole, tells everything and runs nothing of what it was given', async () => {
  const page = evaluationPage(await reportOf(['own', 'wide', '<script>alert(1)</script>'], true));
  assert.doesNotMatch(page, /<script|<b>|<i>own|undefined|NaN|null/);
  assert.match(page, /&lt;script&gt;/);
  assert.match(page, /id="k-1"[\s\S]*id="k-2"[\s\S]*id="failures"/);
  assert.equal(
    page.match(/<svg/g)!.length,
    2 * 7 - 1,
    'six metrics and the ratios, but no diversity of one pin',
  );
  for (const tag of ['table', 'svg', 'g', 'figure', 'div', 'ul', 'dl']) {
    const count = (pattern: RegExp) => page.match(pattern)?.length ?? 0;
    assert.equal(count(new RegExp(`<${tag}[ >]`, 'g')), count(new RegExp(`</${tag}>`, 'g')), tag);
  }
});

test('an axis holds its values, zero and below, with a handful of round ticks', () => {
  for (const values of [[0.148, 0.15], [3, 12], [-0.2, 0.4], [0], [0.00012]]) {
    const { place, ticks } = linearAxis('x', values);
    for (const value of [...values, 0]) assert.ok(place(value) >= 0 && place(value) <= 1, `${value}`);
    assert.ok(ticks.length >= 2 && ticks.length <= 8, `${values}: ${ticks.map(({ label }) => label)}`);
    for (const { value } of ticks) assert.ok(place(value) >= -1e-9 && place(value) <= 1 + 1e-9);
  }
});
