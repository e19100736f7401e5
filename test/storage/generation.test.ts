import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import test, { describe } from 'node:test';
import { resolveConfig } from '../../src/index/config.ts';
import { encodeManifest, type Manifest } from '../../src/index/manifest.ts';
import {
  abandonStaging,
  currentGeneration,
  listGenerations,
  publishGeneration,
  readManifest,
  removeGeneration,
  setCurrentGeneration,
  stageGeneration,
} from '../../src/storage/generation.ts';
import { rejects } from '../lib/refuses.ts';
import { temporaryDir } from './temporary.ts';

const modulePath = new URL('../../src/storage/generation.js', import.meta.url).href;

function manifestOf(generation: string): Manifest {
  return {
    generation,
    seq: 0,
    count: 0,
    config: resolveConfig({ dim: 4 }),
    model: null,
    shards: [{ file: 'shard-000.seg', bytes: 4096, crc32: '00000000', count: 0 }],
    pins: { dir: 'pins', bytes: 8192, crc32: '00000000', count: 0 },
  };
}

/** Publishes a generation that holds one file with this text. */
async function publish(index: string, text: string): Promise<string> {
  const staging = await stageGeneration(index);
  await mkdir(join(staging, 'pins'));
  await writeFile(join(staging, 'pins', 'data'), text);
  return publishGeneration(staging, (generation) => encodeManifest(manifestOf(generation)));
}

describe('publishing', () => {
  test('makes generations that count up, the newest of them current', async (t) => {
    const index = join(await temporaryDir(t), 'indexes', 'demo');
    assert.equal(await publish(index, 'one'), '000001');
    assert.equal(await currentGeneration(index), '000001');
    assert.equal(await publish(index, 'two'), '000002');
    assert.equal(await currentGeneration(index), '000002');
    assert.deepEqual(await listGenerations(index), ['000001', '000002']);
    assert.equal(await readFile(join(index, '000002', 'pins', 'data'), 'utf8'), 'two');
    assert.equal((await readManifest(join(index, '000002'))).generation, '000002');
    assert.deepEqual((await readdir(index)).sort(), ['000001', '000002', 'CURRENT']);
    assert.equal(await readFile(join(index, 'CURRENT'), 'utf8'), '000002\n');
  });

  test('makes what others may read', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    await publish(index, 'one');
    const plain = join(index, 'plain');
    await mkdir(plain);
    assert.equal((await stat(join(index, '000001'))).mode, (await stat(plain)).mode);
  });

  test('counts on after six digits', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    await publish(index, 'one');
    await rename(join(index, '000001'), join(index, '999999'));
    assert.equal(await publish(index, 'two'), '1000000');
    assert.equal(await publish(index, 'three'), '1000001');
    assert.deepEqual(await listGenerations(index), ['999999', '1000000', '1000001']);
  });

  test('twice at once gives two generations', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    const names = await Promise.all(['a', 'b', 'c', 'd'].map((text) => publish(index, text)));
    assert.deepEqual([...names].sort(), ['000001', '000002', '000003', '000004']);
    for (const name of names) assert.equal((await readManifest(join(index, name))).generation, name);
    assert.ok(names.includes(await currentGeneration(index)));
    assert.equal((await readdir(index)).length, 5);
  });

  test('fails when the staging directory is gone, and leaves what was', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    await publish(index, 'one');
    const staging = await stageGeneration(index);
    await rm(staging, { recursive: true });
    await rejects(
      publishGeneration(staging, () => new Uint8Array()),
      'missing_file',
    );
    assert.equal(await currentGeneration(index), '000001');
  });
});

describe('rolling back and removing', () => {
  test('an older generation can be made current again, durably and by name', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    await publish(index, 'one');
    await publish(index, 'two');
    await setCurrentGeneration(index, '000001');
    assert.equal(await currentGeneration(index), '000001');
    assert.equal(await publish(index, 'three'), '000003');
    assert.deepEqual((await readdir(index)).sort(), ['000001', '000002', '000003', 'CURRENT']);
  });

  for (const name of ['000009', '1', '', '..', '../demo/000001', '0000001', '000001\n', '/etc']) {
    test(`there is no generation ${JSON.stringify(name)} to make current or remove`, async (t) => {
      const index = join(await temporaryDir(t), 'demo');
      await publish(index, 'one');
      await rejects(setCurrentGeneration(index, name), 'missing_file');
      await rejects(removeGeneration(index, name), 'missing_file');
      assert.equal(await currentGeneration(index), '000001');
    });
  }

  test('only a generation that is not current can be removed', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    await publish(index, 'one');
    await publish(index, 'two');
    await rejects(removeGeneration(index, '000002'), 'bad_request');
    await removeGeneration(index, '000001');
    assert.deepEqual((await readdir(index)).sort(), ['000002', 'CURRENT']);
  });
});

describe('an index directory', () => {
  test('that does not exist, or never held a generation, is no index', async (t) => {
    const dir = await temporaryDir(t);
    await rejects(currentGeneration(join(dir, 'none')), 'unknown_index');
    await rejects(listGenerations(join(dir, 'none')), 'unknown_index');
    await rejects(currentGeneration(dir), 'unknown_index');
    assert.deepEqual(await listGenerations(dir), []);
    await stageGeneration(join(dir, 'staged'));
    await rejects(currentGeneration(join(dir, 'staged')), 'unknown_index');
    await writeFile(join(dir, 'file'), '');
    await rejects(currentGeneration(join(dir, 'file')), 'unknown_index');
  });

  test('names what is missing of it', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    await publish(index, 'one');
    await publish(index, 'two');
    await rm(join(index, '000002'), { recursive: true });
    await rejects(currentGeneration(index), 'missing_file', join(index, '000002'));
    await rm(join(index, 'CURRENT'));
    await rejects(currentGeneration(index), 'missing_file', join(index, 'CURRENT'));
  });

  for (const text of [
    '',
    '\n',
    '000001',
    '00000',
    '1\n',
    '../000001\n',
    '000001\r\n',
    '000001\n\n',
    'x'.repeat(65),
    '\xff\xfe',
  ]) {
    test(`is damaged when CURRENT holds ${JSON.stringify(text.slice(0, 20))}`, async (t) => {
      const index = join(await temporaryDir(t), 'demo');
      await publish(index, 'one');
      await writeFile(join(index, 'CURRENT'), text, 'latin1');
      await rejects(currentGeneration(index), 'corrupt_file', join(index, 'CURRENT'));
    });
  }
});

describe('the manifest of a generation', () => {
  test('must be there, be one, and be its own', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    await publish(index, 'one');
    await rename(join(index, '000001'), join(index, '000005'));
    const file = join(index, '000005', 'manifest.json');
    await rejects(readManifest(join(index, '000005')), 'corrupt_file', file);
    await writeFile(file, '{}');
    await rejects(readManifest(join(index, '000005')), 'corrupt_file');
    await writeFile(file, Buffer.alloc(2 ** 20 + 1));
    await rejects(readManifest(join(index, '000005')), 'corrupt_file', file);
    await rm(file);
    await rejects(readManifest(join(index, '000005')), 'missing_file', file);
  });
});

describe('staging directories', () => {
  test('of a killed process go with the next build, those in use stay', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    const program = `
      import { stageGeneration } from ${JSON.stringify(modulePath)};
      console.log(await stageGeneration(${JSON.stringify(index)}));
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    t.after(() => child.kill('SIGKILL'));
    const theirs = await new Promise<string>((resolve) => {
      child.stdout.on('data', (chunk) => resolve(basename(String(chunk).trim())));
    });
    assert.ok(theirs.startsWith(`.staging-${child.pid}-`));

    const mine = basename(await stageGeneration(index));
    const foreign = '.staging-notes';
    await mkdir(join(index, foreign));
    const another = basename(await stageGeneration(index));
    assert.deepEqual(new Set(await readdir(index)), new Set([theirs, mine, another, foreign]));

    child.kill('SIGKILL');
    await new Promise((resolve) => child.on('exit', resolve));
    await abandonStaging(join(index, another));
    const last = basename(await stageGeneration(index));
    assert.deepEqual(new Set(await readdir(index)), new Set([mine, last, foreign]));
  });

  test('of a former process with the same id go too', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    const left = join(index, `.staging-${process.pid}-1`);
    await mkdir(left, { recursive: true });
    await writeFile(join(left, 'half'), 'written');
    const staging = await stageGeneration(index);
    assert.deepEqual(await readdir(index), [basename(staging)]);
    assert.deepEqual(await readdir(staging), []);
  });

  test('are known by whatever path the index is given', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    const first = await stageGeneration(index);
    const second = await stageGeneration(relative(process.cwd(), index));
    assert.deepEqual(new Set(await readdir(index)), new Set([basename(first), basename(second)]));
    assert.equal(dirname(first), dirname(second));
  });
});

describe('a process that is killed while it publishes', () => {
  test('leaves a whole generation current, whenever it dies', async (t) => {
    const index = join(await temporaryDir(t), 'demo');
    await publish(index, 'first');
    const program = `
      import { mkdir, writeFile } from 'node:fs/promises';
      import { join } from 'node:path';
      import { publishGeneration, stageGeneration } from ${JSON.stringify(modulePath)};
      import { encodeManifest } from ${JSON.stringify(new URL('../../src/index/manifest.js', import.meta.url).href)};
      const manifest = JSON.parse(process.argv[1]);
      console.log('ready');
      for (;;) {
        const staging = await stageGeneration(${JSON.stringify(index)});
        await mkdir(join(staging, 'pins'));
        await writeFile(join(staging, 'pins', 'data'), 'later');
        await publishGeneration(staging, (generation) => encodeManifest({ ...manifest, generation }));
      }
    `;
    for (let round = 0; round < 12; round++) {
      const args = ['--input-type=module', '-e', program, JSON.stringify(manifestOf('000001'))];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, 3 + round * 7));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.on('exit', resolve));

      const generation = await currentGeneration(index);
      assert.equal((await readManifest(join(index, generation))).generation, generation);
      assert.match(await readFile(join(index, generation, 'pins', 'data'), 'utf8'), /^(first|later)$/);
      for (const name of await listGenerations(index)) await readManifest(join(index, name));
    }
    const last = await publish(index, 'last');
    assert.equal(await currentGeneration(index), last);
    assert.deepEqual(
      (await readdir(index)).filter((name) => name.startsWith('.')),
      [],
    );
  });
});
