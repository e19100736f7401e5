/** The seeded clustered vectors, drawn once into files of the cache. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorAt } from '../../src/lib/errors.ts';
import { drawClustered } from '../clustered.ts';
import { MatrixWriter } from './matrix.ts';

/**
 * The sequence begins with these, which are for queries; so queries are drawn like the vectors and are none of them,
 * and sets of any size have the same ones.
 */
export const RESERVED = 10_000;

/** Raised when the sequence changes, so that older files are not found. */
const VERSION = 1;

/**
 * Files of at least `count` unit vectors of a seed and of their queries. A set is the beginning of every larger one of
 * the same seed, so it is read from that when there is one. Throws limit_exceeded for more queries than RESERVED.
 */
export function clusteredFiles(
  dim: number,
  seed: number,
  count: number,
  queryCount: number,
  cacheDir: string,
  onRow: (row: number) => void,
): { readonly base: string; readonly queries: string } {
  if (queryCount > RESERVED) {
    throw errorAt('limit_exceeded', 'queries', `of a seeded set are at most ${RESERVED}`);
  }
  const stem = `clustered-v${VERSION}-d${dim}-s${seed}`;
  const queries = join(cacheDir, `${stem}-queries.f32`);
  const kept = readdirSync(cacheDir).find((file) => {
    const match = /^(.*)-n(\d+)\.f32$/.exec(file);
    return match?.[1] === stem && Number(match[2]) >= count;
  });
  const base = join(cacheDir, kept ?? `${stem}-n${count}.f32`);
  if (kept === undefined || !existsSync(queries)) {
    const sequence = drawClustered(dim, seed);
    const draw = (path: string, rows: number) => {
      const writer = new MatrixWriter(path, dim);
      for (let row = 0; row < rows; row++) {
        writer.write(sequence.next().value as Float32Array);
        onRow(writer.rows);
      }
      writer.end();
    };
    draw(queries, RESERVED);
    draw(join(cacheDir, `${stem}-n${count}.f32`), count);
  }
  return { base, queries };
}
