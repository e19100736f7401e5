import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { drawClustered, take } from '../../bench/clustered.ts';
import { makeAttribute } from '../../bench/data/attributes.ts';
import { RESERVED } from '../../bench/data/clustered-files.ts';
import { MatrixReader, readMatrix } from '../../bench/data/matrix.ts';
import { prepareSet, type SetSpec } from '../../bench/data/sets.ts';
import { readNeighbours } from '../../bench/data/vector-files.ts';
import { writeNpy } from '../../bench/npy.ts';
import { unitVector } from '../../src/core/metric.ts';
import { Prng } from '../../src/lib/prng.ts';
import { rejects } from '../lib/refuses.ts';
import { vecsBytes, writeHdf5 } from '../storage/formats/vector-bytes.ts';
import { temporaryDir } from '../storage/temporary.ts';

const DIM = 3;

async function place(t: TestContext) {
  const folder = await temporaryDir(t);
  const cacheDir = join(folder, 'cache');
  mkdirSync(cacheDir);
  const prepare = (spec: SetSpec) => prepareSet(spec, { cacheDir, dataDir: folder, onRow() {} });
  return { folder, cacheDir, prepare };
}

const prng = new Prng(4);
const draw = (count: number) =>
  Array.from({ length: count }, () => Float32Array.from({ length: DIM }, () => prng.below(100) + 1));
const vectors = draw(6);
const queries = draw(2);
const bytesOf = (rows: readonly Float32Array[]) =>
  Buffer.concat(rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength)));
const small = (rows: readonly Float32Array[]) => rows.map((row) => Uint8Array.from(row));

test('files of every kind give the same set', async (t) => {
  const { folder, prepare } = await place(t);
  const at = (name: string) => join(folder, name);
  writeFileSync(at('b.fvecs'), vecsBytes(vectors));
  writeFileSync(at('q.fvecs'), vecsBytes(queries));
  writeFileSync(at('b.bvecs'), vecsBytes(small(vectors)));
  writeFileSync(at('q.bvecs.gz'), gzipSync(vecsBytes(small(queries))));
  writeNpy(at('b.npy'), vectors, vectors.length, DIM, '<f4');
  writeNpy(at('q.npy'), small(queries), queries.length, DIM, '|u1');
  writeFileSync(at('b.f32'), bytesOf(vectors));
  writeFileSync(at('q.u8'), Buffer.concat(small(queries)));
  const lines = (rows: readonly Float32Array[]) =>
    rows.map((row, i) => JSON.stringify({ id: i, vector: [...row] })).join('\n');
  writeFileSync(at('b.jsonl'), lines(vectors));
  writeFileSync(at('q.jsonl'), lines(queries));
  for (const [base, query] of [
    ['b.fvecs', 'q.fvecs'],
    ['b.bvecs', 'q.bvecs.gz'],
    ['b.npy', 'q.npy'],
    ['b.f32', 'q.u8'],
    ['b.jsonl', 'q.jsonl'],
  ] as const) {
    const set = await prepare({ base: at(base), queries: at(query), metric: 'l2', dim: DIM });
    assert.deepEqual(readMatrix(set.base), vectors, base);
    assert.deepEqual(readMatrix(set.queries), queries, query);
    assert.deepEqual([set.name, set.metric, set.neighbours], ['b', 'l2', undefined]);
  }
});

test('a file of ann-benchmarks says its metric, queries and neighbours', async (t) => {
  const { prepare } = await place(t);
  const flat = (rows: readonly Float32Array[]) => rows.flatMap((row) => [...row]);
  const datasets = {
    train: { data: flat(vectors), shape: [6, DIM] },
    test: { data: flat(queries), shape: [2, DIM] },
    neighbors: { data: [0, 1, 2, 5, 4, 3], shape: [2, 3], dtype: '<i' },
  };
  const base = await writeHdf5(t, datasets, { distance: 'euclidean' });
  const set = await prepare({ base });
  assert.equal(set.metric, 'l2');
  assert.deepEqual(readMatrix(set.base), vectors);
  assert.deepEqual(readMatrix(set.queries), queries);
  assert.deepEqual(set.neighbours, [Uint32Array.of(0, 1, 2), Uint32Array.of(5, 4, 3)]);
  const part = await prepare({ base, count: 4 });
  assert.equal(part.base.rows, 4);
  assert.equal(part.neighbours, undefined, 'neighbours among all are none among some');

  const angular = await prepare({ base: await writeHdf5(t, datasets, { distance: 'angular' }) });
  assert.equal(angular.metric, 'cosine');
  assert.deepEqual(readMatrix(angular.base), vectors.map(unitVector));
});

test('the neighbours that a file gives are read as they are', async (t) => {
  const { folder } = await place(t);
  const path = join(folder, 't.ivecs');
  writeFileSync(path, vecsBytes([Int32Array.of(4, 1), Int32Array.of(0, 3)]));
  assert.deepEqual(await readNeighbours(path), [Uint32Array.of(4, 1), Uint32Array.of(0, 3)]);
  await rejects(readNeighbours(join(folder, 't.txt')), 'bad_file');
});

test('without a file of queries the last rows are taken for them', async (t) => {
  const { folder, prepare } = await place(t);
  const base = join(folder, 'b.fvecs');
  writeFileSync(base, vecsBytes(vectors));
  const set = await prepare({ base, metric: 'dot', queryCount: 2, count: 3 });
  assert.deepEqual(readMatrix(set.base), vectors.slice(0, 3));
  assert.deepEqual(readMatrix(set.queries), vectors.slice(4));
  await rejects(prepare({ base, queryCount: 6 }), 'bad_request', 'queries');
});

test('vectors are made once, and anew when their file has changed', async (t) => {
  const { folder, cacheDir, prepare } = await place(t);
  const base = join(folder, 'b.f32');
  writeFileSync(base, bytesOf(vectors));
  const spec = { base, dim: DIM, metric: 'l2', queryCount: 1 } as const;
  const first = await prepare(spec);
  const { mtimeMs } = statSync(first.base.path);
  assert.deepEqual(await prepare(spec), first);
  assert.equal(statSync(first.base.path).mtimeMs, mtimeMs);
  assert.equal(readdirSync(cacheDir).length, 1);
  writeFileSync(base, bytesOf(draw(9)));
  assert.equal((await prepare(spec)).base.rows, 8);
});

test('vectors that cannot be searched are refused at their row, and nothing is kept of them', async (t) => {
  const { folder, cacheDir, prepare } = await place(t);
  const base = join(folder, 'b.f32');
  const bad = (row: Float32Array) => {
    writeFileSync(base, bytesOf([vectors[0]!, row]));
    return prepare({ base, dim: DIM, queryCount: 1 });
  };
  await assert.rejects(bad(Float32Array.of(1, Number.NaN, 1)), { code: 'bad_vector', message: /row 1/ });
  await assert.rejects(bad(new Float32Array(DIM)), { code: 'zero_vector', message: /row 1/ });
  await assert.rejects(prepare({ base }), { code: 'bad_file', message: /--dim/ });
  writeFileSync(base, '');
  await rejects(prepare({ base, dim: DIM }), 'bad_file');
  const other = join(folder, 'q.fvecs');
  writeFileSync(other, vecsBytes([Float32Array.of(1, 2)]));
  writeFileSync(base, bytesOf(vectors));
  await rejects(prepare({ base, dim: DIM, queries: other }), 'bad_file', other);
  assert.deepEqual(
    readdirSync(cacheDir).filter((name) => !name.endsWith('.f32')),
    [],
  );
});

test('named sets that are not there are missing, and unknown ones refused', async (t) => {
  const { prepare } = await place(t);
  await rejects(prepare({ name: 'mnist' }), 'missing_file', 'mnist/mnist_63000x784.u8.gz');
  await rejects(prepare({ name: 'tate' }), 'missing_file');
  await rejects(prepare({ name: 'none' }), 'bad_request', 'set');
  await rejects(prepare({ name: 'clustered', metric: 'l2' }), 'bad_request', 'metric');
  await rejects(prepare({ name: 'clustered', queryCount: RESERVED + 1 }), 'limit_exceeded', 'queries');
});

test('a seeded set is the beginning of every larger one, and none of its queries', async (t) => {
  const { cacheDir, prepare } = await place(t);
  const spec = { name: 'clustered', dim: 4, queryCount: 3 } as const;
  const large = await prepare({ ...spec, count: 50 });
  const small = await prepare({ ...spec, count: 20 });
  const sequence = take(drawClustered(4, 1), RESERVED + 50);
  assert.deepEqual(readMatrix(large.base), sequence.slice(RESERVED));
  assert.deepEqual(readMatrix(small.base), sequence.slice(RESERVED, RESERVED + 20));
  assert.deepEqual(readMatrix(small.queries), sequence.slice(0, 3));
  assert.notEqual(small.base.sha256, large.base.sha256);
  assert.equal(readdirSync(cacheDir).length, 2, 'one file of vectors and one of queries');
});

test('rows are read from anywhere in a matrix, which may be a part of a file', async (t) => {
  const { folder, prepare } = await place(t);
  const base = join(folder, 'b.f32');
  writeFileSync(base, bytesOf(vectors));
  const set = await prepare({ base, dim: DIM, metric: 'l2', queryCount: 4 });
  const reader = new MatrixReader(set.queries);
  assert.deepEqual(Buffer.from(reader.read(1, 2).buffer), bytesOf(vectors.slice(3, 5)));
  const target = new Float32Array(20);
  assert.deepEqual(reader.read(3, 1, target), vectors[5]);
  assert.throws(() => reader.read(3, 2), { code: 'bad_file' });
  reader.close();
  assert.deepEqual(readFileSync(set.base.path), bytesOf(vectors));
});

test('numbers to filter by are the same in every process, and spread evenly', async (t) => {
  const { prepare } = await place(t);
  const { base } = await prepare({ name: 'clustered', dim: 4, count: 4000 });
  for (const name of ['random', 'corner']) {
    const values = makeAttribute(name, base);
    assert.deepEqual(values, makeAttribute(name, base));
    assert.ok(values.every((value) => value >= 0 && value < 1));
    for (const share of [0.5, 0.1, 0.01]) {
      const below = values.filter((value) => value < share).length;
      assert.ok(Math.abs(below - 4000 * share) <= 4 * Math.sqrt(4000 * share), `${name} ${share} ${below}`);
    }
  }
  assert.throws(() => makeAttribute('toString', base), { code: 'bad_request' });
});
