import assert from 'node:assert/strict';
import test from 'node:test';
import { LIMITS } from '../../../src/lib/limits.ts';
import { readIvecs } from '../../../src/storage/formats/vecs.ts';
import { collect, pieces, vecsBytes } from './vector-bytes.ts';

const lists = [Int32Array.of(3, 2 ** 31 - 1, 0), Int32Array.of(7, -1, 5)];
const whole = vecsBytes(lists);

test('.ivecs hold lists of whole numbers, which f32 could not hold, cut anywhere', async () => {
  for (const size of [1, 5, 1000])
    assert.deepEqual(await collect(readIvecs(pieces(whole, size), 'v')), lists);
});

test('.ivecs are refused when cut off inside a list, and when the lengths differ or are out of range', async () => {
  for (let end = 1; end < whole.length; end++) {
    if (end === 16) continue;
    await assert.rejects(collect(readIvecs(pieces(whole.subarray(0, end)), 'v')), {
      code: 'bad_file',
      message: `v: at byte ${end < 16 ? 0 : 16}: ends in row ${end < 16 ? 0 : 1}`,
    });
  }
  const uneven = vecsBytes([Int32Array.of(1, 2), Int32Array.of(1)]);
  await assert.rejects(collect(readIvecs(pieces(uneven), 'v')), /at byte 12: row 1 has 1/);
  for (const length of [0, -1, LIMITS.dimMax + 1]) {
    const head = Buffer.alloc(12);
    head.writeInt32LE(length);
    await assert.rejects(collect(readIvecs(pieces(head), 'v')), { code: 'bad_file' });
  }
});
