import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test, { describe, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { readJsonLines } from '../../src/storage/formats/json-lines.ts';
import { readNpy } from '../../src/storage/formats/npy.ts';
import type { PinRow } from '../../src/storage/formats/row.ts';
import { readVecs } from '../../src/storage/formats/vecs.ts';
import { readPinFile } from '../../src/storage/pin-files.ts';
import { refuses, rejects } from '../lib/refuses.ts';
import { temporaryDir } from './temporary.ts';

async function collect(rows: AsyncIterable<PinRow>): Promise<PinRow[]> {
  const all: PinRow[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

/** A stream of these bytes in pieces of a size. */
async function* pieces(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What was read, with only the code and path of an error. */
function summary(rows: readonly PinRow[]): unknown[] {
  return rows.map((row) =>
    'error' in row ? [row.row, row.error.code, row.error.details[0]?.path] : [row.row, row.value],
  );
}

const noStdin = Readable.from([]);

async function writeTemporary(t: TestContext, name: string, bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryDir(t), name);
  await writeFile(path, bytes);
  return path;
}

describe('JSON lines', () => {
  const read = async (text: string | Uint8Array, options: { size?: number; max?: number } = {}) =>
    summary(await collect(readJsonLines(pieces(Buffer.from(text), options.size), 'pins.jsonl', options.max)));

  test('are one value each, numbered from 1', async () => {
    assert.deepEqual(await read('{"id":"a"}\n[1]\nnull\n'), [
      [1, { id: 'a' }],
      [2, [1]],
      [3, null],
    ]);
  });

  test('may end in CRLF, lack the last line break, start with a byte order mark and hold blank lines', async () => {
    assert.deepEqual(await read('\ufeff1\r\n\r\n \t\n\n2'), [
      [1, 1],
      [5, 2],
    ]);
    assert.deepEqual(await read(''), []);
    assert.deepEqual(await read('\n\n'), []);
    assert.deepEqual(await read('\ufeff'), []);
  });

  test('that are bad are told one by one, and reading goes on', async () => {
    const bytes = Buffer.concat([
      Buffer.from('1\n{"id": \n'),
      Buffer.from([0x22, 0xff, 0x22, 0x0a]),
      Buffer.from('\ufeff2\n{"a":1}}\n3'),
    ]);
    assert.deepEqual(await read(bytes), [
      [1, 1],
      [2, 'bad_pin', 'pins.jsonl:2'],
      [3, 'bad_pin', 'pins.jsonl:3'],
      [4, 'bad_pin', 'pins.jsonl:4'],
      [5, 'bad_pin', 'pins.jsonl:5'],
      [6, 3],
    ]);
  });

  test('over their limit are skipped, wherever the pieces are cut', async () => {
    const text = `"${'x'.repeat(8)}"\n"${'x'.repeat(9)}"\n2\n"${'x'.repeat(500)}"`;
    for (const size of [1, 3, 10, 11, 12, 1000]) {
      assert.deepEqual(await read(text, { size, max: 10 }), [
        [1, 'xxxxxxxx'],
        [2, 'limit_exceeded', 'pins.jsonl:2'],
        [3, 2],
        [4, 'limit_exceeded', 'pins.jsonl:4'],
      ]);
    }
  });

  test('over their limit are never held in memory', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    async function* endless() {
      for (let i = 0; i < 2000; i++) yield piece;
      yield Buffer.from('\n1\n');
    }
    const before = process.memoryUsage().rss;
    let peak = 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 5);
    const rows = await collect(readJsonLines(endless(), 'pins.jsonl'));
    clearInterval(watch);
    assert.deepEqual(summary(rows), [
      [1, 'limit_exceeded', 'pins.jsonl:1'],
      [2, 1],
    ]);
    assert.ok(Math.max(peak, process.memoryUsage().rss) - before < 200 * 1024 * 1024);
  });

  test('are read the same wherever the pieces are cut', async () => {
    const line = fc.oneof(
      fc.json({ maxDepth: 1 }),
      fc.constantFrom('', ' ', '{', '"é😀"', '\ufeff1'),
      fc.string({ unit: 'grapheme', maxLength: 5 }).map((text) => text.replaceAll('\n', '')),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 6 }),
        fc.constantFrom('\n', '\r\n'),
        fc.integer({ min: 1, max: 9 }),
        async (lines, end, size) => {
          const expected = lines.flatMap((text, i) => {
            const bare = i === 0 ? text.replace(/^\ufeff/, '') : text;
            // The carriage return of CRLF is white space, which JSON allows and a blank line may hold.
            if (bare.trim() === '' && !/\S/.test(bare)) return [];
            try {
              return [[i + 1, JSON.parse(bare)]];
            } catch {
              return [[i + 1, 'bad_pin', `pins.jsonl:${i + 1}`]];
            }
          });
          assert.deepEqual(await read(lines.join(end), { size }), expected);
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });
});

/** An .npy file of this header, version and data. */
function npy(header: string, data: Uint8Array, version = 1): Buffer {
  const text = Buffer.from(`${header}\n`, 'latin1');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(text.length, 0, length.length);
  return Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.from([version, 0]), length, text, data]);
}

const shaped = (descr: string, shape: string, order = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

const vectorsOf = (...vectors: number[][]) =>
  vectors.map((vector, row) => [row, { id: String(row), vector: Float32Array.from(vector) }]);

describe('.npy files', () => {
  const values = [1, -2.5, 3, 0.1, 5e-40, 6];
  const expected = vectorsOf([1, -2.5, 3], [0.1, 5e-40, 6]);
  const f4 = new Uint8Array(Float32Array.from(values).buffer);
  const f8 = new Uint8Array(Float64Array.from(values).buffer);
  const read = async (file: Uint8Array, size?: number) =>
    summary(await collect(readNpy(pieces(file, size), 'v.npy')));

  test('hold rows of f4, f8 or u1, in any version and cut anywhere', async () => {
    for (const size of [1, 7, 100, 1000]) {
      assert.deepEqual(await read(npy(shaped('<f4', '(2, 3)'), f4), size), expected);
      assert.deepEqual(await read(npy(shaped('<f8', '(2, 3)'), f8, 2), size), expected);
      assert.deepEqual(
        await read(npy(shaped('|u1', '(2, 2)'), Uint8Array.of(0, 1, 254, 255), 3), size),
        vectorsOf([0, 1], [254, 255]),
      );
    }
  });

  test('may hold no rows', async () => {
    assert.deepEqual(await read(npy(shaped('<f4', '(0, 3)'), new Uint8Array(0))), []);
  });

  test('keep a value that f32 cannot hold as an infinity, for the check of the pin to refuse', async () => {
    const big = new Uint8Array(Float64Array.of(1e300, 1).buffer);
    assert.deepEqual(await read(npy(shaped('<f8', '(1, 2)'), big)), vectorsOf([Number.POSITIVE_INFINITY, 1]));
  });

  test('are refused when cut off after any byte, and when they go on', async () => {
    const whole = npy(shaped('<f4', '(2, 3)'), f4);
    for (let end = 0; end < whole.length; end++) {
      await rejects(read(whole.subarray(0, end)), 'bad_file', 'v.npy');
    }
    await rejects(read(Buffer.concat([whole, Buffer.alloc(1)])), 'bad_file', 'v.npy');
  });

  const bad: [string, Buffer, RegExp][] = [
    ['other magic', Buffer.alloc(100), /at byte 0: is not an \.npy file/],
    ['version 4', npy(shaped('<f4', '(2, 3)'), f4, 4), /at byte 6: .*version 4/],
    [
      'a huge header',
      Buffer.from('\x93NUMPY\x02\x00\xff\xff\xff\x7f', 'latin1'),
      /header of 2147483647 bytes/,
    ],
    ['big-endian floats', npy(shaped('>f4', '(2, 3)'), f4), /type >f4/],
    ['an inherited name as type', npy(shaped('toString', '(2, 3)'), f4), /type toString/],
    ['integers', npy(shaped('<i8', '(2, 3)'), f4), /type <i8/],
    ['records', npy(`{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }`, f4), /damaged/],
    ['Fortran order', npy(shaped('<f4', '(2, 3)', 'True'), f4), /Fortran/],
    ['one dimension', npy(shaped('<f4', '(6,)'), f4), /shape \(6,\)/],
    ['three dimensions', npy(shaped('<f4', '(1, 2, 3)'), f4), /matrix/],
    ['rows without values', npy(shaped('<f4', '(2, 0)'), f4), /shape/],
    ['a row over the limit', npy(shaped('<f4', `(1, ${LIMITS.dimMax + 1})`), f4), /up to 4096/],
    ['a negative number of rows', npy(shaped('<f4', '(-2, 3)'), f4), /shape/],
    ['rows beyond counting', npy(shaped('<f4', '(99999999999999999999, 3)'), f4), /shape/],
    ['more rows than there are', npy(shaped('<f4', '(9007199254740991, 3)'), f4), /ends in row 2/],
  ];
  for (const [name, file, message] of bad) {
    test(`are refused with ${name}`, async () => {
      await assert.rejects(read(file), { code: 'bad_file' satisfies ErrorCode, message });
    });
  }
});

describe('.fvecs and .bvecs files', () => {
  const row = (dim: number, data: Uint8Array) => {
    const head = Buffer.alloc(4);
    head.writeInt32LE(dim);
    return Buffer.concat([head, data]);
  };
  const floats = (...vector: number[]) =>
    row(vector.length, new Uint8Array(Float32Array.from(vector).buffer));
  const read = async (file: Uint8Array, bytes: 4 | 1, size?: number) =>
    summary(await collect(readVecs(pieces(file, size), 'v.vecs', bytes)));

  test('hold rows of f32 or u8, cut anywhere', async () => {
    const fvecs = Buffer.concat([floats(1, 0.1, -3), floats(4, 5, 6)]);
    const bvecs = Buffer.concat([row(2, Uint8Array.of(0, 255)), row(2, Uint8Array.of(7, 8))]);
    for (const size of [1, 5, 1000]) {
      assert.deepEqual(await read(fvecs, 4, size), vectorsOf([1, 0.1, -3], [4, 5, 6]));
      assert.deepEqual(await read(bvecs, 1, size), vectorsOf([0, 255], [7, 8]));
    }
    assert.deepEqual(await read(Buffer.alloc(0), 4), []);
  });

  test('are refused when cut off inside a row', async () => {
    const whole = Buffer.concat([floats(1, 2), floats(3, 4)]);
    for (let end = 1; end < whole.length; end++) {
      if (end === 12) continue;
      const message = new RegExp(`^v\\.vecs: at byte ${end < 12 ? 0 : 12}: ends in row ${end < 12 ? 0 : 1}$`);
      await assert.rejects(read(whole.subarray(0, end), 4), { code: 'bad_file', message });
    }
  });

  test('are refused when the dimension changes or is out of range', async () => {
    await assert.rejects(read(Buffer.concat([floats(1, 2), floats(3, 4, 5)]), 4), /at byte 12: row 1 has 3/);
    for (const dim of [0, -1, LIMITS.dimMax + 1, 2 ** 31 - 1, -(2 ** 31)]) {
      await assert.rejects(read(row(dim, Buffer.alloc(8)), 4), { code: 'bad_file', message: /row 0 has/ });
    }
  });
});

describe('a file of pins', () => {
  const lines = Buffer.from('{"id":1}\n{"id":2}\n');
  const expected = [
    [1, { id: 1 }],
    [2, { id: 2 }],
  ];

  test('is read by its ending, packed or not', async (t) => {
    const vectors = npy(shaped('|u1', '(1, 2)'), Uint8Array.of(3, 4));
    const fvec = Buffer.from('02000000' + '00004040' + '00008040', 'hex');
    const bvec = Buffer.from('02000000' + '0304', 'hex');
    for (const [name, bytes, rows] of [
      ['a.jsonl', lines, expected],
      ['a.ndjson', lines, expected],
      ['a.npy', vectors, vectorsOf([3, 4])],
      ['a.fvecs', fvec, vectorsOf([3, 4])],
      ['a.bvecs', bvec, vectorsOf([3, 4])],
    ] as const) {
      const plain = await writeTemporary(t, name, bytes);
      assert.deepEqual(summary(await collect(readPinFile(plain, noStdin))), rows, name);
      const packed = await writeTemporary(t, `${name}.gz`, gzipSync(bytes));
      assert.deepEqual(summary(await collect(readPinFile(packed, noStdin))), rows, `${name}.gz`);
    }
  });

  test('is standard input when it is a dash', async (t) => {
    const path = await writeTemporary(t, 'in', lines);
    assert.deepEqual(summary(await collect(readPinFile('-', createReadStream(path)))), expected);
    const bad = await collect(readPinFile('-', Readable.from([Buffer.from('x')])));
    assert.deepEqual(summary(bad), [[1, 'bad_pin', 'stdin:1']]);
  });

  test('of an unknown kind is refused at once', () => {
    for (const name of ['pins', 'pins.txt', 'pins.gz', 'jsonl', '']) {
      refuses(() => readPinFile(name, noStdin), 'bad_file', name);
    }
  });

  test('that is missing or a directory is named', async (t) => {
    const dir = await temporaryDir(t);
    for (const name of ['none.jsonl', 'none.jsonl.gz', 'none.npy', 'none.fvecs.gz']) {
      await rejects(collect(readPinFile(join(dir, name), noStdin)), 'missing_file', join(dir, name));
    }
    const path = await writeTemporary(t, 'x.jsonl', lines);
    await rejects(collect(readPinFile(join(path, 'y.jsonl'), noStdin)), 'missing_file');
    await mkdir(join(dir, 'directory.jsonl'));
    await rejects(collect(readPinFile(join(dir, 'directory.jsonl'), noStdin)), 'io_error');
  });

  test('that is packed is refused when the packing is damaged or cut off', async (t) => {
    const text = Array.from({ length: 2000 }, (_, i) => `{"id":${(i * 7919) % 10_007}}`).join('\n');
    const packed = gzipSync(text);
    for (const end of [1, 9, 20, packed.length >> 1, packed.length - 9, packed.length - 1]) {
      const path = await writeTemporary(t, 'cut.jsonl.gz', packed.subarray(0, end));
      await rejects(collect(readPinFile(path, noStdin)), 'bad_file', path);
    }
    for (const at of [0, packed.length >> 1, packed.length - 5]) {
      const damaged = Buffer.from(packed);
      damaged[at]! ^= 0xff;
      const path = await writeTemporary(t, 'damaged.jsonl.gz', damaged);
      await rejects(collect(readPinFile(path, noStdin)), 'bad_file', path);
    }
  });

  test('is closed when reading stops early', async (t) => {
    const many = Buffer.from('{"id":1}\n'.repeat(300_000));
    for (const [name, bytes] of [
      ['a.jsonl', many],
      ['a.jsonl.gz', gzipSync(many)],
      ['a.npy', npy(shaped('<f4', '(100000, 2)'), Buffer.alloc(800_000))],
    ] as const) {
      const path = await writeTemporary(t, name, bytes);
      for await (const row of readPinFile(path, noStdin)) {
        if (row.row === 2) break;
      }
      const pending = () => process.getActiveResourcesInfo().filter((resource) => /^FS|Zlib/.test(resource));
      const deadline = performance.now() + 2000;
      while (pending().length > 0 && performance.now() < deadline) await setImmediate();
      assert.deepEqual(pending(), [], name);
      if (process.platform === 'linux') {
        const files = await Promise.all(
          (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
        );
        assert.ok(!files.includes(path), `${name} is still open`);
      }
    }
  });
});
