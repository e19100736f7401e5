import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DEFINITION_DEFAULTS, override } from '../../bench/definition.ts';
import type { Results } from '../../bench/report/record.ts';
import { ofKind } from '../../bench/report/summary.ts';
import { runBench } from '../../bench/run.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { temporaryDir } from '../storage/temporary.ts';

const small = (title: string, count: number, rebuild = false) =>
  override(
    { ...DEFINITION_DEFAULTS, title, engines: ['wasm'], ef: [16], passes: 1, rebuild },
    { sets: [{ name: 'clustered', dim: 16, count, queryCount: 50 }] },
  );

const OPTIONS = {
  dataDir: undefined,
  cores: undefined,
  command: 'nearpin bench',
  now: () => new Date(),
  onNote() {},
};

test('a run that is interrupted leaves what the definitions before have measured', async (t) => {
  const folder = await temporaryDir(t);
  const outDir = join(folder, 'out');
  const written = ['results.json', 'report.html', 'bars.md'].map((name) => join(outDir, name));
  const abort = new AbortController();
  const running = runBench({
    ...OPTIONS,
    definitions: [small('First', 2000), small('Second', 3000)],
    outDir,
    cacheDir: join(folder, 'cache'),
    reuse: false,
    signal: abort.signal,
    onProgress() {
      if (written.every((file) => existsSync(file))) abort.abort(new NearpinError('interrupted', 'enough'));
    },
  });
  await assert.rejects(running, { code: 'interrupted' });
  const { titles, records } = JSON.parse(readFileSync(written[0]!, 'utf8')) as Results;
  assert.deepEqual(titles, ['First']);
  assert.deepEqual([...new Set(records.map(({ run }) => run))], ['First']);
});

test('an index that was kept is read again, but where the definition is about building it', async (t) => {
  const folder = await temporaryDir(t);
  const { results } = await runBench({
    ...OPTIONS,
    definitions: [small('Built', 2000), small('Read', 2000), small('Built again', 2000, true)],
    outDir: join(folder, 'out'),
    cacheDir: join(folder, 'cache'),
    reuse: true,
    signal: new AbortController().signal,
    onProgress() {},
  });
  const built = ofKind(results.records, 'search').map(({ run, buildS }) => [run, buildS !== null]);
  assert.deepEqual(built, [
    ['Built', true],
    ['Read', false],
    ['Built again', true],
  ]);
});
