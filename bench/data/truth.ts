/**
 * The exact nearest neighbours of every query, which recall is measured against: every vector is compared, in f64 over
 * the f32 data, component after component, ties by ordinal. No engine's code takes part. Kept on disk under a hash
 * of everything that it follows from.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Metric } from '../../src/core/metric.ts';
import { checksum } from '../../src/lib/checksum.ts';
import { passes, type Windows } from './filters.ts';
import { type Matrix, MatrixReader, readMatrix } from './matrix.ts';

/** For each query the `depth` nearest ordinals, nearest first; fewer where fewer pass a filter. */
export interface Truth {
  readonly depth: number;
  /** u32[queries * depth] */
  readonly ordinals: Uint32Array;
  /** f64[queries * depth]; infinite where there is no neighbour. */
  readonly distances: Float64Array;
}

export interface TruthOptions {
  readonly metric: Metric;
  /** Neighbours a query; fewer where there are fewer vectors. */
  readonly depth: number;
  readonly threads: number;
  readonly cacheDir: string;
  /** The vectors that count for each query; all when not given. */
  readonly windows?: Windows | undefined;
}

export interface TruthTask {
  readonly base: Matrix;
  readonly queries: Matrix;
  readonly metric: Metric;
  readonly depth: number;
  readonly windows: Windows | undefined;
  /** Queries of this thread. */
  readonly first: number;
  readonly end: number;
  /** Where the result goes, shared by the threads. */
  readonly ordinals: SharedArrayBuffer;
  readonly distances: SharedArrayBuffer;
}

/** Raised when the arithmetic or the file changes, so that older files are not found. */
const VERSION = 1;

/** Where the truth of these inputs is kept. */
export function truthPath(base: Matrix, queries: Matrix, options: TruthOptions): string {
  const { metric, depth, windows } = options;
  const hash = createHash('sha256').update(
    JSON.stringify([VERSION, base.sha256, queries.sha256, base.rows, queries.rows, base.dim, metric, depth]),
  );
  if (windows) hash.update(bytesOf(windows.values)).update(bytesOf(windows.bounds));
  return join(options.cacheDir, `truth-${hash.digest('hex').slice(0, 24)}.bin`);
}

/** Reads the truth from the cache, or computes it and keeps it. A damaged file in the cache is computed anew. */
export async function findTruth(base: Matrix, queries: Matrix, options: TruthOptions): Promise<Truth> {
  const depth = Math.min(options.depth, base.rows);
  const path = truthPath(base, queries, { ...options, depth });
  const kept = existsSync(path) ? decode(readFileSync(path), queries.rows, depth) : undefined;
  if (kept) return kept;
  const truth = await computeTruth(base, queries, { ...options, depth });
  mkdirSync(options.cacheDir, { recursive: true });
  const temporary = `${path}.${process.pid}.part`;
  writeFileSync(temporary, encode(truth));
  renameSync(temporary, path);
  return truth;
}

const bytesOf = (array: Uint32Array | Float64Array) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Distances, ordinals, and a checksum of both. */
function encode({ ordinals, distances }: Truth): Uint8Array {
  const bytes = Buffer.concat([bytesOf(distances), bytesOf(ordinals), Buffer.alloc(4)]);
  bytes.writeUInt32LE(checksum(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

function decode(bytes: Buffer, queries: number, depth: number): Truth | undefined {
  const cells = queries * depth;
  if (bytes.length !== cells * 12 + 4) return undefined;
  if (checksum(bytes.subarray(0, -4)) !== bytes.readUInt32LE(bytes.length - 4)) return undefined;
  const own = new Uint8Array(bytes).buffer;
  return {
    depth,
    distances: new Float64Array(own, 0, cells),
    ordinals: new Uint32Array(own, cells * 8, cells),
  };
}

async function computeTruth(base: Matrix, queries: Matrix, options: TruthOptions): Promise<Truth> {
  const { depth, metric, windows } = options;
  const cells = queries.rows * depth;
  const ordinals = new SharedArrayBuffer(cells * 4);
  const distances = new SharedArrayBuffer(cells * 8);
  const each = Math.ceil(queries.rows / options.threads);
  const ends: Promise<void>[] = [];
  for (let first = 0; first < queries.rows; first += each) {
    const end = Math.min(queries.rows, first + each);
    const task: TruthTask = { base, queries, metric, depth, windows, first, end, ordinals, distances };
    ends.push(
      new Promise((resolve, reject) => {
        new Worker(new URL('./truth-worker.js', import.meta.url), { workerData: task })
          .once('error', reject)
          .once('exit', (code) =>
            code === 0 ? resolve() : reject(new Error(`a thread ended with ${code}`)),
          );
      }),
    );
  }
  await Promise.all(ends);
  return { depth, ordinals: new Uint32Array(ordinals), distances: new Float64Array(distances) };
}

/** The distance that the truth is made of; smaller is nearer. Cosine's vectors are of unit length. */
export function trueDistance(metric: Metric, a: Float32Array, b: Float32Array): number {
  let sum = 0;
  if (metric === 'l2') {
    for (let i = 0; i < a.length; i++) {
      const difference = a[i]! - b[i]!;
      sum += difference * difference;
    }
    return sum;
  }
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return metric === 'cosine' ? 1 - sum : 0 - sum;
}

/** What an engine answered, and what it is held against. */
export interface Answers {
  /** u32[queries * k]; of each row the first `counts[q]` are hits. */
  readonly ordinals: Uint32Array;
  readonly counts: Uint32Array;
  readonly k: number;
  readonly truth: Truth;
  /** The vectors that could be hits; all when undefined. */
  readonly windows: Windows | undefined;
}

export interface Recall {
  /** Share of the k nearest that was found; a hit counts when it is as near as the k-th of the truth. */
  readonly recall: number;
  /** The same by ordinal alone, which is unfair where vectors occur more than once. */
  readonly recallById: number;
}

/**
 * Recall of answers. The distance of a hit is computed here, in the arithmetic of the truth, whatever the engine said;
 * a hit that is given twice counts once, and one that is no vector, or does not pass the filter, not at all.
 */
export function recallOf(answers: Answers, { base, queries, metric }: RecallSet): Recall {
  const { ordinals, counts, k, truth, windows } = answers;
  const reader = new MatrixReader(base);
  const row = new Float32Array(base.dim);
  let found = 0;
  let foundById = 0;
  let wanted = 0;
  try {
    for (const [q, query] of readMatrix(queries).entries()) {
      const first = q * truth.depth;
      const distances = truth.distances.subarray(first, first + Math.min(k, truth.depth));
      const depth = distances.filter(Number.isFinite).length;
      if (depth === 0) continue;
      const nearest = new Set(truth.ordinals.subarray(first, first + depth));
      const limit = distances[depth - 1]!;
      let near = 0;
      for (const hit of new Set(ordinals.subarray(q * k, q * k + counts[q]!))) {
        if (nearest.has(hit)) foundById++;
        else if (hit >= base.rows || !passes(windows, q, hit)) continue;
        else if (trueDistance(metric, query, reader.read(hit, 1, row)) > limit) continue;
        near++;
      }
      found += Math.min(depth, near);
      wanted += depth;
    }
  } finally {
    reader.close();
  }
  return { recall: found / wanted, recallById: foundById / wanted };
}

interface RecallSet {
  readonly base: Matrix;
  readonly queries: Matrix;
  readonly metric: Metric;
}
