/**
 * Vectors as .fvecs, .bvecs and .ivecs (TEXMEX): each a 32-bit dimension, little-endian, then that many f32, u8 or
 * i32. The whole numbers of .ivecs are no vectors of pins but lists of neighbours, the truth of a benchmark.
 */
import { LIMITS } from '../../lib/limits.ts';
import { ByteReader } from '../byte-source.ts';
import { badFile, type PinRow } from './row.ts';

const DIM_BYTES = 4;

/** Bytes of an element: 4 in .fvecs and .ivecs, 1 in .bvecs. */
export type VecsElementBytes = 4 | 1;

/**
 * The rows as pins `{id, vector}`, the id being the row number from 0 and the vector a Float32Array.
 * Throws bad_file, naming file and byte, when the dimension changes or is out of range, or the file is cut off.
 */
export async function* readVecs(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  elementBytes: VecsElementBytes,
): AsyncGenerator<PinRow> {
  let row = 0;
  for await (const bytes of readRows(chunks, name, elementBytes)) {
    const vector = new Float32Array(elementBytes === 1 ? bytes : new Uint8Array(bytes).buffer);
    yield { row, value: { id: String(row), vector } };
    row++;
  }
}

/** The rows of an .ivecs file, i32[]. Throws as `readVecs` does. */
export async function* readIvecs(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Int32Array> {
  for await (const bytes of readRows(chunks, name, 4)) yield new Int32Array(new Uint8Array(bytes).buffer);
}

async function* readRows(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  elementBytes: VecsElementBytes,
): AsyncGenerator<Buffer> {
  const reader = new ByteReader(chunks);
  try {
    let dim: number | undefined;
    for (let row = 0; ; row++) {
      const start = reader.offset;
      const head = await reader.take(DIM_BYTES);
      if (head.length === 0) return;
      if (head.length < DIM_BYTES) throw badFile(name, start, `ends in row ${row}`);
      const given = head.readInt32LE();
      dim ??= given;
      if (given !== dim)
        throw badFile(name, start, `row ${row} has ${given} dimensions where row 0 has ${dim}`);
      if (dim < 1 || dim > LIMITS.dimMax) throw badFile(name, start, `row ${row} has ${dim} dimensions`);
      const bytes = await reader.take(dim * elementBytes);
      if (bytes.length < dim * elementBytes) throw badFile(name, start, `ends in row ${row}`);
      yield bytes;
    }
  } finally {
    await reader.close();
  }
}
