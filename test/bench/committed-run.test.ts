/** What is said of speed is what was measured: the committed runs, and the README that quotes them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { barsOf } from '../../bench/report/bars.ts';
import { reportPage } from '../../bench/report/page.ts';
import type { Results } from '../../bench/report/record.ts';
import { barTable } from '../../bench/report/tables.ts';
import { markdownTable } from '../../bench/report/text.ts';

/** Compiled, this file lies in dist/test/bench. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}${path}`, 'utf8');

for (const run of ['bench/results', 'bench/results/service'])
  test(`the README quotes the bars of ${run}, which is whole`, () => {
    const results = JSON.parse(read(`${run}/results.json`)) as Results;
    const bars = `${markdownTable(barTable(barsOf(results.records)))}\n`;
    assert.equal(read(`${run}/bars.md`), bars);
    assert.equal(read(`${run}/report.html`), reportPage(results));
    assert.equal(results.isDirty, false, 'of a commit');
    assert.ok(read('README.md').includes(bars), `the README quotes something else than ${run}/bars.md`);
  });
