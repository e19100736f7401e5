/**
 * The data of a run: matrices of vectors to search and of queries, read from files or drawn by a seed, as every engine
 * gets them: f32, and of unit length under cosine. They are kept in the cache folder, so that a set is made once.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type Metric, unitVector } from '../../src/core/metric.ts';
import { errorAt, NearpinError } from '../../src/lib/errors.ts';
import { fileError } from '../../src/storage/file-error.ts';
import { HDF5_BASE, Hdf5 } from '../../src/storage/formats/hdf5.ts';
import { clusteredFiles } from './clustered-files.ts';
import { type Matrix, MatrixWriter, openMatrix, rowsOf } from './matrix.ts';
import { tateTexts } from './tate.ts';
import { isHdf5, readNeighbours, readVectors } from './vector-files.ts';

export interface BenchSet {
  readonly name: string;
  readonly metric: Metric;
  readonly base: Matrix;
  readonly queries: Matrix;
  /** Neighbours of the queries among all of the base, nearest first, when they came with it. */
  readonly neighbours: readonly Uint32Array[] | undefined;
}

/** A set as it is asked for; what is left out has a default. */
export interface SetSpec {
  /** `clustered`, `mnist`, `tate`, or what to call the set of `base`. */
  readonly name?: string | undefined;
  /** Vectors at most; seeded sets have as many. */
  readonly count?: number | undefined;
  /** Of seeded sets and of files that do not say theirs. */
  readonly dim?: number | undefined;
  readonly queryCount?: number | undefined;
  readonly seed?: number | undefined;
  readonly metric?: Metric | undefined;
  readonly base?: string | undefined;
  readonly queries?: string | undefined;
  readonly truth?: string | undefined;
}

export interface SetOptions {
  readonly cacheDir: string;
  /** Folder of the data of named sets. */
  readonly dataDir: string | undefined;
  readonly onRow: (row: number) => void;
}

const QUERY_COUNT = 1000;

/** Sets that lie in the data folder. */
const NAMED: Readonly<Record<string, SetSpec>> = {
  mnist: { base: 'mnist/mnist_63000x784.u8.gz', dim: 784, metric: 'l2', queryCount: 3000 },
};

/** The metrics by the names that ann-benchmarks gives them. */
const DISTANCES: Readonly<Record<string, Metric>> = {
  angular: 'cosine',
  euclidean: 'l2',
  dot: 'dot',
  ip: 'dot',
};

/**
 * Makes a set, or finds it in the cache. Throws missing_file when its data are not there, bad_file when they are
 * damaged or do not fit each other, bad_vector or zero_vector at the row.
 */
export async function prepareSet(spec: SetSpec, options: SetOptions): Promise<BenchSet> {
  mkdirSync(options.cacheDir, { recursive: true });
  if (spec.base !== undefined) return fileSet(spec, spec.base, options);
  if (spec.name === 'clustered') return clusteredSet(spec, options);
  if (spec.name === 'tate') return tateSet(spec, options);
  const named = Object.hasOwn(NAMED, spec.name ?? '') ? NAMED[spec.name!] : undefined;
  if (named === undefined) {
    const names = ['clustered', 'tate', ...Object.keys(NAMED)].join(', ');
    throw errorAt('bad_request', 'set', `there is no set ${spec.name}, only ${names}, or a base`);
  }
  return fileSet({ ...named, ...defined(spec) }, inData(named.base!, spec.name!, options), options);
}

/** The fields of a record that are not undefined. */
function defined<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;
}

function inData(path: string, name: string, { dataDir }: SetOptions): string {
  if (dataDir !== undefined && existsSync(join(dataDir, path))) return join(dataDir, path);
  const folder = dataDir === undefined ? 'the folder that --data names, and it names none' : dataDir;
  throw errorAt('missing_file', path, `the set ${name} needs it in ${folder}`);
}

function clusteredSet(spec: SetSpec, options: SetOptions): BenchSet {
  const { count = 10_000, dim = 128, queryCount = QUERY_COUNT, seed = 1 } = spec;
  if (spec.metric !== undefined && spec.metric !== 'cosine') {
    throw errorAt('bad_request', 'metric', 'of the clustered sets is cosine, since they are of unit length');
  }
  const files = clusteredFiles(dim, seed, count, queryCount, options.cacheDir, options.onRow);
  return {
    name: `clustered-${dim}${seed === 1 ? '' : `-seed${seed}`}`,
    metric: 'cosine',
    base: openMatrix(files.base, dim, 0, count),
    queries: openMatrix(files.queries, dim, 0, queryCount),
    neighbours: undefined,
  };
}

async function tateSet(spec: SetSpec, options: SetOptions): Promise<BenchSet> {
  const texts = inData('tate/tate_artworks.jsonl.gz', 'tate', options);
  inData('potion-base-2M/model.safetensors', 'tate', options);
  const metric = spec.metric ?? 'cosine';
  const path = await keep(['tate', stampOf(texts)], metric, options, () =>
    tateTexts(texts, options.dataDir!),
  );
  return split(path.file, path.dim, { ...spec, name: 'tate' }, metric);
}

async function fileSet(spec: SetSpec, file: string, options: SetOptions): Promise<BenchSet> {
  const metric = spec.metric ?? (await metricOf(file)) ?? 'cosine';
  const { dim } = spec;
  const kept = await keep(['file', stampOf(file), dim], metric, options, () =>
    readVectors(file, { dim, dataset: HDF5_BASE }),
  );
  const name = spec.name ?? basename(file).replace(/(\.\w+?)(\.gz)?$/, '');
  const queryFile = spec.queries ?? ((await hasQueries(file)) ? file : undefined);
  if (queryFile === undefined) {
    if (spec.truth !== undefined) throw errorAt('bad_request', 'truth', 'is of no use without queries');
    return split(kept.file, kept.dim, { ...spec, name }, metric);
  }
  const queries = await keep(['queries', stampOf(queryFile), dim], metric, options, () =>
    readVectors(queryFile, { dim, dataset: 'test' }),
  );
  if (queries.dim !== kept.dim) {
    throw errorAt('bad_file', queryFile, `has ${queries.dim} dimensions where ${file} has ${kept.dim}`);
  }
  const rows = rowsOf(kept.file, kept.dim);
  const count = Math.min(rows, spec.count ?? rows);
  const queryRows = rowsOf(queries.file, queries.dim);
  const truthFile = spec.truth ?? (isHdf5(queryFile) && queryFile === file ? file : undefined);
  return {
    name,
    metric,
    base: openMatrix(kept.file, kept.dim, 0, count),
    queries: openMatrix(queries.file, kept.dim, 0, Math.min(queryRows, spec.queryCount ?? queryRows)),
    // Neighbours among all vectors are no neighbours among some of them
    neighbours: truthFile !== undefined && count === rows ? await readNeighbours(truthFile) : undefined,
  };
}

/** A set whose queries are the last rows of its one file. */
function split(file: string, dim: number, spec: SetSpec, metric: Metric): BenchSet {
  const rows = rowsOf(file, dim);
  const { queryCount = Math.min(QUERY_COUNT, rows >> 1) } = spec;
  const count = Math.min(rows - queryCount, spec.count ?? rows);
  if (count < 1) {
    throw errorAt(
      'bad_request',
      'queries',
      `of ${queryCount} leave nothing of the ${rows} rows of ${spec.name}`,
    );
  }
  return {
    name: spec.name!,
    metric,
    base: openMatrix(file, dim, 0, count),
    queries: openMatrix(file, dim, rows - queryCount, queryCount),
    neighbours: undefined,
  };
}

/** What the cache knows a file by. Throws missing_file or io_error. */
function stampOf(path: string): unknown[] {
  try {
    const { size, mtimeMs } = statSync(path);
    return [resolve(path), size, mtimeMs];
  } catch (error) {
    throw fileError(error, path);
  }
}

async function withHdf5<T>(path: string, read: (file: Hdf5) => T): Promise<T | undefined> {
  if (!isHdf5(path)) return undefined;
  const file = await Hdf5.open(path);
  try {
    return read(file);
  } finally {
    await file.close();
  }
}

const hasQueries = (path: string) => withHdf5(path, (file) => file.matrix('test') !== undefined);

const metricOf = (path: string) => withHdf5(path, ({ distance }) => DISTANCES[distance ?? '']);

/** Raised when what is kept changes. */
const VERSION = 1;

/** Finds vectors in the cache by what they were made of, or makes them: as f32, of unit length under cosine. */
async function keep(
  source: unknown,
  metric: Metric,
  { cacheDir, onRow }: SetOptions,
  read: () => AsyncIterable<Float32Array>,
): Promise<{ file: string; dim: number }> {
  const isUnit = metric === 'cosine';
  const key = createHash('sha256')
    .update(JSON.stringify([VERSION, source, isUnit]))
    .digest('hex')
    .slice(0, 24);
  const stem = `vectors-${key}-d`;
  const found = readdirSync(cacheDir).find((name) => name.startsWith(stem) && name.endsWith('.f32'));
  if (found !== undefined)
    return { file: join(cacheDir, found), dim: Number.parseInt(found.slice(stem.length), 10) };
  let writer: MatrixWriter | undefined;
  try {
    for await (const vector of read()) {
      writer ??= new MatrixWriter(join(cacheDir, `${stem}${vector.length}.f32`), vector.length);
      writer.write(checked(vector, writer, isUnit));
      onRow(writer.rows);
    }
  } catch (error) {
    writer?.abandon();
    throw error;
  }
  if (writer === undefined) throw new NearpinError('bad_file', 'there are no vectors');
  writer.end();
  return { file: writer.path, dim: writer.dim };
}

function checked(vector: Float32Array, writer: MatrixWriter, isUnit: boolean): Float32Array {
  const { rows, dim } = writer;
  if (vector.length !== dim) {
    throw new NearpinError('bad_file', `row ${rows} has ${vector.length} dimensions where row 0 has ${dim}`);
  }
  if (!vector.every(Number.isFinite))
    throw new NearpinError('bad_vector', `row ${rows} has a value that is no number`);
  if (!isUnit) return vector;
  const unit = unitVector(vector);
  if (unit.every((value) => value === 0)) {
    throw new NearpinError('zero_vector', `row ${rows} is zero, which cosine cannot compare`);
  }
  return unit;
}
