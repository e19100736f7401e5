import assert from 'node:assert/strict';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { passes, type Windows } from '../../bench/data/filters.ts';
import { type Matrix, MatrixWriter, openMatrix } from '../../bench/data/matrix.ts';
import { findTruth, recallOf, type Truth, trueDistance } from '../../bench/data/truth.ts';
import type { Metric } from '../../src/core/metric.ts';
import { Prng } from '../../src/lib/prng.ts';
import { temporaryDir } from '../storage/temporary.ts';

const DIM = 7;

function writeMatrix(path: string, rows: readonly Float32Array[]): Matrix {
  const writer = new MatrixWriter(path, DIM);
  for (const row of rows) writer.write(row);
  writer.end();
  return openMatrix(path, DIM, 0, rows.length);
}

/** Vectors of few values, so that many distances are equal, and their queries. */
async function draw(t: TestContext, count: number, queryCount: number) {
  const folder = await temporaryDir(t);
  const prng = new Prng(count);
  const rows = (n: number) =>
    Array.from({ length: n }, () => Float32Array.from({ length: DIM }, () => prng.below(3) - 1));
  const vectors = rows(count);
  const wanted = rows(queryCount);
  return {
    folder,
    vectors,
    wanted,
    base: writeMatrix(join(folder, 'base.f32'), vectors),
    queries: writeMatrix(join(folder, 'queries.f32'), wanted),
  };
}

/** The naive twin: sort them all. */
function sortAll(metric: Metric, query: Float32Array, vectors: readonly Float32Array[]) {
  return vectors
    .map((vector, ordinal) => ({ ordinal, distance: trueDistance(metric, query, vector) }))
    .sort((a, b) => a.distance - b.distance || a.ordinal - b.ordinal);
}

function assertTruth(
  truth: Truth,
  metric: Metric,
  { wanted, vectors }: Awaited<ReturnType<typeof draw>>,
  windows?: Windows,
) {
  for (const [q, query] of wanted.entries()) {
    const expected = sortAll(metric, query, vectors)
      .filter(({ ordinal }) => passes(windows, q, ordinal))
      .slice(0, truth.depth);
    const first = q * truth.depth;
    const row = <T>(cells: ArrayLike<T>) => Array.from(cells).slice(first, first + expected.length);
    assert.deepEqual(
      row(truth.ordinals),
      expected.map(({ ordinal }) => ordinal),
    );
    assert.deepEqual(
      row(truth.distances),
      expected.map(({ distance }) => distance),
    );
    const rest = truth.distances.subarray(first + expected.length, first + truth.depth);
    assert.ok(rest.every((distance) => distance === Number.POSITIVE_INFINITY));
  }
}

test('the exact neighbours are those of sorting everything, ties by ordinal, in any number of threads', async (t) => {
  const data = await draw(t, 700, 9);
  for (const metric of ['cosine', 'dot', 'l2'] as const) {
    for (const threads of [1, 2, 4]) {
      const cacheDir = join(data.folder, `${metric}-${threads}`);
      const truth = await findTruth(data.base, data.queries, { metric, depth: 20, threads, cacheDir });
      assert.equal(truth.depth, 20);
      assertTruth(truth, metric, data);
    }
  }
});

test('of what a query may find only that counts, and there may be less of it than is asked for', async (t) => {
  const data = await draw(t, 300, 5);
  const values = Float64Array.from({ length: 300 }, (_, i) => (i * 7) % 300);
  // All, none, few, none again, and more than are asked for
  const bounds = Float64Array.of(-1, 300, 20, 20, 17, 25, 500, 600, 100, 200);
  const options = { metric: 'l2', threads: 2, cacheDir: data.folder, windows: { values, bounds } } as const;
  const truth = await findTruth(data.base, data.queries, { ...options, depth: 20 });
  assertTruth(truth, 'l2', data, options.windows);
  assert.equal(truth.distances.filter(Number.isFinite).length, 20 + 0 + 8 + 0 + 20);

  const { ordinals } = truth;
  const recall = (hits: Uint32Array, counts: Uint32Array) =>
    recallOf(
      { ordinals: hits, counts, k: 20, truth, windows: options.windows },
      { base: data.base, queries: data.queries, metric: 'l2' },
    ).recall;
  assert.equal(recall(ordinals, Uint32Array.of(20, 0, 8, 0, 20)), 1, 'what cannot be found is not missed');
  assert.equal(recall(ordinals, Uint32Array.of(20, 0, 2, 0, 20)), 42 / 48);
});

test('truth is kept under all that it follows from, and made anew when what was kept is damaged', async (t) => {
  const data = await draw(t, 200, 3);
  const cacheDir = join(data.folder, 'cache');
  const options = { metric: 'dot', depth: 5, threads: 1, cacheDir } as const;
  const first = await findTruth(data.base, data.queries, options);
  const [file] = readdirSync(cacheDir);
  const path = join(cacheDir, file!);
  const bytes = readFileSync(path);

  // Nothing is computed again: the vectors need not even be there
  const gone = { ...data.base, path: join(data.folder, 'gone') };
  assert.deepEqual(await findTruth(gone, data.queries, options), first);
  assert.equal(readdirSync(cacheDir).length, 1);

  for (const damage of [
    () => truncateSync(path, bytes.length - 1),
    () =>
      writeFileSync(
        path,
        Buffer.concat([bytes.subarray(0, 9), Buffer.from([bytes[9]! ^ 1]), bytes.subarray(10)]),
      ),
    () => writeFileSync(path, ''),
  ]) {
    damage();
    assert.deepEqual(await findTruth(data.base, data.queries, options), first);
    assert.deepEqual(readFileSync(path), bytes);
  }

  await findTruth(data.base, data.queries, { ...options, metric: 'l2' });
  await findTruth(data.base, data.queries, { ...options, depth: 6 });
  await findTruth(data.base, data.queries, {
    ...options,
    windows: { values: new Float64Array(200), bounds: Float64Array.of(0, 1, 0, 1, 0, 1) },
  });
  await findTruth({ ...data.base, sha256: 'other' }, data.queries, options);
  assert.equal(readdirSync(cacheDir).length, 5);
  await findTruth(data.base, data.queries, { ...options, threads: 3 });
  assert.equal(readdirSync(cacheDir).length, 5, 'the number of threads changes nothing');
});

test('recall counts hits as near as the last of the truth, each once, and only real ones', async (t) => {
  const folder = await temporaryDir(t);
  const row = (x: number) => Float32Array.from({ length: DIM }, (_, i) => (i === 0 ? x : 0));
  // Ordinals 1 and 2 are the same vector
  const base = writeMatrix(join(folder, 'base.f32'), [row(0), row(1), row(1), row(3), row(4)]);
  const queries = writeMatrix(join(folder, 'queries.f32'), [row(0)]);
  const truth = await findTruth(base, queries, { metric: 'l2', depth: 4, threads: 1, cacheDir: folder });
  const recall = (hits: number[], windows?: Windows) =>
    recallOf(
      {
        ordinals: Uint32Array.from([...hits, 0, 0]).subarray(0, 2),
        counts: Uint32Array.of(hits.length),
        k: 2,
        truth,
        windows,
      },
      { base, queries, metric: 'l2' },
    );
  assert.deepEqual(recall([0, 1]), { recall: 1, recallById: 1 });
  assert.deepEqual(recall([0, 2]), { recall: 1, recallById: 0.5 }, 'as near as the second, by another id');
  assert.deepEqual(recall([0, 3]), { recall: 0.5, recallById: 0.5 });
  assert.deepEqual(recall([1, 1]), { recall: 0.5, recallById: 0.5 }, 'given twice');
  assert.deepEqual(recall([2, 5]), { recall: 0.5, recallById: 0 }, 'no vector');
  assert.deepEqual(recall([]), { recall: 0, recallById: 0 });
  const windows = { values: Float64Array.of(0, 0, 1, 0, 0), bounds: Float64Array.of(0, 1) };
  assert.deepEqual(recall([0, 2], windows), { recall: 0.5, recallById: 0.5 }, 'filtered out');
});
