import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { resolveConfig } from '../../src/index/config.ts';
import { encodeManifest, type Manifest, parseManifest } from '../../src/index/manifest.ts';
import { refuses } from '../lib/refuses.ts';

const manifest: Manifest = {
  generation: '000042',
  seq: 7,
  count: 30,
  config: resolveConfig({
    dim: 8,
    shards: 2,
    model: 'm@r',
    attributes: { price: 'number', 'ä b': 'keyword[]', 10: 'bool', 9: 'bool' },
  }),
  model: { revision: 'r', name: 'm', kind: 'static', dim: 8, settings: { pooling: 'mean', b: 1, a: [2, 1] } },
  coreVersion: '1',
  shards: [
    { file: 'shard-000.seg', bytes: 4096, crc32: '0000abcd', count: 10 },
    { file: 'shard-001.seg', bytes: 8192, crc32: 'ffffffff', count: 20 },
  ],
  pins: { dir: 'pins', bytes: 16384, crc32: '12345678', count: 30 },
};

describe('a manifest', () => {
  test('reads back as it was written', () => {
    assert.deepEqual(parseManifest(encodeManifest(manifest), 'manifest.json'), manifest);
    const { coreVersion: _, ...bare } = { ...manifest, model: null };
    assert.deepEqual(parseManifest(encodeManifest(bare), 'manifest.json'), bare);
  });

  test('has the same bytes whatever order its fields were set in', () => {
    const reversed = (value: unknown): unknown =>
      Array.isArray(value) || typeof value !== 'object' || value === null
        ? value
        : Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, inner]) => [key, reversed(inner)]),
          );
    const other = reversed(manifest) as Manifest;
    assert.deepEqual(encodeManifest({ ...other, shards: manifest.shards }), encodeManifest(manifest));
  });

  test('is JSON with sorted fields, one a line', () => {
    const text = Buffer.from(encodeManifest(manifest)).toString();
    const fields = [...text.matchAll(/^ {2}"(\w+)":/gm)].map(([, field]) => field);
    assert.deepEqual(fields, [...fields].sort());
    assert.deepEqual(fields, [
      'config',
      'coreVersion',
      'count',
      'crc32',
      'format',
      'generation',
      'model',
      'pins',
      'seq',
      'shards',
    ]);
    assert.ok(text.endsWith('}\n'));
  });

  test('an index without pins has one too', () => {
    const empty: Manifest = {
      ...manifest,
      count: 0,
      shards: manifest.shards.map((shard) => ({ ...shard, count: 0 })),
      pins: { ...manifest.pins, count: 0 },
    };
    assert.deepEqual(parseManifest(encodeManifest(empty), 'manifest.json'), empty);
  });
});

describe('a damaged manifest', () => {
  const bytes = Buffer.from(encodeManifest(manifest));

  test('is refused when a bit of it is flipped', () => {
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const copy = Buffer.from(bytes);
        copy[at]! ^= 1 << bit;
        let parsed: Manifest;
        try {
          parsed = parseManifest(copy, 'manifest.json');
        } catch (error) {
          assert.match((error as { code: string }).code, /^(corrupt_file|unsupported_version)$/);
          continue;
        }
        // What passes differs in white space alone.
        assert.deepEqual(parsed, manifest);
        assert.match(String.fromCharCode(bytes[at]!), /\s/);
      }
    }
  });

  test('is refused when it is cut off', () => {
    for (let end = 0; end < bytes.length - 2; end++) {
      refuses(() => parseManifest(bytes.subarray(0, end), 'manifest.json'), 'corrupt_file', 'manifest.json');
    }
  });

  for (const text of ['', 'null', '[]', '5', '"x"', '{}', '\xff']) {
    test(`is not ${JSON.stringify(text)}`, () => {
      refuses(() => parseManifest(Buffer.from(text, 'latin1'), 'manifest.json'), 'corrupt_file');
    });
  }

  test('of a newer format is said to be one', () => {
    const newer = JSON.stringify({ format: 3, anything: 'else' });
    refuses(() => parseManifest(Buffer.from(newer), 'manifest.json'), 'unsupported_version');
  });

  const shard = manifest.shards[0]!;
  const lies: [string, object, string][] = [
    ['its format is older than any', { format: 0 }, 'format'],
    ['its format is one of words and there are none', { format: 2 }, 'pins.words'],
    ['its format is no number', { format: '1' }, 'format'],
    ['it has another field', { extra: 1 }, 'extra'],
    ['its generation is no name', { generation: '../1' }, 'generation'],
    ['its generation is missing', { generation: undefined }, 'generation'],
    ['its seq is negative', { seq: -1 }, 'seq'],
    ['its seq is too large', { seq: 2 ** 53 }, 'seq'],
    ['its count is not the shards’', { count: 31, pins: { ...manifest.pins, count: 31 } }, 'count'],
    ['its pin store holds fewer', { pins: { ...manifest.pins, count: 29 } }, 'pins.count'],
    ['its core version is no text', { coreVersion: 1 }, 'coreVersion'],
    ['its config is not valid', { config: { ...manifest.config, dim: 1 } }, 'config.dim'],
    ['its config leaves out a field', { config: { ...manifest.config, m: undefined } }, 'config.m'],
    ['its config is missing', { config: undefined }, 'config'],
    ['it has fewer shards than its config', { config: { ...manifest.config, shards: 3 } }, 'shards'],
    ['its shards are no list', { shards: {} }, 'shards'],
    ['a shard is no object', { shards: [shard, null] }, 'shards[1]'],
    ['a shard has another field', { shards: [shard, { ...shard, x: 1 }] }, 'shards[1].x'],
    ['a shard lies outside', { shards: [shard, { ...shard, file: '../a.seg' }] }, 'shards[1].file'],
    ['a shard lies elsewhere', { shards: [shard, { ...shard, file: '/etc/passwd' }] }, 'shards[1].file'],
    ['a shard is hidden', { shards: [shard, { ...shard, file: '.seg' }] }, 'shards[1].file'],
    ['a shard is a backslash away', { shards: [shard, { ...shard, file: 'a\\b' }] }, 'shards[1].file'],
    ['a shard stands twice', { shards: [shard, shard] }, 'shards'],
    ['a shard is the pin store', { shards: [shard, { ...shard, file: 'pins' }] }, 'shards'],
    ['a size is fractional', { shards: [shard, { ...shard, bytes: 1.5 }] }, 'shards[1].bytes'],
    ['a count is negative', { shards: [shard, { ...shard, count: -1 }] }, 'shards[1].count'],
    ['a checksum is short', { shards: [shard, { ...shard, crc32: 'abc' }] }, 'shards[1].crc32'],
    ['a checksum is no hex', { pins: { ...manifest.pins, crc32: 'ABCDEFGH' } }, 'pins.crc32'],
    ['the pin store lies outside', { pins: { ...manifest.pins, dir: '..' } }, 'pins.dir'],
    ['the pin store is missing', { pins: [] }, 'pins'],
    ['the model is of another dim', { model: { ...manifest.model, dim: 9 } }, 'model.dim'],
    ['the model is another', { model: { ...manifest.model, revision: 's' } }, 'model'],
    ['the model has no kind', { model: { ...manifest.model, kind: undefined } }, 'model.kind'],
    ['the model is missing', { model: undefined }, 'model'],
    ['the model is not the config’s', { config: { ...manifest.config, model: null } }, 'model'],
  ];
  for (const [name, change, field] of lies) {
    // Each is written with a checksum that holds, as someone who means to would.
    test(`that lies is refused: ${name}`, () => {
      const lying = encodeManifest({ ...manifest, ...change } as Manifest);
      refuses(() => parseManifest(lying, 'dir/manifest.json'), 'corrupt_file', `dir/manifest.json#${field}`);
    });
  }
});
