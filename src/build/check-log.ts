/**
 * What an index's log has to do with a generation that is built into it: whoever opens the generation applies the
 * updates after its seq. So they must be there, and it must be able to take them; else the index could not be opened.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { IndexConfig } from '../index/config.ts';
import { NearpinError } from '../lib/errors.ts';
import { fitUpdate, type UpdateTaker } from '../storage/fit-update.ts';
import { currentGeneration, readManifest, typesOfLog } from '../storage/generation.ts';
import { isLocked } from '../storage/index-lock.ts';
import { hasLog, type LogExtent, UpdateLog } from '../storage/update-log.ts';
import { decodeUpdate } from '../storage/update-record.ts';

/** Updates that are read at once. */
const READ_BYTES = 4 * 1024 * 1024;

async function withLog(indexDir: string, run: (log: UpdateLog, extent: LogExtent) => void): Promise<void> {
  const log = hasLog(indexDir) ? UpdateLog.open(indexDir, 'read') : undefined;
  if (!log) return;
  try {
    run(log, log.extent());
  } finally {
    await log.close();
  }
}

/** Rejects with log_trimmed when the log does not go on from `seq`. */
export function checkLogGoesOn(indexDir: string, seq: number): Promise<void> {
  return withLog(indexDir, (_log, { base, last }) => {
    if (seq >= base) return;
    throw new NearpinError(
      'log_trimmed',
      `${indexDir} has taken updates up to ${last}, of which the log keeps those after ${base}: ` +
        'say up to which update the input holds them (--seq)',
    );
  });
}

/**
 * Rejects when a generation of `config` could not take the updates after `seq`: with model_mismatch, zero_vector or
 * bad_attribute; and with index_locked when it is of another model, or has other attributes, than the generation to which
 * a process writes at this moment, since nobody knows what comes next. @param embeds whether its model takes texts
 */
export async function checkLogFits(
  indexDir: string,
  seq: number,
  config: IndexConfig,
  embeds: boolean,
): Promise<void> {
  if (isLocked(indexDir)) await checkSameKind(indexDir, config);
  const taker: UpdateTaker = {
    name: 'what is built',
    config,
    embeds,
    typesOfLog: await typesOfLog(indexDir),
  };
  await withLog(indexDir, (log, { last }) => {
    for (let at = seq; at < last; ) {
      const { updates, through } = log.read(at, last, READ_BYTES);
      for (const { seq, bytes } of updates) fitUpdate(seq, decodeUpdate(bytes), taker);
      at = through;
    }
  });
}

async function checkSameKind(indexDir: string, config: IndexConfig): Promise<void> {
  const { config: current } = await readManifest(join(indexDir, await currentGeneration(indexDir)));
  const kind = ({ dim, model, metric, attributes }: IndexConfig) => ({ dim, model, metric, attributes });
  if (isDeepStrictEqual(kind(config), kind(current))) return;
  throw new NearpinError(
    'index_locked',
    `a process writes to ${indexDir}, and what is built is of another kind: build it with --no-publish and have that ` +
      'process publish it',
  );
}
