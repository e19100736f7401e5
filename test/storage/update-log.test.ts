/** The update log and its records: what goes in comes out, in order, and what is damaged is found. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { Prng } from '../../src/lib/prng.ts';
import { hasLog, LOG_DIR, UpdateLog } from '../../src/storage/update-log.ts';
import { decodeUpdate, encodeUpdate, isWhole, type Operation } from '../../src/storage/update-record.ts';

const attributes = fc.dictionary(
  fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'),
  fc.oneof(
    fc.string(),
    fc.double({ noNaN: true }).map((x) => x || 0),
    fc.boolean(),
    fc.array(fc.string()),
  ),
  { noNullPrototype: true },
);
const payload = fc.option(
  fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  { nil: undefined },
);
const id = fc.string({ minLength: 1, maxLength: 20 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('upsert' as const),
      id,
      vector: fc.float32Array({ noNaN: true, maxLength: 9 }),
      text: fc.option(fc.string()),
      attributes,
      payload,
    },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant('change' as const), id, attributes: fc.option(attributes), payload },
    { noNullPrototype: true },
  ),
  fc.record({ kind: fc.constant('delete' as const), id }, { noNullPrototype: true }),
);

describe('a record', () => {
  test('reads back as it was written', () => {
    fc.assert(
      fc.property(fc.option(fc.string()), fc.array(operation, { maxLength: 8 }), (model, operations) => {
        const bytes = encodeUpdate({ model, operations });
        assert.ok(isWhole(bytes));
        assert.deepEqual(decodeUpdate(bytes), { model, operations });
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('of which one bit is wrong is not whole', () => {
    const bytes = encodeUpdate({ model: null, operations: [{ kind: 'delete', id: 'a pin' }] });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bad = Buffer.from(bytes);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(isWhole(bad), false, `bit ${bit}`);
    }
    for (let n = 0; n < bytes.length; n++) assert.equal(isWhole(bytes.subarray(0, n)), false, `${n} bytes`);
  });
});

describe('a log', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'nearpin-log-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const updateOf = (seq: number) => ({
    seq,
    bytes: encodeUpdate({ model: null, operations: [{ kind: 'delete', id: `p${seq}` }] }),
  });
  const seqsOf = ({ updates }: { updates: readonly { seq: number }[] }) => updates.map(({ seq }) => seq);

  test('gives what was appended, after any number, in pieces, and after it was opened again', async () => {
    const at = join(dir, 'appended');
    assert.equal(hasLog(at), false);
    assert.equal(UpdateLog.open(at, 'read'), undefined);
    let log = UpdateLog.open(at, 'write');
    log.append([6, 7].map(updateOf));
    log.append([9].map(updateOf));
    assert.deepEqual(log.extent(), { base: 5, last: 9 });
    assert.deepEqual(seqsOf(log.read(5, 9, 1e6)), [6, 7, 9]);
    assert.deepEqual(seqsOf(log.read(6, 8, 1e6)), [7]);
    const first = log.read(5, 9, 1);
    assert.deepEqual([seqsOf(first), first.through], [[6], 6]);
    assert.equal(log.read(5, 9, 1e6).through, 9);
    log.takeBack([9]);
    assert.deepEqual(log.extent(), { base: 5, last: 7 });
    await log.close();
    log = UpdateLog.open(at, 'read')!;
    assert.deepEqual(seqsOf(log.read(0, 99, 1e6)), [6, 7]);
    assert.deepEqual(decodeUpdate(log.read(6, 7, 1).updates[0]!.bytes).operations, [
      { kind: 'delete', id: 'p7' },
    ]);
    await log.close();
  });

  test('is opened after any damage of its pages, or refused, and never ends the process', async () => {
    const at = join(dir, 'damaged');
    const log = UpdateLog.open(at, 'write');
    for (let seq = 1; seq <= 300; seq++) {
      const text = 'x'.repeat(seq % 40 === 0 ? 20_000 : 300);
      const operations: Operation[] = [
        { kind: 'upsert', id: `p${seq}`, vector: Float32Array.of(seq), text, attributes: {}, payload: null },
      ];
      log.append([{ seq, bytes: encodeUpdate({ model: null, operations }) }]);
      if (seq % 100 === 0) log.trim(seq - 80);
    }
    await log.close();
    const file = join(at, 'updates', 'data.mdb');
    const good = await readFile(file);
    // What comes after is room for more
    const used = good.findLastIndex((byte) => byte !== 0) / 4096;
    const prng = new Prng(1);
    let refused = 0;
    for (let i = 0; i < 150; i++) {
      const bad = Buffer.from(good);
      const page = prng.below(used) * 4096;
      if (i % 4 === 0) bad.fill(0, page, page + 4096);
      else if (i % 4 === 1) for (let n = 0; n < 4096; n++) bad[page + n] = prng.below(256);
      else for (let n = 0; n < 4; n++) bad[page + prng.below(48)] = prng.below(256);
      await writeFile(file, i % 10 === 9 ? bad.subarray(0, page + prng.below(4096)) : bad);
      try {
        const opened = UpdateLog.open(at, 'read');
        const { base, last } = opened?.extent() ?? { base: 0, last: 0 };
        opened?.read(base, last, 1e9);
        await opened?.close();
      } catch (error) {
        assert.equal((error as { code: string }).code, 'corrupt_file', String(error));
        refused++;
      }
    }
    assert.ok(refused > 30, `${refused} refused`);
    await writeFile(file, good);
    const whole = UpdateLog.open(at, 'read')!;
    assert.deepEqual(whole.extent(), { base: 220, last: 300 });
    await whole.close();
  });

  test('forgets what is trimmed, and stays as long', async () => {
    const log = UpdateLog.open(join(dir, 'trimmed'), 'write');
    for (let seq = 1; seq <= 1200; seq++) log.append([updateOf(seq)]);
    log.trim(1100);
    assert.deepEqual(log.extent(), { base: 1100, last: 1200 });
    assert.equal(log.read(0, 9999, 1e6).updates.length, 100);
    log.trim(100);
    assert.deepEqual(log.extent(), { base: 1100, last: 1200 });
    log.trim(1200);
    assert.deepEqual(log.extent(), { base: 1200, last: 1200 });
    log.append([updateOf(1201)]);
    assert.deepEqual(log.extent(), { base: 1200, last: 1201 });
    await log.close();
  });

  test('that is reopened holds the same, and no pages that were read before', async (t) => {
    if (process.platform !== 'linux') return t.skip('only Linux tells what is mapped');
    const at = join(dir, 'reopened');
    let log = UpdateLog.open(at, 'write');
    const bytes = new Uint8Array(64 * 1024).fill(7);
    for (let seq = 1; seq <= 100; seq++) log.append([{ seq, bytes }]);
    let read = 0;
    for (const update of log.updates(0, 100)) read += update.bytes.length;
    assert.equal(read, 100 * bytes.length);
    const before = mappedBytes(join(at, LOG_DIR));
    assert.ok(before >= read, `${before} of ${read} bytes`);
    log = await log.reopen();
    const after = mappedBytes(join(at, LOG_DIR));
    assert.ok(after < read / 4, `${after} of ${before} bytes`);
    assert.deepEqual(log.extent(), { base: 0, last: 100 });
    log.append([{ seq: 101, bytes }]);
    assert.deepEqual(log.extent(), { base: 0, last: 101 });
    await log.close();
  });
});

/** Bytes of a directory's files that this process has mapped and that are in memory. */
function mappedBytes(dir: string): number {
  let bytes = 0;
  let isOfDir = false;
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    if (/^[0-9a-f]+-/.test(line)) isOfDir = line.includes(dir);
    const kilobytes = /^Rss: +(\d+) kB$/.exec(line)?.[1];
    if (isOfDir && kilobytes !== undefined) bytes += Number(kilobytes) * 1024;
  }
  return bytes;
}
