/** Files of vectors, and of neighbours, by the end of their names. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Shard } from '../../src/core/shard.ts';
import { wasm } from '../../src/core/webassembly.ts';
import { errorAt, NearpinError } from '../../src/lib/errors.ts';
import { loadShard } from '../../src/shards/shard-file.ts';
import { readChunks } from '../../src/storage/byte-source.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';
import { Hdf5, readHdf5 } from '../../src/storage/formats/hdf5.ts';
import { readRaw } from '../../src/storage/formats/raw.ts';
import { readIvecs } from '../../src/storage/formats/vecs.ts';
import { currentGeneration, readManifest } from '../../src/storage/generation.ts';
import { readPinFile } from '../../src/storage/pin-files.ts';

const RAW: Readonly<Record<string, 4 | 1>> = { f32: 4, u8: 1 };

export const isHdf5 = (path: string): boolean => /\.hdf5(\.gz)?$/.test(path);
const isIndex = (path: string): boolean => existsSync(join(path, 'CURRENT'));

/**
 * The vectors of a file: what `nearpin build` reads, `.f32` and `.u8`, whose `dim` must be given, or the folder of an
 * index. Pins of JSON lines must have vectors. Throws bad_file, missing_file, io_error, and what loading throws.
 * @param dataset of a file of HDF5
 */
export function readVectors(
  path: string,
  { dim, dataset }: { dim?: number | undefined; dataset?: string },
): AsyncGenerator<Float32Array> {
  if (isHdf5(path)) return vectorsOf(readHdf5(path, dataset), path);
  if (isIndex(path)) return vectorsOfIndex(path);
  const raw = /\.(f32|u8)(?:\.gz)?$/.exec(path)?.[1];
  if (raw === undefined) return vectorsOf(readPinFile(path, Readable.from([])), path);
  if (dim === undefined) throw errorAt('bad_file', path, 'does not say its dim, so --dim must');
  return readRaw(readChunks(path), path, dim, RAW[raw]!);
}

async function* vectorsOf(
  rows: AsyncIterable<{ readonly row: number } & ({ readonly value: unknown } | { readonly error: Error })>,
  path: string,
): AsyncGenerator<Float32Array> {
  for await (const row of rows) {
    if ('error' in row) throw row.error;
    const vector = (row.value as { vector?: unknown } | null)?.vector;
    if (vector instanceof Float32Array) yield vector;
    else if (Array.isArray(vector)) yield Float32Array.from(vector, Number);
    else throw errorAt('bad_file', `${path}:${row.row}`, 'has no vector');
  }
}

/** The vectors of an index as its finest level holds them, shard by shard. */
async function* vectorsOfIndex(indexDir: string): AsyncGenerator<Float32Array> {
  const dir = join(indexDir, await currentGeneration(indexDir));
  const { config, shards } = await readManifest(dir);
  const module = new wasm.Module(readCoreBinary());
  for (const entry of shards) {
    const memory = loadShard(join(dir, entry.file), entry, config, module, { readers: 0 });
    const shard = new Shard(module, memory, 0);
    if (shard.finest === 'i8') {
      throw new NearpinError('not_supported', `${indexDir} holds codes only, which are not its vectors`);
    }
    for (let ordinal = 0; ordinal < shard.count; ordinal++) {
      if (shard.isLive(ordinal)) yield shard.vector(ordinal);
    }
  }
}

/**
 * Lists of neighbours: `.ivecs`, or the data set `neighbors` of a file of HDF5; undefined when that has none. Throws
 * bad_file, missing_file or io_error.
 */
export async function readNeighbours(path: string): Promise<Uint32Array[] | undefined> {
  const lists: Uint32Array[] = [];
  if (isHdf5(path)) {
    const file = await Hdf5.open(path);
    try {
      const matrix = file.matrix('neighbors');
      if (matrix === undefined) return undefined;
      for (let row = 0; row < matrix.rows; row++) lists.push(Uint32Array.from(matrix.read(row, 1)));
    } finally {
      await file.close();
    }
    return lists;
  }
  if (!/\.ivecs(\.gz)?$/.test(path)) throw errorAt('bad_file', path, 'is neither .ivecs nor .hdf5');
  for await (const list of readIvecs(readChunks(path), path)) lists.push(Uint32Array.from(list));
  return lists;
}
