/** As few shards as fit: each further one costs CPU in every query. */
import { statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { estimateBytes } from '../core/shard.ts';
import type { IndexConfig } from '../index/config.ts';
import { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { blockShapeFor, shardConfigOf } from '../shards/shard-config.ts';
import { fileError } from '../storage/file-error.ts';
import { readPinFile } from '../storage/pin-files.ts';

/** Share of a shard's limit that a build may fill, so that the shard can take updates afterwards. */
const FILL = 0.75;
/** No line with a text is shorter. */
const TEXT_LINE_BYTES_MIN = 18;
/** Nothing that deflate packs is longer. */
const GZIP_RATIO_MAX = 1032;
/** Heap of a pin: its id and its keywords, roughly. */
const RECORD_BYTES = 64;

/** Bytes that a shard of `count` pins will take. */
function shardBytes(config: IndexConfig, count: number): number {
  return estimateBytes(shardConfigOf(config, blockShapeFor(config, count, count * RECORD_BYTES)), count);
}

/** Shards for `count` pins. Throws shard_full when not even the most shards would do. */
export function shardsFor(config: IndexConfig, count: number, limitBytes: number): number {
  for (let shards = 1; shards <= LIMITS.shardsMax; shards++) {
    if (shardBytes(config, Math.ceil(count / shards)) <= limitBytes * FILL) return shards;
  }
  const needed = shardBytes(config, count);
  throw new NearpinError(
    'shard_full',
    `${count} pins need some ${needed} bytes, which ${LIMITS.shardsMax} shards do not hold`,
  );
}

export interface CountOptions {
  readonly files: readonly string[];
  readonly stdin: Readable;
  readonly limitBytes: number;
  /** Whether a line may hold a text in place of a vector. */
  readonly hasTexts: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Shards for the pins of some files. Where the files' sizes alone do not show that one is enough, their rows are
 * counted; standard input cannot be read twice and gets one.
 * Throws shard_full, missing_file, io_error, bad_file, and the signal's reason.
 */
export async function shardsForFiles(config: IndexConfig, options: CountOptions): Promise<number> {
  const { files, stdin, limitBytes, signal } = options;
  if (files.includes('-')) return 1;
  const atMost = files.reduce((sum, file) => sum + rowsAtMost(file, config.dim, options.hasTexts), 0);
  if (shardBytes(config, atMost) <= limitBytes * FILL) return 1;
  let rows = 0;
  for (const file of files) {
    for await (const _row of readPinFile(file, stdin)) {
      signal?.throwIfAborted();
      rows++;
    }
  }
  return shardsFor(config, rows, limitBytes);
}

/** No file of this size holds more rows. */
function rowsAtMost(file: string, dim: number, hasTexts: boolean): number {
  let bytes: number;
  try {
    bytes = statSync(file).size;
  } catch (error) {
    throw fileError(error, file);
  }
  if (file.endsWith('.gz')) bytes *= GZIP_RATIO_MAX;
  const isLines = /\.(jsonl|ndjson)(\.gz)?$/.test(file);
  // A vector takes a byte per dimension in the densest binary file, and a digit and a comma in a line
  return Math.ceil(bytes / (isLines ? (hasTexts ? TEXT_LINE_BYTES_MIN : 2 * dim) : dim));
}
