/** What `nearpin verify` finds in an index whose files are whole and yet do not belong together. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { buildIndex } from '../../src/build/build-index.ts';
import { verifyIndex } from '../../src/build/verify-index.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { encodeManifest, type Manifest } from '../../src/index/manifest.ts';
import { readManifest } from '../../src/storage/generation.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { buildOptions } from '../support/built-index.ts';

const host = createEngineHost('wasm', 1);
after(() => host.close());

const verify = (indexDir: string) =>
  verifyIndex(indexDir, { ...host, samples: 3, k: 2, ef: 16, minRecall: 0, seed: 1 });

test('an index of texts is right, and wrong when its manifest knows of no words', async (t) => {
  const dir = await temporaryDir(t);
  const file = join(dir, 'pins.jsonl');
  const lines = ['lamp', 'velvet sofa', 'sofa'].map((text, i) => JSON.stringify({ id: `p${i}`, text }));
  await writeFile(file, lines.join('\n'));
  const indexDir = join(dir, 'index');
  const model = {
    description: { name: 'lengths', revision: '1', kind: 'test', dim: 2 },
    embed: async (texts: readonly string[]) => texts.map((text) => Float32Array.of(1, text.length)),
  };
  await buildIndex(buildOptions([file], indexDir, { model }));
  const { problems, count, recall } = await verify(indexDir);
  assert.deepEqual([problems, count, recall], [[], 3, 1]);

  const generation = join(indexDir, '000001');
  const manifest = await readManifest(generation);
  const rewrite = (changed: Manifest) =>
    writeFile(join(generation, 'manifest.json'), encodeManifest(changed));
  const { words: _, ...pins } = manifest.pins;
  await rewrite({ ...manifest, pins });
  assert.deepEqual((await verify(indexDir)).problems, [
    {
      code: 'corrupt_file',
      message:
        '3 pins have a text where the manifest says that none has words, so they are not found by them',
    },
  ]);
});
