/** `nearpin eval` as a user meets it: files in, a table, JSON and a page out, here and at a server. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EvaluationReport } from '../../bench/report/evaluation.ts';
import type { Metric } from '../../src/evaluation/evaluate.ts';
import { Prng } from '../../src/lib/prng.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const GROUPS = 12;
const GROUP = 10;

function run(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: 60_000 });
}

describe('nearpin eval', () => {
  let folder: string;
  let index: string;
  let cases: string;
  let interactions: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'nearpin-eval-'));
    index = join(folder, 'indexes', 'groups');
    cases = join(folder, 'cases.jsonl');
    interactions = join(folder, 'saves.txt');
    // Pins of a group are near each other; a case asks for the other pins of a pin's group, users save within groups
    const prng = new Prng(2);
    const vectors = Array.from({ length: GROUPS }, () => Array.from({ length: 16 }, () => prng.normal()));
    const ids = (group: number) => Array.from({ length: GROUP }, (_, i) => `g${group}-${i}`);
    const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    const pins = join(folder, 'pins.jsonl');
    const near = (vector: readonly number[]) => vector.map((value) => value + 0.3 * prng.normal());
    writeFileSync(
      pins,
      lines(vectors.flatMap((vector, group) => ids(group).map((id) => ({ id, vector: near(vector) })))),
    );
    writeFileSync(
      cases,
      lines(
        vectors.map((_, group) => {
          const [seed, ...relevant] = ids(group);
          return { request: { pins: [seed] }, relevant, user: `user ${group % 6}` };
        }),
      ),
    );
    writeFileSync(
      interactions,
      vectors.map((_, group) => `user-${group} ${ids(group).slice(0, 5).join(' ')} gone\n`).join(''),
    );
    const built = run('build', pins, '--out', index);
    assert.equal(built.status, 0, built.stderr);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const related = (...more: string[]) =>
    run('eval', index, '--surface', 'related', '--cases', cases, ...more);

  function report(...more: string[]): EvaluationReport {
    const { status, stdout, stderr } = related('--json', ...more);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as EvaluationReport;
  }

  function value({ evaluation }: EvaluationReport, name: string, metric: Metric): number | null {
    return evaluation.systems.find((system) => system.name === name)!.figures.at(-1)!.metrics[metric].value;
  }

  it('finds the group of a pin, which popularity and chance do not, and half of it by who saved what', () => {
    const told = report(
      '--interactions',
      interactions,
      '--k',
      '3,9',
      '--baselines',
      'exact,popularity,item-knn,random',
    );
    assert.equal(told.evaluation.cases, GROUPS);
    assert.equal(told.evaluation.clusters, 6);
    assert.ok(value(told, 'related', 'recall')! > 0.95);
    assert.ok(value(told, 'item-knn', 'recall')! >= 4 / 9);
    assert.ok(value(told, 'popularity', 'recall')! < 0.2);
    assert.ok(value(told, 'random', 'recall')! < 0.3);
    assert.ok(value(told, 'related', 'novelty')! > 0);
    const over = told.evaluation.comparisons.find(({ baseline }) => baseline === 'popularity')!;
    assert.ok(over.figures[1]!.metrics.recall.difference.low! > 0.5);
    assert.equal(
      told.evaluation.comparisons[0]!.figures[0]!.metrics.recall.ratio.value,
      1,
      'exact search finds the same in an index this small',
    );
    assert.equal(told.index.count, GROUPS * GROUP);
  });

  it('compares variants of the request, without interactions, too', () => {
    const first = report('--baselines', 'exact', '--variant', 'few={"minScore": 0.999}', '--seed', '7');
    assert.deepEqual(
      first.evaluation.systems.map(({ name }) => name),
      ['related', 'exact', 'few'],
    );
    assert.equal(first.evaluation.seed, 7);
    assert.ok(value(first, 'few', 'recall')! < 0.1);
    assert.equal(value(first, 'related', 'novelty'), null, 'nobody knows how popular pins are');
  });

  it('prints tables and writes results and a page', () => {
    const out = join(folder, 'out');
    const { status, stdout, stderr } = related('--out', out, '--interactions', interactions);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^related, the first 10, over 12 cases\n\nsystem +failed +recall/);
    assert.match(stdout, /\nitem-knn +recall +0\.\d+ +\[/);
    assert.match(
      stderr,
      /^pins of the interactions that the index does not have: 1\n12 cases for related, exact/,
    );
    assert.match(stderr, /results\.json and report\.html are written/);
    const results = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as EvaluationReport;
    assert.deepEqual(
      results.evaluation.systems.map(({ name }) => name),
      ['related', 'exact', 'popularity', 'item-knn'],
    );
    assert.match(readFileSync(join(out, 'report.html'), 'utf8'), /<h1>nearpin eval: related<\/h1>/);
  });

  it('tells the share of requests that fail, and fails itself when all do', () => {
    const some = join(folder, 'some.jsonl');
    const request = (pin: string) => `${JSON.stringify({ request: { pins: [pin] }, relevant: ['g0-1'] })}\n`;
    writeFileSync(some, request('g0-0') + request('nobody') + request('nobody') + request('g0-2'));
    const args = ['eval', index, '--surface', 'related', '--baselines', 'exact', '--cases'];
    const { status, stdout } = run(...args, some);
    assert.equal(status, 0);
    assert.match(stdout, /related +50\.0 %/);
    assert.match(stdout, /related +2 +unknown_pin +\S*some\.jsonl:2: .*nobody/);
    writeFileSync(some, request('nobody'));
    const failed = run(...args, some);
    assert.equal(failed.status, 1);
    assert.match(failed.stderr, /some\.jsonl:1: .*nobody.*\(unknown_pin\)/);
  });

  it('names a bad case by its line before anything is asked, and what else is wrong', () => {
    const bad = join(folder, 'bad.jsonl');
    const good = '{"request": {"pins": ["g0-0"]}, "relevant": ["g0-1"]}\n';
    writeFileSync(bad, `${good}\n{"request": {"pins": ["g0-0"]}, "relevant": []}\n`);
    const { status, stderr } = run('eval', index, '--surface', 'related', '--cases', bad);
    assert.equal(status, 1);
    assert.match(stderr, /bad\.jsonl:3: relevant.*\(bad_case\)/);
    writeFileSync(bad, '');
    assert.match(run('eval', index, '--surface', 'related', '--cases', bad).stderr, /\(bad_case\)/);
    assert.match(related('--baselines', 'popularity').stderr, /popularity needs --interactions/);
    assert.match(related('--variant', 'exact={}').stderr, /more than one exact/);
    for (const usage of [related('--variant', 'nothing'), run('eval', index, '--cases', cases)]) {
      assert.equal(usage.status, 2, usage.stderr);
    }
    assert.match(run('eval', '--help').stdout, /Examples:\n {2}nearpin eval /);
  });

  it('says once that no pin has words, in place of a baseline that finds nothing', () => {
    const searches = join(folder, 'searches.jsonl');
    const vector = Array.from({ length: 16 }, () => 1);
    writeFileSync(searches, `${JSON.stringify({ request: { vector }, relevant: ['g0-1'] })}\n`);
    const search = (...more: string[]) =>
      run('eval', index, '--surface', 'search', '--cases', searches, ...more);
    const { status, stdout, stderr } = search();
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^bm25 is left out: no pin of the index has words\n1 cases for search, exact\n/);
    assert.doesNotMatch(stdout, /bm25/);
    assert.match(search('--baselines', 'bm25').stderr, /--baselines: bm25 needs pins with words/);
  });

  it('says the same of an index at a server', async () => {
    const args = ['serve', '--indexes', join(folder, 'indexes'), '--port', '0', '--workers', '1'];
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      const more = ['--interactions', interactions];
      const here = report(...more);
      const there = report(...more, '--url', url);
      assert.deepEqual(there.evaluation, here.evaluation);
      assert.deepEqual(there.index, here.index);
      assert.match(related('--url', url, '--baselines', 'random').stderr, /random is not one of/);
    } finally {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
  });

  it('checks the arms of experiments by a log of exposures, and warns of what chance does not explain', () => {
    const log = join(folder, 'exposures.jsonl');
    const mixer = join(index, 'mixer.json');
    const check = (...more: string[]) => run('eval', index, '--exposures', log, ...more);
    const arm = (name: string, lambda: number) => ({
      name,
      share: 0.5,
      parameters: { 'related.diversity': { lambda } },
    });
    const experiment = {
      name: 'diverse',
      surface: 'related',
      to: 10_000,
      arms: [arm('a', 0.3), arm('b', 0.7)],
    };
    const layer = { name: 'l', salt: 's', parameters: ['related.diversity'], experiments: [experiment] };
    writeFileSync(log, '');
    writeFileSync(mixer, JSON.stringify({ experiments: { layers: [layer] } }));
    assert.match(check().stderr, /\(bad_file\)/);

    const exposures = (a: number, b: number) =>
      Array.from({ length: a + b }, (_, i) => {
        const record = {
          kind: 'exposure',
          index: 'groups',
          experiment: 'diverse',
          arm: i < a ? 'a' : 'b',
          unit: `u${i}`,
        };
        return `${JSON.stringify(record)}\n`;
      }).join('');
    writeFileSync(log, `${exposures(510, 490)}{"kind": "expos\n`);
    const fair = check();
    assert.equal(fair.status, 0, fair.stderr);
    assert.match(
      fair.stdout,
      /diverse +a +50 % +510 +500\.0 +0\.40 +0\.5271 +as it should be\n +b +50 % +490/,
    );
    assert.match(fair.stderr, /lines that are no records: 1; the first: .*exposures\.jsonl:1001/);
    assert.doesNotMatch(fair.stderr, /WARNING/);
    writeFileSync(log, exposures(600, 400));
    const unfair = check();
    assert.match(unfair.stderr, /WARNING: diverse: .*p = 2\.5e-10/);
    assert.equal(JSON.parse(check('--json').stdout).experiments[0].isSuspect, true);
    assert.equal(check('--surface', 'related').status, 2);
    rmSync(mixer);
  });

  it('an interrupted one says so and writes nothing', async () => {
    const many = join(folder, 'many.jsonl');
    writeFileSync(many, readFileSync(cases, 'utf8').repeat(2000));
    const out = join(folder, 'never');
    const args = ['eval', index, '--surface', 'related', '--cases', many, '--out', out];
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    const ended = once(child, 'exit');
    while (!stderr.includes('24,000 cases for related, exact')) await once(child.stderr, 'data');
    child.kill('SIGINT');
    const [code] = (await ended) as [number];
    assert.equal(code, 1, stderr);
    assert.match(stderr, /interrupted/);
    assert.equal(existsSync(out), false);
  });
});
