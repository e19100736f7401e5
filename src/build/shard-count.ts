/** As few shards as fit: each further one costs CPU in every query. */
import { statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { estimateBytes } from '../core/shard.ts';
import type { IndexConfig } from '../index/config.ts';
import { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { blockShapeFor, shardConfigOf } from '../shards/shard-config.ts';
import { readPinFile } from '../storage/pin-files.ts';

/** Share of a shard's limit that a build may fill, so that the shard can take updates afterwards. */
const FILL = 0.75;
/** No row of any input is shorter, and no text compresses better than this. */
const ROW_BYTES_MIN = 12;
const GZIP_RATIO_MAX = 30;
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

/**
 * Shards for the pins of some files. Where the files' sizes alone do not show that one is enough, their rows are
 * counted; standard input cannot be read twice and gets one.
 */
export async function shardsForFiles(
  config: IndexConfig,
  files: readonly string[],
  stdin: Readable,
  limitBytes: number,
): Promise<number> {
  if (files.includes('-')) return 1;
  const bytes = files.reduce(
    (sum, file) => sum + statSync(file).size * (file.endsWith('.gz') ? GZIP_RATIO_MAX : 1),
    0,
  );
  const atMost = Math.ceil(bytes / ROW_BYTES_MIN);
  if (shardBytes(config, atMost) <= limitBytes * FILL) return 1;
  let rows = 0;
  for (const file of files) {
    for await (const _row of readPinFile(file, stdin)) rows++;
  }
  return shardsFor(config, rows, limitBytes);
}
