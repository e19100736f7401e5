/** From a file of interactions to a file of pins with vectors, which `nearpin build` takes: whole, or not at all. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Metric } from '../index/config.ts';
import { fileError } from '../storage/file-error.ts';
import { readInteractions } from '../storage/interactions.ts';
import { syncPath } from '../storage/sync-path.ts';
import { factorise } from './factorise.ts';
import { collectPinLists } from './pin-lists.ts';

/** The metric under which the vectors say what they are made for: their lengths matter. */
const METRIC: Metric = 'dot';

/** Digits of a component: what is left out is far below what tells pins apart. */
const DIGITS = 6;

/** Lines that are written together. */
const PINS_AT_ONCE = 256;

/** How far a training is. `total` is unknown while the input is read, in lists; then in pieces of work. */
export interface TrainProgress {
  readonly phase: 'read' | 'train';
  readonly done: number;
  readonly total?: number;
}

export interface TrainOptions {
  /** Files of interactions. */
  readonly files: readonly string[];
  /** The file to write, JSON lines. */
  readonly out: string;
  readonly dim: number;
  readonly seed: number;
  readonly threads: number;
  readonly onProgress: (progress: TrainProgress) => void;
  readonly signal?: AbortSignal;
}

export interface TrainReport {
  readonly out: string;
  /** To build with. */
  readonly metric: Metric;
  readonly dim: number;
  /** Pins that have a vector. */
  readonly pins: number;
  /** Users with at least two pins, and the pairs of user and pin they make. */
  readonly users: number;
  readonly interactions: number;
  /** Users with a single pin, from whom nothing can be learnt. */
  readonly singles: number;
  /** Share of what goes together that the vectors hold. */
  readonly captured: number;
}

/**
 * Trains and writes the file; one that is there stays as it is until the new one is whole. Users in several lines count
 * as several. Throws what readInteractions and collectPinLists throw, io_error or disk_full, and the signal's reason.
 */
export async function trainPins(options: TrainOptions): Promise<TrainReport> {
  const { files, out, dim, seed, threads, onProgress, signal } = options;
  const lists = await collectPinLists(pinsOf(files), (done) => {
    if (done % 1024 !== 0) return;
    signal?.throwIfAborted();
    onProgress({ phase: 'read', done });
  });
  const { vectors, captured } = await factorise(lists, {
    dim,
    seed,
    threads,
    onProgress: (done, total) => onProgress({ phase: 'train', done, total }),
    ...(signal !== undefined && { signal }),
  });
  await writePins(out, lists.ids, vectors, dim, signal);
  return {
    out,
    metric: METRIC,
    dim,
    pins: lists.ids.length,
    users: lists.starts.length - 1,
    interactions: lists.pins.length,
    singles: lists.singles,
    captured,
  };
}

async function* pinsOf(files: readonly string[]): AsyncGenerator<readonly string[]> {
  for (const file of files) for await (const { pins } of readInteractions(file)) yield pins;
}

/** Writes beside the file, syncs, and takes its place. */
async function writePins(
  out: string,
  ids: readonly string[],
  vectors: Float32Array,
  dim: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = `${out}.${process.pid}.part`;
  try {
    const file = await open(temporary, 'w');
    try {
      for (let first = 0; first < ids.length; first += PINS_AT_ONCE) {
        signal?.throwIfAborted();
        const lines = ids.slice(first, first + PINS_AT_ONCE).map((id, i) => {
          const row = vectors.subarray((first + i) * dim, (first + i + 1) * dim);
          return `${JSON.stringify({ id, vector: Array.from(row, (x) => Number(x.toPrecision(DIGITS))) })}\n`;
        });
        await file.appendFile(lines.join(''));
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, out);
    await syncPath(dirname(out));
  } catch (error) {
    await rm(temporary, { force: true });
    signal?.throwIfAborted();
    throw fileError(error, out, null);
  }
}
