/** Files that an earlier version wrote must open for ever; test/golden holds one of each format there was. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { describe } from 'node:test';
import { encodeManifest, parseManifest } from '../../src/index/manifest.ts';
import { openSegment, writeSegment } from '../../src/storage/segment.ts';
import { temporaryDir } from './temporary.ts';

/** The golden files are not compiled, so they are looked for beside package.json. */
function goldenPath(name: string): string {
  let root = import.meta.dirname;
  while (!existsSync(join(root, 'package.json'))) root = dirname(root);
  return join(root, 'test', 'golden', name);
}

describe('a segment of format 1', () => {
  const path = goldenPath('segment-v1.seg');

  test('opens', () => {
    const segment = openSegment(path, {}, { bytes: 12_288, crc32: '3c08c6b9' });
    const read = (kind: number) => {
      const target = Buffer.alloc(segment.lengthOf(kind));
      segment.readInto(kind, target);
      return target;
    };
    assert.deepEqual(
      segment.sections.map(({ kind }) => kind),
      [1, 9, 2],
    );
    assert.equal(read(1).toString(), 'hello');
    assert.equal(read(9).length, 0);
    assert.deepEqual([...read(2)], [0, 1, 254, 255]);
    segment.close();
  });

  test('is what this version writes', async (t) => {
    const copy = join(await temporaryDir(t), 'copy.seg');
    writeSegment(copy, [
      { kind: 1, bytes: 5, chunks: [Buffer.from('hello')] },
      { kind: 9, bytes: 0, chunks: [] },
      { kind: 2, bytes: 4, chunks: [Uint8Array.of(0, 1, 254, 255)] },
    ]);
    assert.deepEqual(readFileSync(copy), readFileSync(path));
  });
});

describe('a manifest of format 1', () => {
  const path = goldenPath('manifest-v1.json');

  test('reads, and is what this version writes', () => {
    const bytes = readFileSync(path);
    const manifest = parseManifest(bytes, path);
    assert.equal(manifest.generation, '000001');
    assert.equal(manifest.seq, 12);
    assert.equal(manifest.config.precision, 'i8');
    assert.equal(manifest.config.attributes.tags, 'keyword[]');
    assert.equal(manifest.model?.normalise, true);
    assert.deepEqual(
      manifest.shards.map(({ file, count }) => [file, count]),
      [
        ['shard-000.seg', 1],
        ['shard-001.seg', 2],
      ],
    );
    assert.deepEqual(Buffer.from(encodeManifest(manifest)), bytes);
  });
});

describe('a manifest of format 2', () => {
  const path = goldenPath('manifest-v2.json');

  test('reads, tells of pins with words, and is what this version writes', () => {
    const bytes = readFileSync(path);
    const manifest = parseManifest(bytes, path);
    assert.deepEqual(manifest.pins, { dir: 'pins', bytes: 8192, crc32: 'deadbeef', count: 3, words: true });
    assert.deepEqual(Buffer.from(encodeManifest(manifest)), bytes);
  });
});
