/** A mixer file beside a real index: a server takes it while it serves, and `nearpin mixer` says what is in it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildIndex } from '../../src/build/build-index.ts';
import { createCatalog } from '../../src/cli/catalog.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { openIndex } from '../../src/library/library.ts';
import { describeIndex } from '../../src/retrieval/describe.ts';
import { armBucket, layerBucket } from '../../src/retrieval/experiments/assign.ts';
import type { ServedIndex } from '../../src/retrieval/open-index.ts';
import { runQuery } from '../../src/retrieval/query.ts';
import { runRelated } from '../../src/retrieval/related.ts';
import { rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { buildOptions } from '../support/built-index.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const MIXER = {
  experiments: {
    holdout: { salt: 'h', share: 0.5 },
    layers: [
      {
        name: 'groups',
        salt: 'g1',
        parameters: ['related.groupBy'],
        experiments: [
          {
            name: 'boards',
            surface: 'related',
            to: 9000,
            arms: [
              { name: 'control', share: 0.25 },
              { name: 'one', share: 0.75, parameters: { 'related.groupBy': { field: 'board', size: 1 } } },
            ],
          },
          {
            name: 'drafts',
            surface: 'related',
            from: 9000,
            to: 10_000,
            interleave: true,
            arms: [{ name: 'a' }, { name: 'b' }],
          },
        ],
      },
    ],
  },
  shadows: [{ name: 'first', share: 0.5, generation: '000001' }],
};

/** An index of two generations of the same pins, the second one current. */
async function build(t: TestContext): Promise<{ dir: string; indexDir: string }> {
  const dir = await temporaryDir(t);
  const indexDir = join(dir, 'indexes', 'demo');
  const file = join(dir, 'pins.jsonl');
  const pins = Array.from({ length: 60 }, (_, i) => ({
    id: `p${i}`,
    vector: [Math.cos(i), Math.sin(i), Math.cos(3 * i)],
    attributes: { board: `b${i % 6}` },
  }));
  await writeFile(file, pins.map((pin) => JSON.stringify(pin)).join('\n'));
  const config = { metric: 'cosine' as const, attributes: { board: 'keyword' as const } };
  for (let i = 0; i < 2; i++) await buildIndex(buildOptions([file], indexDir, { config }));
  return { dir, indexDir };
}

async function until(isThere: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !isThere(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(isThere(), 'it did not come');
}

it('a catalog takes the mixer file of an index while it serves, and keeps what it had when that is bad', async (t) => {
  const { indexDir } = await build(t);
  const host = createEngineHost('wasm', 1);
  const warnings: string[] = [];
  const source = { allowDownload: false };
  const catalog = await createCatalog(join(indexDir, '..'), host, source, (index, { code }) =>
    warnings.push(`${index} ${code}`),
  );
  t.after(async () => {
    await catalog.close();
    await host.close();
  });
  await catalog.load(() => {});
  const entry = catalog.get('demo');
  assert.ok(entry?.status === 'ready');
  const demo: ServedIndex = entry.index;
  const related = (unit: string) =>
    demo.use((index) => runRelated(index, { pins: ['p1'], unit, k: 20 }, () => 0));
  const mixer = () => describeIndex(demo).mixer;
  assert.equal(mixer(), undefined);

  const write = async (text: string) => {
    await writeFile(join(indexDir, 'mixer.next'), text);
    await rename(join(indexDir, 'mixer.next'), join(indexDir, 'mixer.json'));
  };
  await write(JSON.stringify(MIXER));
  await until(() => mixer() !== undefined);
  assert.deepEqual(mixer(), { experiments: ['boards', 'drafts'], shadows: ['first'] });
  const unit = Array.from({ length: 200 }, (_, i) => `u${i}`).find(
    (each) =>
      layerBucket('h', each) >= 5000 &&
      layerBucket('g1', each) < 9000 &&
      armBucket('g1', 'boards', each) >= 2500,
  )!;
  assert.equal((await related(unit)).hits.length, 6);

  await until(() => demo.beside?.('000001') !== undefined);
  const beside = demo.beside!('000001')!;
  const query = { vector: [1, 0, 0], k: 5 };
  const [old, current] = await Promise.all(
    [beside, demo].map((served) => served.use((index) => runQuery(index, query, () => 0))),
  );
  assert.ok('hits' in old! && 'hits' in current!);
  assert.deepEqual([old.generation, current.generation], ['000001', '000002']);
  assert.deepEqual(old.hits, current.hits);
  const { config } = demo.current().engine;
  await demo.live!.upsert(
    [{ id: 'new', vector: Float32Array.of(1, 0, 0.1), attributes: { board: 'b0' }, payload: undefined }],
    config,
  );
  const counts = () => [beside, demo].map((served) => served.current().engine.describe().count);
  await until(() => counts()[0] === 61);
  assert.deepEqual(counts(), [61, 61]);

  await write('{"surfaces": {"related": {"k": 0}}}');
  await until(() => mixer()?.problem !== undefined);
  assert.equal(mixer()!.problem!.code, 'bad_config');
  assert.deepEqual(mixer()!.experiments, ['boards', 'drafts']);
  assert.deepEqual(warnings, ['demo bad_config']);
  assert.equal((await related(unit)).hits.length, 6);

  await write(JSON.stringify({ shadows: [{ name: 'none', share: 1, generation: '000009' }] }));
  await until(() => warnings.length === 2);
  assert.equal(warnings[1], 'demo unknown_generation');
  assert.equal(demo.beside!('000001'), undefined);
  await rm(join(indexDir, 'mixer.json'));
  await until(() => mixer() === undefined);
  assert.equal((await related(unit)).hits.length, 20);
});

it('the embedded library answers by a mixer config that it is handed, and refuses a bad one', async (t) => {
  const { indexDir } = await build(t);
  const index = await openIndex(indexDir, { workers: 1, mixer: MIXER });
  t.after(() => index.close());
  const answer = await index.related({ pins: ['p1'], k: 20, variants: { boards: 'one' } });
  assert.equal(answer.hits.length, 6);
  assert.deepEqual(answer.experiments, [{ experiment: 'boards', arm: 'one', forced: true }]);
  const bad = openIndex(indexDir, { workers: 1, readOnly: true, mixer: { surfaces: { related: { k: 0 } } } });
  await rejects(bad, 'bad_config', 'surfaces.related.k');
});

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
};

it('commands that open an index answer as its mixer file says', async (t) => {
  const { dir, indexDir } = await build(t);
  const groupBy = { field: 'board', size: 1 };
  await writeFile(join(indexDir, 'mixer.json'), JSON.stringify({ surfaces: { related: { groupBy } } }));
  const asked = run('query', indexDir, '--related', 'p1', '--k', '20', '--json');
  assert.equal(JSON.parse(asked.stdout).hits.length, 6, asked.stderr);
  const history = join(dir, 'history.jsonl');
  await writeFile(history, JSON.stringify({ user: 'ann', history: ['p1'] }));
  await writeFile(join(indexDir, 'mixer.json'), JSON.stringify({ surfaces: { homefeed: { groupBy } } }));
  const out = join(dir, 'out.jsonl');
  const batch = run(
    'batch',
    history,
    '--index',
    indexDir,
    '--surface',
    'homefeed',
    '--k',
    '20',
    '--out',
    out,
  );
  assert.equal(batch.status, 0, batch.stderr);
  assert.equal(JSON.parse(await readFile(out, 'utf8')).hits.length, 6);
});

describe('nearpin mixer', () => {
  const nearpin = (...args: string[]) => run('mixer', ...args);

  it('shows the experiments of an index, what a unit gets, and where a file is wrong', async (t) => {
    const { dir, indexDir } = await build(t);
    assert.equal(nearpin(indexDir).stdout, 'no experiments\n');
    await writeFile(join(indexDir, 'mixer.json'), JSON.stringify(MIXER));
    const shown = nearpin(indexDir);
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, /^groups +boards +related +0-8999 +control 25 %, one 75 %$/m);
    assert.match(shown.stdout, /^groups +drafts +related +9000-9999 +a with b$/m);
    assert.match(shown.stdout, /^ +holdout +all +0-4999 +held$/m);
    assert.match(shown.stdout, /^shadow first: 50 % to generation 000001$/m);

    const unit = 'user-1';
    const [row] = JSON.parse(nearpin(indexDir, '--unit', unit, '--json').stdout).layers;
    const isHeld = layerBucket('h', unit) < 5000;
    const bucket = layerBucket('g1', unit);
    const drawn = armBucket('g1', 'boards', unit) < 2500 ? 'control' : 'one';
    assert.deepEqual(row, {
      layer: 'groups',
      bucket,
      experiment: bucket < 9000 ? 'boards' : 'drafts',
      surface: 'related',
      arm: isHeld ? 'held out' : bucket < 9000 ? drawn : 'interleaved',
    });

    const file = join(dir, 'bad.json');
    await writeFile(file, '{"experiments": {"layers": [{"name": "l"}]}}');
    const bad = nearpin(indexDir, file, '--json');
    assert.equal(bad.status, 1);
    assert.match(bad.stderr, /experiments\.layers\[0\]\.salt: .* \(bad_config\)/);
    assert.equal(JSON.parse(bad.stdout).error.code, 'bad_config');
    assert.equal(nearpin(indexDir, join(dir, 'none.json')).status, 1);
  });
});
