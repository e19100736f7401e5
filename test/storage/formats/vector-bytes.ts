/** Files of vectors for tests, made in memory or in the folder of a test. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDir } from '../temporary.ts';

/** A stream of these bytes in pieces of a size. */
export async function* pieces(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function collect<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

/** Rows as .fvecs, .bvecs or .ivecs, by the kind of their arrays. */
export function vecsBytes(rows: readonly (Float32Array | Uint8Array | Int32Array)[]): Buffer {
  return Buffer.concat(
    rows.flatMap((row) => {
      const head = Buffer.alloc(4);
      head.writeInt32LE(row.length);
      return [head, Buffer.from(row.buffer, row.byteOffset, row.byteLength)];
    }),
  );
}

export interface Hdf5Data {
  readonly data: readonly number[];
  readonly shape: number[];
  /** As h5wasm names types: `<f` unless said. */
  readonly dtype?: string;
}

/** Writes a file of HDF5 with these data sets and attributes into the folder of a test. */
export async function writeHdf5(
  t: TestContext,
  datasets: Readonly<Record<string, Hdf5Data>>,
  attributes: Readonly<Record<string, string>> = {},
): Promise<string> {
  const library = await import('h5wasm/node');
  await library.ready;
  const path = join(await temporaryDir(t), 'data.hdf5');
  const file = new library.File(path, 'w');
  for (const [name, { data, shape, dtype = '<f' }] of Object.entries(datasets)) {
    file.create_dataset({ name, data: [...data], shape, dtype });
  }
  for (const [name, value] of Object.entries(attributes)) file.create_attribute(name, value);
  file.close();
  return path;
}
