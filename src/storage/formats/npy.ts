/**
 * Vectors as NumPy's .npy (format versions 1 to 3 of NEP 1): a matrix of one vector a row, in C order, little-endian
 * f4 or f8, or u1.
 */
import { LIMITS } from '../../lib/limits.ts';
import { ByteReader } from '../byte-source.ts';
import { badFile, type PinRow } from './row.ts';

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
const PREFIX_BYTES = 8;
const HEADER_BYTES_MAX = 64 * 1024;

const ELEMENTS: Readonly<Record<string, { bytes: number; toFloats: (bytes: Buffer) => Float32Array }>> = {
  '<f4': { bytes: 4, toFloats: (bytes) => new Float32Array(ownBuffer(bytes)) },
  '<f8': { bytes: 8, toFloats: (bytes) => new Float32Array(new Float64Array(ownBuffer(bytes))) },
  '|u1': { bytes: 1, toFloats: (bytes) => new Float32Array(bytes) },
};

/**
 * The rows as pins `{id, vector}`, the id being the row number from 0 and the vector a Float32Array.
 * Throws bad_file, naming file and byte, for another kind of array and for a file that is damaged or cut off.
 */
export async function* readNpy(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<PinRow> {
  const reader = new ByteReader(chunks);
  try {
    const { rows, dim, element } = await readHeader(reader, name);
    for (let row = 0; row < rows; row++) {
      const start = reader.offset;
      const bytes = await reader.take(dim * element.bytes);
      if (bytes.length < dim * element.bytes) {
        throw badFile(name, start, `ends in row ${row} of the ${rows} that its header names`);
      }
      yield { row, value: { id: String(row), vector: element.toFloats(bytes) } };
    }
    const end = reader.offset;
    if ((await reader.take(1)).length > 0) throw badFile(name, end, `goes on after its ${rows} rows`);
  } finally {
    await reader.close();
  }
}

async function readHeader(reader: ByteReader, name: string) {
  const prefix = await reader.take(PREFIX_BYTES);
  if (prefix.length < PREFIX_BYTES || !prefix.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw badFile(name, 0, 'is not an .npy file');
  }
  const version = prefix[6]!;
  if (version < 1 || version > 3) throw badFile(name, 6, `has the unknown format version ${version}`);
  const length = await reader.take(version === 1 ? 2 : 4);
  const bytes = length.length < (version === 1 ? 2 : 4) ? 0 : length.readUIntLE(0, length.length);
  if (bytes > HEADER_BYTES_MAX) throw badFile(name, PREFIX_BYTES, `has a header of ${bytes} bytes`);
  const at = reader.offset;
  const header = (await reader.take(bytes)).toString('latin1');

  const type = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const shape = /'shape'\s*:\s*\(([^)]*)\)/.exec(header)?.[1];
  if (type === undefined || order === undefined || shape === undefined) {
    throw badFile(name, at, 'has a header that is cut off or damaged');
  }
  const element = Object.hasOwn(ELEMENTS, type) ? ELEMENTS[type] : undefined;
  if (element === undefined) {
    throw badFile(name, at, `holds elements of type ${type}, not one of ${Object.keys(ELEMENTS).join(', ')}`);
  }
  if (order === 'True') throw badFile(name, at, 'is in Fortran order');
  const [rows, dim, ...more] = shape.split(',').map((size) => (/^\s*\d+\s*$/.test(size) ? Number(size) : -1));
  if (rows === undefined || dim === undefined || more.length > 0) {
    throw badFile(name, at, `has the shape (${shape}) where a matrix is needed`);
  }
  if (!Number.isSafeInteger(rows) || rows < 0 || dim < 1 || dim > LIMITS.dimMax) {
    throw badFile(name, at, `has the shape (${shape}); a row may have up to ${LIMITS.dimMax} values`);
  }
  return { rows, dim, element };
}

/** The bytes as a buffer of their own, aligned for any element. */
function ownBuffer(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
