/** `nearpin train` as a user meets it: from interactions to an index, and wrong usage. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Prng } from '../../src/lib/prng.ts';
import { temporaryDir } from '../storage/temporary.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('vectors from interactions make an index that finds what goes together', async (t) => {
  const dir = await temporaryDir(t);
  const saves = join(dir, 'saves.txt');
  const pins = join(dir, 'pins.jsonl');
  const index = join(dir, 'index');
  const random = new Prng(1);
  const lists = Array.from({ length: 200 }, (_, i) => {
    const topic = i % 2 === 0 ? 'lamp' : 'boat';
    return `user${i} ${Array.from({ length: 4 }, () => `${topic}${random.below(10)}`).join(' ')}\n`;
  });
  await writeFile(saves, lists.join(''));

  const trained = run('train', saves, '--out', pins, '--dim', '4', '--threads', '2', '--json');
  assert.equal(trained.status, 0, trained.stderr);
  assert.equal(trained.stderr, '');
  const report = JSON.parse(trained.stdout) as { pins: number; metric: string };
  assert.deepEqual([report.pins, report.metric], [20, 'dot']);

  const built = run('build', pins, '--metric', report.metric, '--out', index);
  assert.equal(built.status, 0, built.stderr);
  const found = run('query', index, '--related', 'lamp0', '--k', '4', '--json');
  assert.equal(found.status, 0, found.stderr);
  const { hits } = JSON.parse(found.stdout) as { hits: { id: string }[] };
  assert.equal(hits.length, 4);
  for (const { id } of hits) assert.match(id, /^lamp/);
});

test('without --json it says how to build with the vectors', async (t) => {
  const dir = await temporaryDir(t);
  await writeFile(join(dir, 'saves.txt'), 'a 1 2\nb 3\n');
  const { status, stdout } = run('train', join(dir, 'saves.txt'), '--out', join(dir, 'pins.jsonl'));
  assert.equal(status, 0);
  assert.match(stdout, /2 pins of 128 dimensions, from 2 interactions of 1 users; 1 users with a single pin/);
  assert.match(stdout, /nearpin build .*pins\.jsonl --metric dot /);
});

test('a build under cosine notes lengths that it will not count, where they are uneven', async (t) => {
  const dir = await temporaryDir(t);
  const pins = join(dir, 'pins.jsonl');
  const build = async (lengths: readonly number[], ...more: string[]) => {
    const lines = lengths.map((length, i) =>
      JSON.stringify({ id: `p${i}`, vector: [0.6 * length, 0.8 * length] }),
    );
    await writeFile(pins, lines.join('\n'));
    const { status, stderr } = run('build', pins, '--out', join(dir, 'index'), ...more);
    assert.equal(status, 0, stderr);
    return stderr;
  };
  assert.match(
    await build([0.5, 3]),
    /^vectors are 0\.500 to 3\.00 long, .*--metric dot counts lengths, too$/m,
  );
  assert.equal(await build([0.5, 3], '--metric', 'dot'), '');
  assert.equal(await build([1, 1.9]), '');
});

test('what cannot be trained on ends with 1 and its line, wrong usage with 2', async (t) => {
  const dir = await temporaryDir(t);
  const saves = join(dir, 'saves.txt');
  const pins = join(dir, 'pins.jsonl');
  await writeFile(saves, `a 1 2\nb 1 ${'x'.repeat(200)}\n`);
  const bad = run('train', saves, '--out', pins);
  assert.equal(bad.status, 1);
  assert.match(bad.stderr, /saves\.txt:2: .*\(bad_pin_id\)/);
  assert.ok(!existsSync(pins));
  for (const wrong of [['--out', join(dir, 'pins.npy')], ['--out', pins, '--dim', '1'], []]) {
    assert.equal(run('train', saves, ...wrong).status, 2);
  }
  assert.deepEqual(await readdir(dir), ['saves.txt']);
});
