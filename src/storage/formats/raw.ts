/** Vectors as bare bytes, row after row: f32, little-endian, in .f32, or u8 in .u8. The file does not say its dim. */
import { ByteReader } from '../byte-source.ts';
import { badFile } from './row.ts';

/**
 * The rows as Float32Arrays of `dim`. Throws bad_file, naming file and byte, when the file ends within a row.
 */
export async function* readRaw(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  dim: number,
  elementBytes: 4 | 1,
): AsyncGenerator<Float32Array> {
  const reader = new ByteReader(chunks);
  try {
    for (let row = 0; ; row++) {
      const start = reader.offset;
      const bytes = await reader.take(dim * elementBytes);
      if (bytes.length === 0) return;
      if (bytes.length < dim * elementBytes) {
        throw badFile(
          name,
          start,
          `ends in row ${row}, at ${bytes.length} of its ${dim * elementBytes} bytes`,
        );
      }
      yield new Float32Array(elementBytes === 1 ? bytes : new Uint8Array(bytes).buffer);
    }
  } finally {
    await reader.close();
  }
}
