import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { describe, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Prng } from '../../src/lib/prng.ts';
import {
  createPinStore,
  type KeywordEntry,
  openPinStore,
  type PinStoreSeal,
} from '../../src/storage/pin-store.ts';
import { encodeStoredPin, type StoredPin } from '../../src/storage/stored-pin.ts';
import { refuses, rejects } from '../lib/refuses.ts';
import { temporaryDir } from './temporary.ts';

const modulePath = new URL('../../src/storage/pin-store.js', import.meta.url).href;

const KEYWORDS: readonly KeywordEntry[] = [
  ['kind', 'lamp', 1],
  ['kind', '', 2],
  ['kind', 'é\0x', 3],
  ['ki', 'ndlamp', 70_000],
];

function pinAt(i: number): StoredPin {
  const random = new Prng(i);
  return {
    shard: i % 3,
    ordinal: i,
    seq: i * 1_000_000_007,
    attributes:
      i % 4 === 0
        ? {}
        : { price: random.float(), tags: ['a', `tag ${i % 7}`], at: 1.7e12 + i, sold: i % 2 === 0 },
    // Some payloads go to pages of their own.
    payload: i % 5 === 0 ? undefined : { title: `Pin ${i}`, note: 'x'.repeat(i % 500 === 1 ? 9000 : i % 50) },
    text: i % 3 === 0 ? undefined : `The pin of number ${i}`,
  };
}

/** Ids in an order that is not theirs. */
function idAt(i: number): string {
  return `pin-${(Math.imul(i, 2_654_435_761) >>> 0).toString(36)}`;
}

async function build(dir: string, count: number): Promise<PinStoreSeal> {
  const store = await createPinStore(dir);
  for (let i = 0; i < count; i++) store.put(idAt(i), pinAt(i));
  return store.finish(KEYWORDS);
}

async function opened(t: TestContext, dir: string, seal: PinStoreSeal) {
  const store = await openPinStore(dir, seal);
  t.after(() => store.close());
  return store;
}

describe('a pin store', () => {
  test('gives back what was put', async (t) => {
    const dir = join(await temporaryDir(t), 'pins');
    const seal = await build(dir, 2000);
    assert.equal(seal.count, 2000);
    assert.deepEqual(await readdir(dir), ['data.mdb']);
    const store = await opened(t, dir, seal);
    for (let i = 0; i < 2000; i++) assert.deepEqual(store.get(idAt(i)), pinAt(i));
    assert.equal(store.get('none'), undefined);
  });

  test('holds the same in fewer pages when its pins come in order', async (t) => {
    const dir = await temporaryDir(t);
    // More than are put in one transaction
    const any = await build(join(dir, 'any'), 9000);
    const writer = await createPinStore(join(dir, 'ordered'));
    const ids = ['😀', '\u{10ffff}', '\uffee', 'é', ...Array.from({ length: 9000 }, (_, i) => idAt(i))];
    const order = ids.map((id, i) => ({ id, pin: pinAt(i) }));
    order.sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
    writer.putInOrder(order.map(({ id, pin }) => [id, encodeStoredPin(pin)]));
    const seal = await writer.finish(KEYWORDS);
    assert.equal(seal.count, ids.length);
    assert.ok(seal.bytes < any.bytes, `${seal.bytes} of ${any.bytes}`);
    const store = await opened(t, join(dir, 'ordered'), seal);
    assert.deepEqual(
      [...store.pins()],
      order.map(({ id, pin }) => [id, pin]),
    );
    assert.deepEqual([...store.keywords()].length, KEYWORDS.length);
    for (const second of ['a', 'b']) {
      const unordered = await createPinStore(join(dir, `unordered-${second}`));
      const pins = ['b', second].map((id) => [id, encodeStoredPin(pinAt(1))] as const);
      assert.throws(() => unordered.putInOrder(pins), { code: 'internal' });
      await unordered.abandon();
    }
  });

  test('gives back the ordinals that shards have renumbered', async (t) => {
    const dir = await temporaryDir(t);
    const writer = await createPinStore(dir);
    const count = 25_000;
    for (let i = 0; i < count; i++) writer.put(idAt(i), pinAt(i));
    const places = [1, 2, 3].map((factor) =>
      Uint32Array.from({ length: count }, (_, i) => (i * factor) % count),
    );
    writer.renumber(places);
    const seal = await writer.finish(KEYWORDS);
    assert.equal(seal.count, count);
    const store = await opened(t, dir, seal);
    for (let i = 0; i < count; i++) {
      const ordinal = (i * ((i % 3) + 1)) % count;
      assert.deepEqual(store.get(idAt(i)), { ...pinAt(i), ordinal });
    }
  });

  test('tells a null payload from none, with a text and without', async (t) => {
    const dir = await temporaryDir(t);
    const writer = await createPinStore(dir);
    const pins = [undefined, null, ['x']].flatMap((payload, i) =>
      [undefined, '', 'words'].map((text, j) => {
        const pin: StoredPin = { shard: 0, ordinal: 3 * i + j, seq: 0, attributes: {}, payload, text };
        return [`pin-${i}-${j}`, pin] as const;
      }),
    );
    for (const [id, pin] of pins) writer.put(id, pin);
    const store = await opened(t, dir, await writer.finish([]));
    for (const [id, pin] of pins) assert.deepEqual(store.get(id), pin);
  });

  test('holds a pin without a text in the bytes that it always had', () => {
    const pin = { shard: 1, ordinal: 2, seq: 3, attributes: { a: 'b' } };
    assert.equal(
      encodeStoredPin({ ...pin, payload: { c: 4 }, text: undefined }).toString('hex'),
      '9501020381a161a16281a16304',
    );
    assert.equal(
      encodeStoredPin({ ...pin, payload: undefined, text: 'e' }).toString('hex'),
      '9601020381a161a16290a165',
    );
  });

  test('takes any id of up to 128 bytes', async (t) => {
    const dir = await temporaryDir(t);
    const ids = [
      '\0',
      'a',
      'a\0',
      'a\0b',
      'A',
      ' ',
      '😀',
      'p',
      'k',
      'kkind\0lamp',
      '\u{10ffff}',
      'é'.repeat(64),
      '5',
    ];
    const writer = await createPinStore(dir);
    for (const [i, id] of ids.entries()) writer.put(id, pinAt(i));
    const store = await opened(t, dir, await writer.finish(KEYWORDS));
    for (const [i, id] of ids.entries()) assert.deepEqual(store.get(id), pinAt(i), JSON.stringify(id));
    const inOrder = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(
      [...store.pins()].map(([id]) => id),
      inOrder,
    );
  });

  test('knows its keywords, each under its own attribute', async (t) => {
    const dir = await temporaryDir(t);
    const store = await opened(t, dir, await build(dir, 10));
    for (const [attribute, value, code] of KEYWORDS) assert.equal(store.keywordCode(attribute, value), code);
    for (const [attribute, value] of [
      ['kind', 'lam'],
      ['kind', 'lampe'],
      ['other', 'lamp'],
    ] as const) {
      assert.equal(store.keywordCode(attribute, value), 0);
    }
    assert.deepEqual(new Set([...store.keywords()].map(String)), new Set(KEYWORDS.map(String)));
  });

  test('walks its pins while others are looked up', async (t) => {
    const dir = await temporaryDir(t);
    const store = await opened(t, dir, await build(dir, 500));
    let walked = 0;
    for (const [id, pin] of store.pins()) {
      assert.deepEqual(pin, store.get(id));
      walked++;
    }
    assert.equal(walked, 500);
  });

  test('may hold nothing', async (t) => {
    const dir = await temporaryDir(t);
    const store = await opened(t, dir, await (await createPinStore(dir)).finish([]));
    assert.equal(store.get('a'), undefined);
    assert.deepEqual([...store.pins()], []);
    assert.deepEqual([...store.keywords()], []);
  });

  test('refuses an id it has, whether written yet or not, and keeps the first pin', async (t) => {
    const dir = await temporaryDir(t);
    const writer = await createPinStore(dir);
    // More than one transaction holds.
    const count = 100_002;
    for (let i = 0; i < count; i++)
      writer.put(String(i), {
        shard: 0,
        ordinal: i,
        seq: 0,
        attributes: {},
        payload: undefined,
        text: undefined,
      });
    for (const i of [0, 99_999, 100_000, count - 1]) {
      assert.ok(writer.has(String(i)));
      refuses(() => writer.put(String(i), pinAt(1)), 'duplicate_pin');
    }
    assert.equal(writer.has(String(count)), false);
    assert.equal(writer.count, count);
    const seal = await writer.finish([]);
    assert.equal(seal.count, count);
    const store = await opened(t, dir, seal);
    for (const i of [0, 99_999, 100_000, count - 1]) assert.equal(store.get(String(i))?.ordinal, i);
  });

  test('leaves nothing of an abandoned build', async (t) => {
    const dir = await temporaryDir(t);
    const writer = await createPinStore(dir);
    for (let i = 0; i < 100; i++) writer.put(idAt(i), pinAt(i));
    await writer.abandon();
    assert.deepEqual(await readdir(dir), []);
  });

  test('throws once it is closed', async (t) => {
    const dir = await temporaryDir(t);
    const store = await openPinStore(dir, await build(dir, 10));
    const walk = store.pins();
    walk.next();
    await store.close();
    await store.close();
    refuses(() => store.get('a'), 'closed');
    refuses(() => store.keywordCode('kind', 'lamp'), 'closed');
    refuses(() => walk.next(), 'closed');
  });
});

describe('the bytes of a pin store', () => {
  test('are the same for the same pins', async (t) => {
    const dir = await temporaryDir(t);
    // Enough for several transactions, and for LMDB to grow and recycle pages.
    const count = 210_000;
    const first = await build(join(dir, '1'), count);
    // Another store in between, so that the second build meets memory that was used before.
    await build(join(dir, 'other'), 3000);
    const second = await build(join(dir, '2'), count);
    assert.deepEqual(first, second);
    const [one, other] = await Promise.all(['1', '2'].map((name) => readFile(join(dir, name, 'data.mdb'))));
    assert.ok(one!.equals(other!));
  });

  test('are the same from another process', async (t) => {
    const dir = await temporaryDir(t);
    const program = `
      import { createPinStore } from ${JSON.stringify(modulePath)};
      const store = await createPinStore(process.argv[1]);
      for (let i = 0; i < 5000; i++) {
        const payload = { note: 'x'.repeat(i % 3000) };
        store.put(String(i * 7919 % 5000), { shard: 0, ordinal: i, seq: 0, attributes: { i }, payload });
      }
      console.log(JSON.stringify(await store.finish([['a', 'b', 1]])));
    `;
    const run = async (name: string) => {
      const args = ['--input-type=module', '-e', program, join(dir, name)];
      return (await promisify(execFile)(process.execPath, args)).stdout;
    };
    const [one, other] = await Promise.all([run('1'), run('2')]);
    assert.match(one, /"count":5000/);
    assert.equal(one, other);
  });

  test('hold neither the boot id of the machine nor freed pages', async (t) => {
    const dir = await temporaryDir(t);
    await build(dir, 20_000);
    const file = await readFile(join(dir, 'data.mdb'));
    for (const meta of [0, 4096]) {
      assert.equal(file.readUInt32LE(meta + 0x18), 0xbeefc0de, 'a meta page of LMDB');
      assert.equal(file.readBigUInt64LE(meta + 0x58), 2n ** 64n - 1n, 'the list of free pages has no root');
      assert.equal(file.readBigUInt64LE(meta + 0xa0), 0n, 'the boot id');
    }
  });
});

describe('opening a pin store', () => {
  test('names a file that is missing', async (t) => {
    const dir = await temporaryDir(t);
    const seal = { bytes: 4096, crc32: '00000000', count: 0 };
    await rejects(openPinStore(join(dir, 'pins'), seal), 'missing_file', join(dir, 'pins', 'data.mdb'));
    assert.deepEqual(await readdir(dir), []);
  });

  test('refuses a file that was cut off, grown, overwritten or damaged anywhere', async (t) => {
    const dir = await temporaryDir(t);
    const seal = await build(dir, 300);
    const file = join(dir, 'data.mdb');
    const good = await readFile(file);
    for (const bytes of [0, 1, 4095, 4096, 8192, good.length - 4096, good.length - 1]) {
      await truncate(file, bytes);
      await rejects(openPinStore(dir, seal), 'corrupt_file', file);
      await writeFile(file, good);
    }
    for (const bad of [
      Buffer.alloc(good.length),
      Buffer.concat([good, Buffer.alloc(4096)]),
      Buffer.from('x'),
    ]) {
      await writeFile(file, bad);
      await rejects(openPinStore(dir, seal), 'corrupt_file', file);
    }
    const random = new Prng(5);
    for (let page = 0; page < good.length / 4096; page++) {
      const bad = Buffer.from(good);
      bad[page * 4096 + random.below(4096)]! ^= 1 << random.below(8);
      await writeFile(file, bad);
      await rejects(openPinStore(dir, seal), 'corrupt_file', file);
    }
    await writeFile(file, good);
    assert.deepEqual((await opened(t, dir, seal)).get(idAt(7)), pinAt(7));
  });

  test('survives a lock file that is garbage', async (t) => {
    const dir = await temporaryDir(t);
    const seal = await build(dir, 50);
    for (const lock of [Buffer.alloc(0), Buffer.from('garbage'), Buffer.alloc(8192, 0xff)]) {
      await writeFile(join(dir, 'lock.mdb'), lock);
      const store = await openPinStore(dir, seal);
      assert.deepEqual(store.get(idAt(7)), pinAt(7));
      await store.close();
    }
  });

  test('leaves the data as it was', async (t) => {
    const dir = await temporaryDir(t);
    const seal = await build(dir, 50);
    const before = await stat(join(dir, 'data.mdb'));
    for (let i = 0; i < 3; i++) {
      const store = await openPinStore(dir, seal);
      assert.deepEqual(store.get(idAt(7)), pinAt(7));
      await store.close();
    }
    const after = await stat(join(dir, 'data.mdb'));
    assert.equal(after.mtimeMs, before.mtimeMs);
    assert.equal(after.size, seal.bytes);
  });

  test('works twice in one process, each closed by itself', async (t) => {
    const dir = await temporaryDir(t);
    const seal = await build(dir, 50);
    const first = await openPinStore(dir, seal);
    const second = await opened(t, dir, seal);
    await first.close();
    assert.deepEqual(second.get(idAt(7)), pinAt(7));
  });

  test('works in several threads and processes at once', async (t) => {
    const dir = await temporaryDir(t);
    const seal = await build(dir, 400);
    const program = `
      import { openPinStore } from ${JSON.stringify(modulePath)};
      const store = await openPinStore(${JSON.stringify(dir)}, ${JSON.stringify(seal)});
      let found = 0;
      for (let round = 0; round < 20; round++) for (const [id] of store.pins()) if (store.get(id)) found++;
      await store.close();
      console.log(found);
    `;
    const inProcess = async () => {
      const args = ['--input-type=module', '-e', program];
      return (await promisify(execFile)(process.execPath, args)).stdout.trim();
    };
    const inThread = () =>
      new Promise<string>((resolve, reject) => {
        const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
        const worker = new Worker(url, { stdout: true });
        let out = '';
        worker.stdout.on('data', (chunk) => {
          out += chunk;
        });
        worker.on('error', reject).on('exit', () => resolve(out.trim()));
      });
    const store = await opened(t, dir, seal);
    const answers = await Promise.all([inProcess(), inProcess(), inThread(), inThread(), inThread()]);
    assert.deepEqual(answers, new Array(5).fill('8000'));
    assert.deepEqual(store.get(idAt(7)), pinAt(7));
  });

  test('works in a directory that cannot be written to', async (t) => {
    const dir = join(await temporaryDir(t), 'pins');
    const seal = await build(dir, 50);
    await chmod(join(dir, 'data.mdb'), 0o444);
    await chmod(dir, 0o555);
    await chmod(join(dir, '..'), 0o755);
    // Root may write everywhere, so another user reads then.
    const isRoot = process.getuid?.() === 0;
    const program = `
      import { openPinStore } from ${JSON.stringify(modulePath)};
      ${isRoot ? 'process.setgid(65534); process.setuid(65534);' : ''}
      const store = await openPinStore(${JSON.stringify(dir)}, ${JSON.stringify(seal)});
      console.log(JSON.stringify(store.get(${JSON.stringify(idAt(7))})));
      await store.close();
    `;
    const args = ['--input-type=module', '-e', program];
    try {
      const { stdout } = await promisify(execFile)(process.execPath, args);
      assert.deepEqual(JSON.parse(stdout), pinAt(7));
      assert.deepEqual(await readdir(dir), ['data.mdb']);
    } finally {
      await chmod(dir, 0o755);
    }
  });
});
