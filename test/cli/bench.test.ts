import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { drawClustered, take } from '../../bench/clustered.ts';
import type { Results, SearchRecord } from '../../bench/report/record.ts';
import { sortedByDistance } from '../bench/neighbours.ts';
import { vecsBytes } from '../storage/formats/vector-bytes.ts';
import { temporaryDir } from '../storage/temporary.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

function bench(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'bench', ...args], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status, stdout, stderr };
}

test('vectors, queries and truth from files give results, a table and a page', async (t) => {
  const folder = await temporaryDir(t);
  const at = (name: string) => join(folder, name);
  const sequence = drawClustered(16, 1);
  const queries = take(sequence, 20);
  const vectors = take(sequence, 500);
  writeFileSync(at('base.fvecs'), vecsBytes(vectors));
  writeFileSync(at('queries.fvecs'), vecsBytes(queries));
  const truth = queries.map((query) => Int32Array.from(sortedByDistance('l2', query, vectors).slice(0, 10)));
  writeFileSync(at('truth.ivecs'), vecsBytes(truth));
  const files = ['--base', at('base.fvecs'), '--queries', at('queries.fvecs')];
  const common = ['--metric', 'l2', '--engines', 'wasm,exact', '--k', '10', '--ef', '10,60', '--passes', '2'];
  const out = ['--cache', at('cache'), '--out', at('out')];

  const run = bench(...files, '--truth', at('truth.ivecs'), ...common, ...out, '--json');
  assert.equal(run.status, 0, run.stderr);
  const results = JSON.parse(run.stdout) as Results;
  assert.deepEqual(results, JSON.parse(readFileSync(at('out/results.json'), 'utf8')));
  assert.match(readFileSync(at('out/report.html'), 'utf8'), /^<!doctype html>[\s\S]*wasm[\s\S]*<\/html>\n$/);

  assert.equal(
    results.command,
    `nearpin bench ${[...files, '--truth', at('truth.ivecs'), ...common].join(' ')} --json`,
  );
  assert.match(readFileSync(at('out/bars.md'), 'utf8'), /^\| what \| on \| measured/);

  const records = results.records as readonly SearchRecord[];
  assert.deepEqual(records.map(({ engine, ef }) => [engine, ef]).sort(), [
    ['exact', 0],
    ['wasm', 10],
    ['wasm', 60],
  ]);
  for (const record of records) {
    assert.deepEqual(
      [record.dataset, record.n, record.dim, record.metric, record.k],
      ['base', 500, 16, 'l2', 10],
    );
    for (const field of [
      'version',
      'params',
      'recall',
      'qps',
      'p50Us',
      'p99Us',
      'cpuUs',
      'buildS',
      'bytesPerVector',
    ] as const) {
      assert.ok(record[field], `${record.engine} says no ${field}`);
    }
    assert.ok(record.recall > 0.8 && record.recall <= 1);
  }
  assert.equal(records.find(({ engine }) => engine === 'exact')!.recall, 1);
  assert.match(results.coreSha256, /^[0-9a-f]{64}$/);
  assert.ok(results.machine.cores > 0 && results.node === process.version);

  // Truth that is computed is kept, and the same
  const computed = bench(...files, ...common, ...out);
  assert.equal(computed.status, 0, computed.stderr);
  assert.match(computed.stdout, /exact +- +1\.0000/);
  assert.equal(readdirSync(at('cache')).filter((name) => name.startsWith('truth-')).length, 2);

  // Truth of something else is refused
  writeFileSync(at('truth.ivecs'), vecsBytes(truth.toReversed()));
  const wrong = bench(...files, '--truth', at('truth.ivecs'), ...common, ...out);
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /truth: holds .* of the 10 nearest by l2/);
});

test('a definition that fails costs the others nothing but the exit code', async (t) => {
  const folder = await temporaryDir(t);
  const at = (name: string) => join(folder, name);
  writeFileSync(at('base.fvecs'), vecsBytes(take(drawClustered(16, 1), 500)));
  writeFileSync(at('cut.fvecs'), readFileSync(at('base.fvecs')).subarray(0, -3));
  for (const name of ['cut', 'base']) {
    const definition = {
      title: `Of ${name}`,
      kind: 'search',
      sets: [{ base: at(`${name}.fvecs`), metric: 'l2', queryCount: 20 }],
      engines: ['exact'],
      passes: 1,
    };
    writeFileSync(at(`${name}.json`), JSON.stringify(definition));
  }
  const args = ['--definition', `${at('cut.json')},${at('base.json')}`];
  const { status, stdout, stderr } = bench(...args, '--cache', at('cache'), '--out', at('out'));
  assert.equal(status, 1);
  assert.match(stdout, /exact/);
  assert.match(stderr, /Of cut failed: .*cut\.fvecs/);
  const { records, notes } = JSON.parse(readFileSync(at('out/results.json'), 'utf8')) as Results;
  assert.deepEqual(
    records.map(({ kind, run }) => [kind, run]),
    [['search', 'Of base']],
  );
  assert.match(notes.join(), /Of cut failed/);
});

test('flags that make no sense are wrong usage, and nothing is written', async (t) => {
  const out = join(await temporaryDir(t), 'out');
  for (const [args, message] of [
    [[], /--definition, --set or --base/],
    [['--queries', 'q.fvecs'], /need a --base/],
    [['--set', 'clustered', '--base', 'b.fvecs'], /cannot both/],
    [['--set', 'clustered', '--engines', 'abacus'], /abacus is not one of/],
    [['--set', 'clustered', '--ef', '10,x'], /--ef/],
    [['--set', 'clustered', '--metric', 'taste'], /metric/],
    [['--definition', 'none'], /neither a file nor one of/],
    [['--base', join(out, 'none.fvecs')], /none\.fvecs/],
  ] as const) {
    const { status, stderr } = bench(...args, '--cache', `${out}-cache`, '--out', out);
    assert.notEqual(status, 0, stderr);
    assert.match(stderr, message);
    assert.ok(!existsSync(out));
  }
});
