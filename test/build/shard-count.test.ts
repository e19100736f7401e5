import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test, { describe } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildIndex } from '../../src/build/build-index.ts';
import { shardsFor, shardsForFiles } from '../../src/build/shard-count.ts';
import { resolveConfig } from '../../src/index/config.ts';
import { refuses, rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { buildOptions } from '../support/built-index.ts';
import { clusteredPins, TYPES } from '../support/clustered-pins.ts';

const GIB = 2 ** 30;
const LIMIT = 4 * GIB - 65_536;
const config = (dim: number) => resolveConfig({ dim, metric: 'cosine' });

describe('the number of shards', () => {
  test('is as small as the pins allow', () => {
    assert.equal(shardsFor(config(128), 0, LIMIT), 1);
    assert.equal(shardsFor(config(128), 1_000_000, LIMIT), 1);
    assert.equal(shardsFor(config(128), 10_000_000, LIMIT), 2);
    assert.equal(shardsFor(config(768), 3_000_000, LIMIT), 2);
    let before = 1;
    for (let count = 0; count < 30_000_000; count += 1_000_000) {
      const shards = shardsFor(config(128), count, LIMIT);
      assert.ok(shards === before || shards === before + 1, `${count} pins in ${shards} shards`);
      before = shards;
    }
  });

  test('has an end', () => {
    refuses(() => shardsFor(config(4096), 100_000_000, LIMIT), 'shard_full');
  });

  test('is found for files by their size, and by their rows when that is too much', async (t) => {
    const dir = await temporaryDir(t);
    const line = (i: number) => `${JSON.stringify({ id: i, vector: Array(32).fill(i % 9) })}\n`;
    const text = Array.from({ length: 5000 }, (_, i) => line(i)).join('');
    await writeFile(join(dir, 'a.jsonl'), text);
    await writeFile(join(dir, 'b.jsonl.gz'), gzipSync(text));
    const count = (limitBytes: number, hasTexts: boolean, ...names: string[]) =>
      shardsForFiles(config(32), {
        files: names.map((name) => (name === '-' ? name : join(dir, name))),
        stdin: Readable.from([]),
        limitBytes,
        hasTexts,
        signal: undefined,
      });
    assert.equal(await count(LIMIT, false, 'a.jsonl'), 1);
    assert.equal(await count(LIMIT, false, '-'), 1);
    for (const names of [['a.jsonl'], ['b.jsonl.gz'], ['a.jsonl', 'b.jsonl.gz']]) {
      for (const limitBytes of [2 ** 20, 2 ** 21, 2 ** 22, 2 ** 24]) {
        const expected = shardsFor(config(32), 5000 * names.length, limitBytes);
        assert.equal(await count(limitBytes, false, ...names), expected);
        assert.equal(await count(limitBytes, true, ...names), expected);
      }
    }
    await rejects(count(LIMIT, false, 'nowhere.jsonl'), 'missing_file');
  });

  test('that is chosen holds what is built', async (t) => {
    const dir = await temporaryDir(t);
    const file = join(dir, 'pins.jsonl');
    const pins = clusteredPins({ count: 8000, dim: 48, seed: 1 });
    await writeFile(file, pins.map((pin) => JSON.stringify(pin)).join('\n'));
    for (const [limitBytes, more] of [
      [LIMIT, false],
      [3 * 2 ** 20, true],
    ] as const) {
      const report = await buildIndex(
        buildOptions([file], join(dir, 'demo'), {
          shards: 'auto',
          limitBytes,
          config: { metric: 'cosine', attributes: TYPES, efConstruction: 16 },
        }),
      );
      assert.equal(report.count, 8000);
      assert.equal(report.shards.length > 1, more, `${report.shards.length} shards`);
      assert.equal(report.config.shards, report.shards.length);
      for (const { bytes } of report.shards) assert.ok(bytes < limitBytes);
      // Not many more than needed, either
      const total = report.shards.reduce((sum, { bytes }) => sum + bytes, 0);
      assert.ok(report.shards.length <= Math.ceil(total / (limitBytes * 0.6)));
    }
    const build = buildIndex(
      buildOptions([file], join(dir, 'demo'), {
        shards: 1,
        limitBytes: 2 * 2 ** 20,
        config: { metric: 'l2', attributes: TYPES },
      }),
    );
    await rejects(build, 'shard_full');
  });
});
