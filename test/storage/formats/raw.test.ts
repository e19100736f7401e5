import assert from 'node:assert/strict';
import test from 'node:test';
import { readRaw } from '../../../src/storage/formats/raw.ts';
import { collect, pieces } from './vector-bytes.ts';

const values = [1, -2.5, 0.1, 5e-40, 6, Number.POSITIVE_INFINITY];
const f32 = new Uint8Array(Float32Array.from(values).buffer);

test('bare f32 and u8 are rows of the dim that is given, wherever the pieces are cut', async () => {
  for (const size of [1, 5, 12, 1000]) {
    assert.deepEqual(await collect(readRaw(pieces(f32, size), 'v.f32', 3, 4)), [
      Float32Array.from(values.slice(0, 3)),
      Float32Array.from(values.slice(3)),
    ]);
    assert.deepEqual(await collect(readRaw(pieces(Uint8Array.of(0, 1, 254, 255), size), 'v.u8', 2, 1)), [
      Float32Array.of(0, 1),
      Float32Array.of(254, 255),
    ]);
  }
  assert.deepEqual(await collect(readRaw(pieces(new Uint8Array(0)), 'v.f32', 3, 4)), []);
});

test('rows of bare bytes are theirs alone, and not views of what is read next', async () => {
  const rows = await collect(readRaw(pieces(f32, 4), 'v.f32', 3, 4));
  assert.equal(new Set(rows.map(({ buffer }) => buffer)).size, rows.length);
});

test('bare bytes that end within a row are refused at that row', async () => {
  for (let end = 1; end < f32.length; end++) {
    if (end === 12) continue;
    const [row, start] = end < 12 ? [0, 0] : [1, 12];
    const message = `v.f32: at byte ${start}: ends in row ${row}, at ${end - start} of its 12 bytes`;
    await assert.rejects(collect(readRaw(pieces(f32.subarray(0, end)), 'v.f32', 3, 4)), {
      code: 'bad_file',
      message,
    });
  }
});
