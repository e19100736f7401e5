/** What is said of speed is what was measured: the committed run, and the README that quotes it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { barsOf } from '../../bench/report/bars.ts';
import { reportPage } from '../../bench/report/page.ts';
import type { Results } from '../../bench/report/record.ts';
import { barTable } from '../../bench/report/tables.ts';
import { markdownTable } from '../../bench/report/text.ts';

/** Compiled, this file lies in dist/test/bench. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const RUN = `${ROOT}bench/results/`;
const read = (path: string) => readFileSync(path, 'utf8');

test('the README quotes the bars of the committed run, which is whole', (t) => {
  if (!existsSync(`${RUN}results.json`)) {
    assert.doesNotMatch(read(`${ROOT}README.md`), /^\| what \| on \| measured/m, 'bars of no committed run');
    return t.skip('no run is committed yet');
  }
  const results = JSON.parse(read(`${RUN}results.json`)) as Results;
  const bars = `${markdownTable(barTable(barsOf(results.records)))}\n`;
  assert.equal(read(`${RUN}bars.md`), bars);
  assert.equal(read(`${RUN}report.html`), reportPage(results));
  assert.ok(
    read(`${ROOT}README.md`).includes(bars),
    'the README quotes something else than bench/results/bars.md',
  );
});
