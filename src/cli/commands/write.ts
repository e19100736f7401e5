/** `nearpin upsert` and `nearpin delete`: pins from files or arguments into an index that may be served meanwhile. */
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { NearpinError } from '../../lib/errors.ts';
import type { UpsertRequest } from '../../retrieval/contract.ts';
import { readPinFile } from '../../storage/pin-files.ts';
import { type Terminal, withCommas } from '../terminal.ts';
import { onTarget, type Target, type TargetOptions, targetOptions } from './target.ts';

/** Pins of one write, and writes on their way. */
const BATCH = 500;
const WRITES = 4;
const BUSY_WAIT_MS = 200;

export function upsertCommand(terminal: Terminal): Command {
  const command = new Command('upsert')
    .argument('<index>', 'directory of the index; with --url, its name')
    .argument('<files...>', 'files of pins as of `build`; - is standard input');
  for (const each of targetOptions()) command.addOption(each);
  return command.action(async (index: string, files: string[], options: TargetOptions) => {
    const written = await onTarget(index, options, (target) => upsertFiles(target, files, terminal));
    if (options.json) terminal.print(JSON.stringify(written));
    else terminal.print(`${withCommas(written.upserted)} pins written, up to update ${written.seq}`);
  });
}

interface Row {
  readonly at: string;
  readonly pin: unknown;
}

/** A refusal names its pin by its place in the batch; the user knows lines of files. */
function atRow(error: unknown, rows: readonly Row[]): unknown {
  const { code, message } = error as { code?: NearpinError['code']; message: string };
  const place = /^pins\[(\d+)\]/.exec(message)?.[1];
  if (code === undefined || place === undefined) return error;
  return new NearpinError(code, `${rows[Number(place)]!.at}: ${message}`, [], { cause: error });
}

async function upsertFiles(
  target: Target,
  files: readonly string[],
  terminal: Terminal,
): Promise<{ seq: number; upserted: number }> {
  let upserted = 0;
  let seq = 0;
  let failure: unknown;
  const underWay = new Set<Promise<void>>();
  const write = async (rows: readonly Row[]) => {
    const request = { pins: rows.map(({ pin }) => pin) } as UpsertRequest;
    for (;;) {
      try {
        const answer = await target.upsert(request);
        upserted += answer.upserted;
        seq = Math.max(seq, answer.seq);
        terminal.progress('write', upserted);
        return;
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'too_many_writes') throw atRow(error, rows);
        await new Promise((resolve) => setTimeout(resolve, BUSY_WAIT_MS));
      }
    }
  };
  const send = async (rows: readonly Row[]) => {
    const writing = write(rows).catch((error) => {
      failure ??= error;
    });
    underWay.add(writing);
    void writing.then(() => underWay.delete(writing));
    if (underWay.size >= WRITES) await Promise.race(underWay);
    if (failure !== undefined) throw failure;
  };
  let rows: Row[] = [];
  try {
    for (const file of files) {
      for await (const row of readPinFile(file, process.stdin)) {
        if ('error' in row) throw row.error;
        rows.push({ at: `${file}:${row.row}`, pin: row.value });
        if (rows.length < BATCH) continue;
        await send(rows);
        rows = [];
      }
    }
    if (rows.length > 0) await send(rows);
  } finally {
    await Promise.all(underWay);
    terminal.clear();
  }
  if (failure !== undefined) throw failure;
  return { seq, upserted };
}

export function deleteCommand(terminal: Terminal): Command {
  const command = new Command('delete')
    .argument('<index>', 'directory of the index; with --url, its name')
    .argument('<ids...>', 'ids of pins; - reads one a line from standard input');
  for (const each of targetOptions()) command.addOption(each);
  return command.action(async (index: string, ids: string[], options: TargetOptions) => {
    const all = ids.length === 1 && ids[0] === '-' ? await readLines() : ids;
    const answer = await onTarget(index, options, async (target) => {
      let deleted = 0;
      let seq = 0;
      for (let start = 0; start < all.length; start += BATCH) {
        const part = await target.delete({ ids: all.slice(start, start + BATCH) });
        deleted += part.deleted;
        seq = part.seq;
      }
      return { seq, deleted };
    });
    if (options.json) terminal.print(JSON.stringify(answer));
    else terminal.print(`${withCommas(answer.deleted)} pins deleted, up to update ${answer.seq}`);
  });
}

async function readLines(): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: process.stdin })) if (line !== '') lines.push(line);
  return lines;
}
