import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { readSpool, SpoolWriter } from '../../src/storage/spool.ts';
import { refuses } from '../lib/refuses.ts';
import { temporaryDir } from './temporary.ts';

const SHAPE = { dim: 3, rowStride: 8, lists: 2 };

describe('a spool', () => {
  test('gives back the records in their order, also those that cross its buffer', async (t) => {
    const dir = await temporaryDir(t);
    const record = fc.record({
      id: fc.uint8Array({ minLength: 1, maxLength: 128 }),
      vector: fc.float32Array({ minLength: 3, maxLength: 3 }),
      row: fc.uint8Array({ minLength: 8, maxLength: 8 }),
      // Up to 200 kB of a record, which the limits do not allow, so that a few make a buffer full
      lists: fc.tuple(
        fc.uint32Array({ maxLength: 3 }),
        fc.nat(50_000).map((length) => new Uint32Array(length).fill(length)),
      ),
    });
    let file = 0;
    fc.assert(
      fc.property(fc.array(record, { minLength: 0, maxLength: 80 }), (records) => {
        const path = join(dir, String(file++));
        const spool = new SpoolWriter(path);
        for (const each of records) spool.append(each);
        spool.end();
        assert.equal(spool.count, records.length);
        let i = 0;
        for (const { id, vector, row, lists } of readSpool(path, SHAPE)) {
          const expected = records[i++]!;
          assert.deepEqual(new Uint8Array(id), expected.id);
          assert.deepEqual([vector, row, lists], [expected.vector, expected.row, expected.lists]);
        }
        assert.equal(i, records.length);
      }),
      { seed: 1, numRuns: 12 },
    );
  });

  test('can be abandoned after its end, as when another one of the same build fails', async (t) => {
    const dir = await temporaryDir(t);
    const spool = new SpoolWriter(join(dir, 'spool'));
    spool.end();
    spool.abandon();
    spool.abandon();
    refuses(() => new SpoolWriter(join(dir, 'spool')), 'io_error');
    refuses(() => new SpoolWriter(join(dir, 'nowhere', 'spool')), 'missing_file');
  });
});
