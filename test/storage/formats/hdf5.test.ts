import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { LIMITS } from '../../../src/lib/limits.ts';
import { Hdf5, readHdf5 } from '../../../src/storage/formats/hdf5.ts';
import { readPinFile } from '../../../src/storage/pin-files.ts';
import { rejects } from '../../lib/refuses.ts';
import { temporaryDir } from '../temporary.ts';
import { collect, writeHdf5 } from './vector-bytes.ts';

const train = { data: [1, -2.5, 0.1, 4, 5, 6], shape: [2, 3] };
const rows = [
  { row: 0, value: { id: '0', vector: Float32Array.of(1, -2.5, 0.1) } },
  { row: 1, value: { id: '1', vector: Float32Array.of(4, 5, 6) } },
];

test('the rows of train are pins numbered from 0, packed or not, also for a build', async (t) => {
  const path = await writeHdf5(t, { train });
  assert.deepEqual(await collect(readHdf5(path)), rows);
  assert.deepEqual(await collect(readPinFile(path, Readable.from([]))), rows);
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
  const unpacked = () => readdirSync(tmpdir()).filter((name) => name.startsWith('nearpin-hdf5-')).length;
  const before = unpacked();
  assert.deepEqual(await collect(readHdf5(`${path}.gz`)), rows);
  assert.equal(unpacked(), before, 'what was unpacked is left behind');
});

test('matrices are read in parts, of any type of number', async (t) => {
  const data = Array.from({ length: 12 }, (_, i) => i);
  for (const dtype of ['<f', '<d', '<i', '<B']) {
    const path = await writeHdf5(t, { test: { data, shape: [4, 3], dtype } });
    const file = await Hdf5.open(path);
    try {
      const matrix = file.matrix('test')!;
      assert.deepEqual([matrix.rows, matrix.dim], [4, 3]);
      assert.deepEqual(Array.from(matrix.read(1, 2), Number), [3, 4, 5, 6, 7, 8], dtype);
      assert.equal(file.matrix('neighbors'), undefined);
    } finally {
      await file.close();
    }
  }
});

test('the metric is what the file says', async (t) => {
  for (const [attributes, distance] of [
    [{ distance: 'angular' }, 'angular'],
    [{}, undefined],
  ] as const) {
    const file = await Hdf5.open(await writeHdf5(t, { train }, attributes));
    assert.equal(file.distance, distance);
    await file.close();
  }
});

test('what is no matrix of numbers is refused', async (t) => {
  for (const [bad, message] of [
    [{ data: [1, 2, 3], shape: [3] }, /train is not a matrix/],
    [{ data: [1, 2, 3, 4], shape: [1, 2, 2] }, /train is not a matrix/],
    [
      { data: new Array(LIMITS.dimMax + 1).fill(1), shape: [1, LIMITS.dimMax + 1] },
      /train has rows of 4097 values/,
    ],
  ] as const) {
    const path = await writeHdf5(t, { train: { ...bad, shape: [...bad.shape] } });
    await assert.rejects(collect(readHdf5(path)), { code: 'bad_file', message });
  }
  const other = await writeHdf5(t, { test: train });
  await assert.rejects(collect(readHdf5(other)), { code: 'bad_file', message: /has no data set train/ });
});

test('a file that is cut off, damaged, another or missing is refused by name', async (t) => {
  const path = await writeHdf5(t, { train });
  const whole = readFileSync(path);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('not HDF5'),
    whole.subarray(0, 100),
    whole.subarray(0, whole.length - 1),
  ]) {
    writeFileSync(path, bytes);
    await rejects(collect(readHdf5(path)), 'bad_file', path);
  }
  writeFileSync(`${path}.gz`, gzipSync(whole).subarray(0, 60));
  await rejects(collect(readHdf5(`${path}.gz`)), 'bad_file', `${path}.gz`);
  await rejects(collect(readHdf5(`${path}.none.hdf5`)), 'missing_file');
  await rejects(collect(readHdf5(await temporaryDir(t))), 'bad_file');
});
