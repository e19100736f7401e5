/**
 * An index whose files are damaged, missing or lie: opening it is refused with a typed error that names the file, in
 * bounded time and memory, and the other index of the same threads keeps answering.
 */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test, { after, afterEach, before, describe } from 'node:test';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { checksumOf } from '../../src/core/oracle.ts';
import type { Engine, EngineAnswer } from '../../src/engines/engine.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { encodeManifest, type Manifest } from '../../src/index/manifest.ts';
import { checksum } from '../../src/lib/checksum.ts';
import { type ErrorCode, NearpinError } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import { SECTION_NAMES } from '../../src/shards/shard-file.ts';
import { readManifest } from '../../src/storage/generation.ts';
import { openSegment, writeSegment } from '../../src/storage/segment.ts';
import { buildPins } from '../support/built-index.ts';
import { clusteredPins } from '../support/clustered-pins.ts';
import { openEngine } from '../support/open-engine.ts';

const REFUSAL_MS_MAX = 5000;
const RSS_GROWTH_BYTES_MAX = 200 * 2 ** 20;
const FILES = ['manifest.json', 'shard-000.seg', 'shard-001.seg', 'pins/data.mdb'];

const host = createEngineHost('wasm', 1);
const pins = clusteredPins({ count: 120, dim: 6, seed: 2 });
const query = { vector: Float32Array.from(pins[0]!.vector), k: 10 };
let dir: string;
let index: string;
let generation: string;
let healthy: Engine;
let expected: EngineAnswer;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-damage-'));
  ({ indexDir: index } = await buildPins(dir, 'demo', pins, {}, 2));
  generation = join(index, '000001');
  await cp(index, join(dir, 'good'), { recursive: true });
  ({ engine: healthy } = await openEngine(join(dir, 'good'), host));
  expected = await healthy.search(query);
});
after(async () => {
  await host.close();
  await rm(dir, { recursive: true, force: true });
});
afterEach(async () => {
  assert.deepEqual(await healthy.search(query), expected, 'the other index answers');
  const { engine } = await openEngine(index, host);
  assert.deepEqual(await engine.search(query), expected, 'the test has put everything back');
  await engine.close();
});

/** Asserts that opening is refused with one of these codes and names the file; resolves to the error. */
async function refused(file: string, ...codes: ErrorCode[]): Promise<NearpinError> {
  const start = performance.now();
  let error: unknown;
  try {
    const { engine } = await openEngine(index, host);
    await engine.close();
  } catch (thrown) {
    error = thrown;
  }
  const tookMs = performance.now() - start;
  assert.ok(error !== undefined, `damage of ${file} goes unnoticed`);
  assert.ok(error instanceof NearpinError, `${(error as Error).stack}`);
  assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
  assert.ok(error.message.includes(basename(file)), error.message);
  assert.ok(tookMs < REFUSAL_MS_MAX, `${error.message} after ${tookMs} ms`);
  return error;
}

/** Runs `act` with a file's bytes replaced, and puts the good ones back. */
async function withBytes<T>(file: string, bytes: Uint8Array, act: () => Promise<T>): Promise<T> {
  const path = join(generation, file);
  const good = await readFile(path);
  await writeFile(path, bytes);
  try {
    return await act();
  } finally {
    await writeFile(path, good);
  }
}

/** Runs `act` with a manifest that says something else, under a right checksum. */
async function withManifest<T>(change: (manifest: Manifest) => unknown, act: () => Promise<T>): Promise<T> {
  const manifest = await readManifest(generation);
  return withBytes('manifest.json', encodeManifest(change(manifest) as Manifest), act);
}

describe('a file', () => {
  for (const file of FILES) {
    test(`${file}, cut off anywhere, is refused`, async () => {
      const good = await readFile(join(generation, file));
      const prng = new Prng(3);
      const lengths = new Set([0, 1, 7, 8, 24, 100, 4095, 4096, good.length - 4096, good.length - 1]);
      for (let i = 0; i < 5; i++) lengths.add(prng.below(good.length));
      for (const length of lengths) {
        if (length < 0 || length >= good.length) continue;
        await withBytes(file, good.subarray(0, length), () => refused(file, 'corrupt_file'));
      }
    });

    test(`${file}, with something after its end, is refused`, async () => {
      const good = await readFile(join(generation, file));
      for (const more of [Buffer.alloc(1), Buffer.alloc(4096), good]) {
        await withBytes(file, Buffer.concat([good, more]), () => refused(file, 'corrupt_file'));
      }
    });

    test(`${file}, with any bit flipped, is refused`, async () => {
      const good = await readFile(join(generation, file));
      const prng = new Prng(4);
      const bytes = new Set(Array.from({ length: 25 }, () => prng.below(good.length)));
      // The head of the file, the sections that are small, and the zeros between them
      for (const start of [0, 4096, 8192]) {
        for (const at of [0, 1, 9, 13, 17, 30, 64, 500, 4095]) bytes.add(start + at);
      }
      for (const at of bytes) {
        if (at >= good.length) continue;
        const bad = Buffer.from(good);
        bad[at]! ^= 1 << prng.below(8);
        // A version that is not ours may be a newer one
        await withBytes(file, bad, () => refused(file, 'corrupt_file', 'unsupported_version'));
      }
    });

    test(`${file}, missing or a directory, is refused`, async () => {
      const path = join(generation, file);
      await rename(path, `${path}.away`);
      await refused(file, 'missing_file');
      await mkdir(path);
      await refused(file, 'corrupt_file', 'io_error');
      await rm(path, { recursive: true });
      await rename(`${path}.away`, path);
    });

    test(`${file}, gigabytes long, is refused without being read`, async () => {
      const path = join(generation, file);
      const good = await readFile(path);
      await truncate(path, 2 ** 36);
      try {
        await refused(file, 'corrupt_file');
      } finally {
        await writeFile(path, good);
      }
    });
  }

  test('of another shard, or of another index, is refused', async () => {
    const { indexDir } = await buildPins(dir, 'other', clusteredPins({ count: 120, dim: 6, seed: 9 }), {}, 2);
    const other = await readFile(join(generation, 'shard-001.seg'));
    await withBytes('shard-000.seg', other, () => refused('shard-000.seg', 'corrupt_file'));
    for (const file of FILES.slice(1)) {
      const foreign = await readFile(join(indexDir, '000001', file));
      await withBytes(file, foreign, () => refused(file, 'corrupt_file'));
    }
    // Nor does it help when the manifest is made to fit
    const reversed = await buildPins(dir, 'reversed', [...pins].reverse(), {}, 2);
    const { pins: store } = await readManifest(join(reversed.indexDir, '000001'));
    const foreign = await readFile(join(reversed.indexDir, '000001', 'pins', 'data.mdb'));
    await withBytes('pins/data.mdb', foreign, () =>
      withManifest(
        (manifest) => ({ ...manifest, pins: store }),
        () => refused('shard-000.seg', 'corrupt_file'),
      ),
    );
    await withManifest(
      ({ shards, ...rest }) => ({ ...rest, shards: [...shards].reverse() }),
      () => refused('shard-001.seg', 'corrupt_file'),
    );
  });
});

describe('a manifest that lies, under a right checksum,', () => {
  const entry =
    (change: object, s = 0) =>
    (manifest: Manifest) => ({
      ...manifest,
      shards: manifest.shards.map((shard, i) => (i === s ? { ...shard, ...change } : shard)),
    });
  const config = (change: object) => (manifest: Manifest) => ({
    ...manifest,
    config: { ...manifest.config, ...change },
  });
  const store = (change: object) => (manifest: Manifest) => ({
    ...manifest,
    pins: { ...manifest.pins, ...change },
  });
  const LIES: Readonly<Record<string, readonly [file: string, change: (manifest: Manifest) => unknown]>> = {
    'about a shard’s size': ['shard-000.seg', entry({ bytes: 2 ** 40 })],
    'about a shard’s checksum': ['shard-001.seg', entry({ crc32: '00000000' }, 1)],
    'about a shard’s pins': ['manifest.json', entry({ count: 2 ** 40 })],
    'about both shards’ pins': [
      'shard-000.seg',
      (m) => {
        const [a, b] = m.shards;
        return {
          ...m,
          shards: [
            { ...a, count: a!.count + 1 },
            { ...b, count: b!.count - 1 },
          ],
        };
      },
    ],
    'about the count': ['manifest.json', (m) => ({ ...m, count: m.count + 1 })],
    'about a file’s name': ['shard-007.seg', entry({ file: 'shard-007.seg' })],
    'about a file outside': ['manifest.json', entry({ file: '../000001/shard-000.seg' })],
    'about the generation': ['manifest.json', (m) => ({ ...m, generation: '000002' })],
    'about the number of shards': ['manifest.json', config({ shards: 3 })],
    'about the dimensions': ['shard-000.seg', config({ dim: 7 })],
    'about huge dimensions': ['shard-000.seg', config({ dim: 4096 })],
    'about the metric': ['shard-000.seg', config({ metric: 'dot' })],
    'about the precision': ['shard-000.seg', config({ precision: 'f32' })],
    'about m': ['shard-000.seg', config({ m: 64 })],
    'about the seed': ['shard-000.seg', config({ seed: 2 })],
    'about the attributes': ['shard-000.seg', config({ attributes: {} })],
    'about a field that is not there': ['manifest.json', config({ colour: 'red' })],
    'about a missing field': ['manifest.json', ({ seq: _, ...m }) => m],
    'about a negative count': ['manifest.json', (m) => ({ ...m, count: -1 })],
    'about the pin store’s size': ['data.mdb', store({ bytes: 2 ** 40 })],
    'about the pin store’s checksum': ['data.mdb', store({ crc32: '12345678' })],
    'about the pin store’s pins': ['manifest.json', store({ count: 1 })],
    'about the pin store’s place': ['data.mdb', store({ dir: 'elsewhere' })],
    'about a pin store that is a file': ['data.mdb', store({ dir: 'manifest.json' })],
    'about no shards': ['manifest.json', (m) => ({ ...m, shards: [] })],
    'about shards that are no list': ['manifest.json', (m) => ({ ...m, shards: 'two' })],
    'about everything': ['manifest.json', () => ({ pins: {} })],
  };
  for (const [name, [file, change]] of Object.entries(LIES)) {
    test(`${name} is refused`, async () => {
      await withManifest(change, () => refused(file, 'corrupt_file', 'missing_file'));
    });
  }

  test('but one of a newer format is not called damaged', async () => {
    await withManifest(
      (manifest) => ({ ...manifest, format: 3 }),
      () => refused('manifest.json', 'unsupported_version'),
    );
  });
});

describe('a segment that lies, under right checksums,', () => {
  const [CONFIG, STATE, BASIS, BLOCKS] = [1, 2, 4, 3];
  const checksumFor = (kind: number) => (kind === BLOCKS ? checksumOf : checksum);

  /** Opens the index with words of the first shard's config and state changed, and the manifest to match. */
  async function withWords<T>(
    config: Readonly<Record<number, number>>,
    state: Readonly<Record<number, number>>,
    act: () => Promise<T>,
    blockBytes?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
  ): Promise<T> {
    const path = join(generation, 'shard-000.seg');
    const segment = openSegment(path, SECTION_NAMES);
    const sections = [CONFIG, STATE, BASIS, BLOCKS].map((kind) => {
      const bytes = new Uint8Array(segment.lengthOf(kind!));
      segment.readInto(kind!, bytes, checksumFor(kind!));
      return { kind: kind!, bytes };
    });
    segment.close();
    const words = (bytes: Uint8Array) => new Uint32Array(bytes.buffer);
    for (const [w, value] of Object.entries(config)) words(sections[0]!.bytes)[Number(w)] = value;
    for (const [w, value] of Object.entries(state)) words(sections[1]!.bytes)[Number(w) - L.H_STATE] = value;
    if (blockBytes) sections[3]!.bytes = blockBytes(sections[3]!.bytes);
    const copy = join(dir, 'lying.seg');
    await rm(copy, { force: true });
    const seal = writeSegment(
      copy,
      sections.map(({ kind, bytes }) => ({
        kind,
        bytes: bytes.length,
        chunks: [bytes],
        checksum: checksumFor(kind),
      })),
    );
    return withBytes('shard-000.seg', await readFile(copy), () =>
      withManifest(({ shards, ...rest }) => {
        return { ...rest, shards: shards.map((shard, i) => (i === 0 ? { ...shard, ...seal } : shard)) };
      }, act),
    );
  }

  test('can be told from one that does not', () =>
    withWords({}, {}, async () => {
      const { engine } = await openEngine(index, host);
      await engine.close();
    }));

  const CONFIG_LIES: readonly (readonly [word: number, value: number])[] = [
    [L.H_DIM, 7],
    [L.H_DIM, 0xffffffff],
    [L.H_METRIC, 1],
    [L.H_CODE, 0],
    [L.H_FINE, 0],
    [L.H_M, 64],
    [L.H_M0, 7],
    [L.H_EF_CONSTRUCTION, 1],
    [L.H_ALPHA, 0],
    [L.H_SEED, 9],
    [L.H_BLOCK_SHIFT, 5],
    [L.H_BLOCK_SHIFT, 16],
    [L.H_BLOCK_SHIFT, 31],
    [L.H_HEAP_BYTES, 64],
    [L.H_HEAP_BYTES, 2 ** 26],
    [L.H_HEAP_BYTES, 0xffffffc0],
    [L.H_HEAP_BYTES, 8191],
    [L.H_ROW_STRIDE, 0],
    [L.H_LISTS_OFFSET, 0],
    [L.H_LISTS, 1000],
    [L.H_LEAD, 1],
    [L.H_LEAD, 56],
    [L.H_LEAD, 0xffffffff],
  ];
  test('about its config, is refused', async () => {
    for (const [word, value] of CONFIG_LIES) {
      await withWords({ [word]: value }, {}, () => refused('shard-000.seg', 'corrupt_file'));
    }
  });

  const STATE_LIES: readonly (readonly [word: number, value: number])[] = [
    [L.H_COUNT, 0],
    [L.H_COUNT, 10_000],
    [L.H_COUNT, 0xffffffff],
    [L.H_LIVE, 1],
    [L.H_LIVE, 0xffffffff],
    [L.H_BLOCKS, 1],
    [L.H_BLOCKS, 0],
    [L.H_BLOCKS, 0xffffffff],
    [L.H_ENTRY, 5000],
    [L.H_ENTRY, L.NP_NONE],
    [L.H_HEAP_USED, 0xffffffff],
  ];
  test('about its state, is refused', async () => {
    for (const [word, value] of STATE_LIES) {
      await withWords({}, { [word]: value }, () => refused('shard-000.seg', 'corrupt_file'));
    }
  });

  test('about the size of its blocks, is refused', async () => {
    for (const length of [0, 1, 4096, 10_000_000]) {
      await withWords(
        {},
        {},
        () => refused('shard-000.seg', 'corrupt_file'),
        () => new Uint8Array(length),
      );
    }
  });

  test('or is of a newer core or an older one, is refused as such', async () => {
    for (const version of [L.NP_LAYOUT_VERSION + 1, L.NP_LAYOUT_VERSION - 1]) {
      await withWords({ [L.H_LAYOUT_VERSION]: version }, {}, () =>
        refused('shard-000.seg', 'unsupported_version'),
      );
    }
  });

  test('about its blocks, ends searches with an error at worst', async () => {
    const prng = new Prng(6);
    for (let round = 0; round < 20; round++) {
      await withWords(
        {},
        {},
        async () => {
          try {
            const { engine } = await openEngine(index, host);
            for (const exact of [false, true]) await engine.search({ ...query, exact, withVectors: true });
            await engine.close();
          } catch (error) {
            assert.ok(error instanceof NearpinError, `${(error as Error).stack}`);
            assert.ok(['core_trap', 'corrupt_file'].includes(error.code), error.message);
          }
        },
        (bytes) => {
          for (let i = 0; i < bytes.length >> (round % 10); i++) bytes[prng.below(bytes.length)] = prng.u32();
          return bytes;
        },
      );
    }
  });

  test('about its header, is refused', async () => {
    const good = await readFile(join(generation, 'shard-000.seg'));
    const headerBytes = good.readUInt32LE(12);
    // Version, bytes of the header, entries; then kind, checksum, offset and length of the first two sections
    for (const [at, value] of [
      [8, 0],
      [12, 0xffffffff],
      [16, 0],
      [16, 1024],
      [16, 0xffffffff],
      [24, 2],
      [24, 99],
      [32, 0],
      [36, 1],
      [40, 0],
      [40, 0xffffffff],
      [44, 0xffffffff],
      [64, 0xfffff000],
    ] as const) {
      const bad = Buffer.from(good);
      bad.writeUInt32LE(value, at);
      bad.writeUInt32LE(checksum(bad.subarray(0, headerBytes - 4)), headerBytes - 4);
      await withBytes('shard-000.seg', bad, () => refused('shard-000.seg', 'corrupt_file'));
    }
    const newer = Buffer.from(good);
    newer.writeUInt32LE(2, 8);
    await withBytes('shard-000.seg', newer, () => refused('shard-000.seg', 'unsupported_version'));
  });
});

describe('CURRENT', () => {
  test('that names nothing gives way to the newest generation, and it is said', async () => {
    const path = join(index, 'CURRENT');
    const served = async (named: string) => {
      const { live, engine } = await openEngine(index, host);
      const { warnings } = live.describeLive();
      assert.equal(engine.describe().generation, '000001');
      assert.match(warnings[0]?.message ?? '', new RegExp(`000001 is served in place.*${named}`));
      await engine.close();
    };
    const texts = ['', '000001', '1\n', '../good/000001\n', 'nonsense\n', `${'0'.repeat(10_000)}\n`];
    for (const text of texts) {
      await writeFile(path, text);
      await served('CURRENT');
      assert.equal(await readFile(path, 'utf8'), '000001\n');
    }
    await writeFile(path, '000002\n');
    await served('000002');
    await rm(path);
    await served('CURRENT');
    await rm(path);
    await mkdir(path);
    await served('CURRENT');
    await rm(path, { recursive: true });
    await writeFile(path, '000001\n');
  });

  test('of an index that is not there is no damage', async () => {
    for (const name of ['nowhere', 'empty']) {
      if (name === 'empty') await mkdir(join(dir, name));
      await assert.rejects(openEngine(join(dir, name), host), { code: 'unknown_index' });
    }
  });
});

test('refusing takes no memory to speak of', async () => {
  const good = await readFile(join(generation, 'shard-001.seg'));
  const bad = Buffer.from(good);
  bad[bad.length - 1]! ^= 1;
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 40; i++) {
    await withBytes('shard-001.seg', bad, () => refused('shard-001.seg', 'corrupt_file'));
  }
  const grown = process.memoryUsage.rss() - before;
  assert.ok(grown < RSS_GROWTH_BYTES_MAX, `${grown} bytes`);
});
