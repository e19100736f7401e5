/** Writes rows as a NumPy file, the input of `nearpin build` for vectors without ids. */
import { closeSync, openSync, writeSync } from 'node:fs';

/** f32 or u8 rows of one length. */
export function writeNpy(
  path: string,
  rows: Iterable<Float32Array | Uint8Array>,
  count: number,
  dim: number,
  type: '<f4' | '|u1',
): void {
  const dict = `{'descr': '${type}', 'fortran_order': False, 'shape': (${count}, ${dim}), }`;
  const padded = dict.padEnd(Math.ceil((10 + dict.length + 1) / 64) * 64 - 11);
  const header = Buffer.alloc(10 + padded.length + 1);
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(padded.length + 1, 8);
  header.write(`${padded}\n`, 10, 'latin1');
  const fd = openSync(path, 'w');
  writeSync(fd, header);
  for (const row of rows) writeSync(fd, new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
  closeSync(fd);
}
