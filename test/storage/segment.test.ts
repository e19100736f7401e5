import assert from 'node:assert/strict';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { checksum } from '../../src/lib/checksum.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import {
  ENTRY_BYTES_MAX,
  openSegment,
  type SectionInput,
  type SegmentSeal,
  writeSegment,
} from '../../src/storage/segment.ts';
import { refuses } from '../lib/refuses.ts';
import { temporaryDir } from './temporary.ts';

const NAMES = { 1: 'meta', 2: 'links', 7: 'empty' };

/** Bytes that differ from place to place. */
function content(bytes: number, salt: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + (i >>> 8) * 17 + salt) & 0xff));
}

function section(kind: number, bytes: Buffer, chunk = 1000): SectionInput {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunk) chunks.push(bytes.subarray(at, at + chunk));
  return { kind, bytes: bytes.length, chunks };
}

const meta = content(100, 1);
const links = content(9000, 2);
const small: readonly SectionInput[] = [section(1, meta), section(7, Buffer.alloc(0)), section(2, links)];

/** Reads everything that a segment holds. */
function readAll(path: string, seal?: SegmentSeal): Map<number, Buffer> {
  const segment = openSegment(path, NAMES, seal);
  try {
    return new Map(
      segment.sections.map(({ kind, length }) => {
        assert.ok(length <= statSync(path).size, 'a length that the file cannot hold was believed');
        const target = Buffer.alloc(length);
        segment.readInto(kind, target);
        return [kind, target];
      }),
    );
  } finally {
    segment.close();
  }
}

describe('a segment', () => {
  test('gives back its sections', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    const seal = writeSegment(path, small);
    assert.deepEqual(
      readAll(path, seal),
      new Map([
        [1, meta],
        [7, Buffer.alloc(0)],
        [2, links],
      ]),
    );
  });

  test('has the same bytes however its sections were cut into chunks', async (t) => {
    const dir = await temporaryDir(t);
    const one = writeSegment(join(dir, '1'), small);
    const other = writeSegment(join(dir, '2'), [
      section(1, meta, 7),
      section(7, Buffer.alloc(0)),
      section(2, links, 9000),
    ]);
    assert.deepEqual(one, other);
    assert.deepEqual(readFileSync(join(dir, '1')), readFileSync(join(dir, '2')));
  });

  test('is laid out byte by byte as documented', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    const seal = writeSegment(path, small);
    const file = readFileSync(path);
    const headerBytes = 24 + 3 * 24 + 4;
    assert.equal(file.subarray(0, 8).toString(), 'NEARPIN\n');
    assert.deepEqual(
      [8, 12, 16, 20].map((at) => file.readUInt32LE(at)),
      [1, headerBytes, 3, 0],
    );
    const table = [0, 1, 2].map((i) => [
      file.readUInt32LE(24 + i * 24),
      file.readUInt32LE(28 + i * 24),
      Number(file.readBigUInt64LE(32 + i * 24)),
      Number(file.readBigUInt64LE(40 + i * 24)),
    ]);
    assert.deepEqual(table, [
      [1, checksum(meta), 4096, 100],
      [7, 0, 8192, 0],
      [2, checksum(links), 8192, 9000],
    ]);
    const headerSum = checksum(file.subarray(0, headerBytes - 4));
    assert.equal(file.readUInt32LE(headerBytes - 4), headerSum);
    assert.equal(seal.crc32, headerSum.toString(16).padStart(8, '0'));
    assert.equal(file.length, 8192 + 12288);
    assert.equal(seal.bytes, file.length);
    assert.deepEqual(file.subarray(8192, 17192), links);
    assert.ok(file.subarray(17192).every((byte) => byte === 0));
  });

  test('may have no section at all', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    assert.equal(writeSegment(path, []).bytes, 4096);
    assert.equal(readAll(path).size, 0);
  });

  test('is written from and read into shared memory', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    const memory = new Uint8Array(new SharedArrayBuffer(20_000));
    memory.set(links, 100);
    writeSegment(path, [{ kind: 2, bytes: 9000, chunks: [memory.subarray(100, 9100)] }]);
    const segment = openSegment(path, NAMES);
    segment.readInto(2, memory.subarray(10_000, 19_000));
    segment.close();
    assert.deepEqual(Buffer.from(memory.slice(10_000, 19_000)), links);
    assert.equal(memory[9_999], 0);
    assert.equal(memory[19_000], 0);
  });

  test('cuts a long section into entries, so that damage is found where it is', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    const bytes = 2 * ENTRY_BYTES_MAX + 5;
    const megabyte = content(1024 * 1024, 3);
    function* chunks() {
      for (let done = 0; done < bytes; done += megabyte.length) yield megabyte.subarray(0, bytes - done);
    }
    writeSegment(path, [{ kind: 2, bytes, chunks: chunks() }, section(1, meta)]);
    assert.equal(readFileSync(path).readUInt32LE(16), 4);

    const segment = openSegment(path, NAMES);
    t.after(() => segment.close());
    assert.deepEqual(segment.sections, [
      { kind: 2, offset: 4096, length: bytes },
      { kind: 1, offset: 4096 * 3 + 2 * ENTRY_BYTES_MAX - 4096, length: 100 },
    ]);
    const target = Buffer.alloc(bytes);
    segment.readInto(2, target);
    for (let at = 0; at < bytes; at += megabyte.length) {
      const part = target.subarray(at, at + megabyte.length);
      assert.ok(part.equals(megabyte.subarray(0, part.length)), `from byte ${at}`);
    }

    const file = readFileSync(path);
    file[4096 + ENTRY_BYTES_MAX + 1000]! ^= 1;
    writeFileSync(path, file);
    const message = new RegExp(`section links, bytes ${ENTRY_BYTES_MAX} to ${2 * ENTRY_BYTES_MAX}$`);
    assert.throws(() => segment.readInto(2, target), message);
  });

  test('is refused when a section is not as long as it was said to be', async (t) => {
    const dir = await temporaryDir(t);
    refuses(() => writeSegment(join(dir, '1'), [{ kind: 1, bytes: 5, chunks: [meta] }]), 'io_error');
    refuses(() => writeSegment(join(dir, '2'), [{ kind: 1, bytes: 101, chunks: [meta] }]), 'io_error');
  });

  test('does not overwrite a file', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    writeSegment(path, small);
    refuses(() => writeSegment(path, []), 'io_error', path);
    readAll(path);
  });
});

describe('opening a segment', () => {
  test('names a file that is missing', async (t) => {
    const path = join(await temporaryDir(t), 'none.seg');
    refuses(() => openSegment(path, NAMES), 'missing_file', path);
  });

  test('refuses another file than the manifest names', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    const seal = writeSegment(path, small);
    refuses(() => openSegment(path, NAMES, { ...seal, crc32: '00000000' }), 'corrupt_file', path);
    refuses(() => openSegment(path, NAMES, { ...seal, bytes: seal.bytes + 4096 }), 'corrupt_file', path);
  });

  test('reading names a section that is missing or of another length', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    writeSegment(path, [section(1, meta)]);
    const segment = openSegment(path, NAMES);
    t.after(() => segment.close());
    assert.throws(() => segment.readInto(2, Buffer.alloc(5)), /has no section links/);
    assert.throws(() => segment.readInto(9, Buffer.alloc(5)), /has no section number 9/);
    assert.throws(
      () => segment.readInto(1, Buffer.alloc(99)),
      /holds 100 bytes of section meta where 99 belong/,
    );
    assert.throws(() => segment.readInto(1, Buffer.alloc(101)), NearpinError);
  });
});

describe('a damaged segment', () => {
  /** Asserts that a file is refused with a typed error, and quickly: nothing large was allocated for it. */
  function refused(path: string, what: string): NearpinError {
    try {
      readAll(path);
    } catch (error) {
      assert.ok(error instanceof NearpinError, `${what}: ${(error as Error).stack}`);
      assert.match(error.code, /^(corrupt_file|unsupported_version)$/, what);
      assert.ok(error.message.includes(path), what);
      return error;
    }
    assert.fail(`${what} was not noticed`);
  }

  test('is refused when cut off after any byte', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    const { bytes } = writeSegment(path, small);
    for (let end = bytes - 1; end >= 0; end--) {
      truncateSync(path, end);
      refused(path, `cut to ${end} bytes`);
    }
  });

  test('is refused when something follows it', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    writeSegment(path, small);
    const file = readFileSync(path);
    for (const more of [1, 4096]) {
      writeFileSync(path, Buffer.concat([file, Buffer.alloc(more)]));
      refused(path, `${more} bytes more`);
    }
  });

  test('is refused when any bit of header or sections is flipped', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    writeSegment(path, small);
    const file = readFileSync(path);
    const covered: [number, number, RegExp][] = [
      [0, 100, /damaged header|not a segment|format version/],
      [4096, 4196, /section meta/],
      [8192, 17192, /section links/],
    ];
    for (const [start, end, message] of covered) {
      // Every bit of what is small, one bit of each byte further on.
      for (let at = start; at < end; at++) {
        for (let bit = at & 7; bit < 8; bit += at < 200 ? 1 : 8) {
          const copy = Buffer.from(file);
          copy[at]! ^= 1 << bit;
          writeFileSync(path, copy);
          assert.match(refused(path, `bit ${bit} of byte ${at}`).message, message);
        }
        if (at > 5000) at += 6;
      }
    }
  });

  // As if by someone who knows the format: the checksum of the header is made to fit.
  test('is refused when a field of its header is set to 0, its greatest value or one more or less', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    writeSegment(path, small);
    const file = readFileSync(path);
    const headerBytes = file.readUInt32LE(12);
    const fields: [string, number, 4 | 8][] = [
      ['version', 8, 4],
      ['header bytes', 12, 4],
      ['entries', 16, 4],
    ];
    for (let i = 0; i < 3; i++) {
      fields.push(
        [`checksum ${i}`, 28 + i * 24, 4],
        [`offset ${i}`, 32 + i * 24, 8],
        [`length ${i}`, 40 + i * 24, 8],
      );
    }
    for (const [name, at, bytes] of fields) {
      const read = (buffer: Buffer) =>
        bytes === 4 ? BigInt(buffer.readUInt32LE(at)) : buffer.readBigUInt64LE(at);
      const max = (1n << BigInt(bytes * 8)) - 1n;
      const old = read(file);
      const values = new Set([
        0n,
        max,
        max >> 1n,
        old + 1n,
        (old - 1n) & max,
        1n << 31n,
        BigInt(ENTRY_BYTES_MAX),
        4096n,
      ]);
      values.delete(old);
      for (const value of values) {
        const copy = Buffer.from(file);
        if (bytes === 4) copy.writeUInt32LE(Number(value), at);
        else copy.writeBigUInt64LE(value, at);
        copy.writeUInt32LE(checksum(copy.subarray(0, headerBytes - 4)), headerBytes - 4);
        writeFileSync(path, copy);
        refused(path, `${name} set to ${value}`);
      }
    }
  });

  test('is refused for a huge table or a huge entry before anything is allocated for it', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    writeSegment(path, [section(1, meta)]);
    const file = readFileSync(path);
    const table = Buffer.from(file);
    table.writeUInt32LE(24 + 100_000_000 * 24 + 4, 12);
    table.writeUInt32LE(100_000_000, 16);
    writeFileSync(path, table);
    assert.match(refused(path, 'a table of 2.4 GB').message, /damaged header/);

    const entry = Buffer.from(file);
    entry.writeBigUInt64LE(BigInt(ENTRY_BYTES_MAX + 4096), 40);
    entry.writeUInt32LE(checksum(entry.subarray(0, 48)), 48);
    writeFileSync(path, entry);
    truncateSync(path, 4096 + ENTRY_BYTES_MAX + 4096);
    assert.match(refused(path, 'an entry over 64 MiB').message, /puts section 1 where it cannot be/);
  });

  test('is refused when a kind stands twice', async (t) => {
    const dir = await temporaryDir(t);
    for (const kinds of [
      [1, 2, 1],
      [1, 1, 2],
      [1, 2, 2],
    ]) {
      const path = join(dir, kinds.join());
      writeSegment(
        path,
        kinds.map((kind) => section(kind, meta)),
      );
      assert.match(refused(path, `kinds ${kinds}`).message, /repeats/);
    }
  });

  test('of another kind of file is refused', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('{}'),
      Buffer.alloc(5000),
      content(5000, 9),
      Buffer.from('NEARPIN\r\n'.repeat(9)),
    ]) {
      writeFileSync(path, bytes);
      refused(path, `${bytes.length} bytes of another kind`);
    }
  });

  test('of a newer version is said to be one', async (t) => {
    const path = join(await temporaryDir(t), 'a.seg');
    writeSegment(path, small);
    const file = readFileSync(path);
    file.writeUInt32LE(2, 8);
    writeFileSync(path, file);
    refuses(() => openSegment(path, NAMES), 'unsupported_version', path);
  });
});
