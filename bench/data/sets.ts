/**
 * The data of a run: matrices of vectors to search and of queries, read from files or drawn by a seed, as every engine
 * gets them: f32, and of unit length under cosine. They are kept in the cache folder, so that a set is made once.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Metric } from '../../src/core/metric.ts';
import { drawClustered } from '../clustered.ts';
import { type Matrix, MatrixWriter, openMatrix } from './matrix.ts';

export interface BenchSet {
  readonly name: string;
  readonly metric: Metric;
  readonly base: Matrix;
  readonly queries: Matrix;
}

export interface ClusteredSpec {
  readonly name: 'clustered';
  readonly count: number;
  readonly dim: number;
  readonly queries: number;
  readonly seed: number;
}

/** The first vectors of the sequence are kept for queries, so that sets of any size have the same ones. */
const RESERVED = 10_000;

/** Raised when the sequence changes, so that older files are not found. */
const VERSION = 1;

/** Vectors drawn by a seed, and queries drawn alike. A set is the beginning of every larger one. */
export function clusteredSet(spec: ClusteredSpec, cacheDir: string, onRow: (row: number) => void): BenchSet {
  const { count, dim, queries, seed } = spec;
  mkdirSync(cacheDir, { recursive: true });
  const stem = `clustered-v${VERSION}-d${dim}-s${seed}`;
  const larger = readdirSync(cacheDir)
    .map((file) => /^(.*)-n(\d+)\.f32$/.exec(file))
    .find((match) => match?.[1] === stem && Number(match[2]) >= count);
  const path = join(cacheDir, larger?.[0] ?? `${stem}-n${count}.f32`);
  const queryPath = join(cacheDir, `${stem}-queries.f32`);
  if (!existsSync(path) || !existsSync(queryPath)) {
    const sequence = drawClustered(dim, seed);
    const draw = (target: string, rows: number) => {
      const writer = new MatrixWriter(target, dim);
      for (let i = 0; i < rows; i++) {
        writer.write(sequence.next().value as Float32Array);
        onRow(i + 1);
      }
      writer.end();
    };
    draw(queryPath, RESERVED);
    draw(path, count);
  }
  return {
    name: `clustered-${dim}`,
    metric: 'cosine',
    base: openMatrix(path, dim, count),
    queries: openMatrix(queryPath, dim, queries),
  };
}

/** A name for what follows from these values, for files in the cache. */
export function keyOf(values: unknown): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 24);
}
