/** The update log and its records: what goes in comes out, in order, and what is damaged is found. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { hasLog, UpdateLog } from '../../src/storage/update-log.ts';
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
    assert.equal(UpdateLog.open(at, true), undefined);
    let log = UpdateLog.open(at, false)!;
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
    log = UpdateLog.open(at, true)!;
    assert.deepEqual(seqsOf(log.read(0, 99, 1e6)), [6, 7]);
    assert.deepEqual(decodeUpdate(log.read(6, 7, 1).updates[0]!.bytes).operations, [
      { kind: 'delete', id: 'p7' },
    ]);
    await log.close();
  });

  test('forgets what is trimmed, and stays as long', async () => {
    const log = UpdateLog.open(join(dir, 'trimmed'), false)!;
    for (let seq = 1; seq <= 2500; seq++) log.append([updateOf(seq)]);
    log.trim(2400);
    assert.deepEqual(log.extent(), { base: 2400, last: 2500 });
    assert.equal(log.read(0, 9999, 1e6).updates.length, 100);
    log.trim(100);
    assert.deepEqual(log.extent(), { base: 2400, last: 2500 });
    log.trim(2500);
    assert.deepEqual(log.extent(), { base: 2500, last: 2500 });
    log.append([updateOf(2501)]);
    assert.deepEqual(log.extent(), { base: 2500, last: 2501 });
    await log.close();
  });
});
