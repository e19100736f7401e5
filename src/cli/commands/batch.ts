/** `nearpin batch`: a surface for everybody in a file, offline; an interrupted job goes on where it was. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Command } from 'commander';
import { createClient } from '../../client/client.ts';
import type { Answering } from '../../evaluation/surfaces.ts';
import { isRecord } from '../../index/shape.ts';
import { errorAt, NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { openIndex } from '../../library/library.ts';
import { SURFACE_NAMES, type SurfaceName } from '../../retrieval/surfaces/surface.ts';
import { fileError } from '../../storage/file-error.ts';
import { readPinFile } from '../../storage/pin-files.ts';
import { ResumableLines } from '../../storage/resumable-lines.ts';
import { runBatchJob } from '../batch-job.ts';
import { interruptible } from '../interruptible.ts';
import { readMixerFile } from '../mixer-file.ts';
import {
  json,
  jsonOption,
  keyOption,
  option,
  type ServingOptions,
  servingOptions,
  whole,
} from '../options.ts';
import { type Terminal, withCommas } from '../terminal.ts';
import { remoteIndex } from './remote-index.ts';

interface BatchOptions extends ServingOptions {
  readonly surface: SurfaceName;
  readonly index?: string;
  readonly indexes: string;
  readonly out?: string;
  readonly k?: number;
  readonly request?: unknown;
  readonly url?: string;
  readonly key?: string;
  readonly json: boolean;
}

/** A server's answers may wait in line. */
const TIMEOUT_MS = 60_000;
/** Of the file's beginning, to tell it apart from another one. */
const HEAD_BYTES = 1024 * 1024;

export function batchCommand(terminal: Terminal): Command {
  const command = new Command('batch')
    .argument(
      '<file>',
      'JSON lines: requests of the surface; for notifications users, as {"user", "history", …}',
    )
    .addOption(
      option('--surface <name>', 'what is asked of the index')
        .choices(SURFACE_NAMES)
        .default('notifications'),
    )
    .addOption(
      option('--index <dir>', 'directory of the index; with --url, its name (default: the only one)'),
    )
    .addOption(option('--indexes <dir>', 'where the only index is looked for').default('indexes'))
    .addOption(option('--out <file>', 'answers, a line each in the same order (default: FILE.SURFACE.jsonl)'))
    .addOption(option('--k <n>', 'hits').argParser(whole(1, LIMITS.kMax)))
    .addOption(
      option('--request <json>', 'fields that all requests have, as {"minScore": 0.6}').argParser(json),
    )
    .addOption(option('--url <url>', 'ask the server there'))
    .addOption(keyOption());
  for (const each of [...servingOptions(), jsonOption()]) command.addOption(each);
  return command.action((file: string, options: BatchOptions) => batch(file, options, terminal));
}

async function batch(file: string, options: BatchOptions, terminal: Terminal): Promise<void> {
  const { surface, url } = options;
  const index = options.index ?? onlyIndex(options.indexes);
  const common = { ...(options.k !== undefined && { k: options.k }), ...(options.request as object) };
  const out = options.out ?? `${file.replace(/(\.(jsonl|ndjson))?(\.gz)?$/, '')}.${surface}.jsonl`;
  const rows = readPinFile(file, process.stdin);
  const mixer = url === undefined ? await readMixerFile(index) : undefined;
  const answers = await ResumableLines.open(out, madeFrom(file, { index, url, surface, common, mixer }));
  if (answers.lines > 0) terminal.note(`goes on after ${withCommas(answers.lines)} lines`);

  const opened =
    url === undefined ? await openIndex(index, { ...options, readOnly: true, mixer }) : undefined;
  try {
    const client = () => createClient({ url: url!, key: options.key, timeoutMs: TIMEOUT_MS });
    const to = opened ?? remoteIndex(client(), basename(index));
    const report = await interruptible('the same command goes on there', (signal) =>
      runBatchJob({
        rows,
        answers,
        answer: (line) => ask(to, surface, common, line),
        onProgress: (lines) => terminal.progress('answer', lines),
        signal,
      }),
    );
    terminal.clear();
    if (options.json) terminal.print(JSON.stringify({ ...report, out }));
    else {
      const problems = report.problems > 0 ? `, ${withCommas(report.problems)} of them with a problem` : '';
      terminal.print(`${withCommas(report.lines)} lines answered${problems}: ${out}`);
    }
  } finally {
    await opened?.close();
  }
}

async function ask(to: Answering, surface: SurfaceName, common: object, line: unknown): Promise<object> {
  if (!isRecord(line)) throw errorAt('bad_request', '', 'must be a JSON object');
  if (surface === 'notifications') {
    const { users } = await to.notifications({
      ...common,
      users: [line as never],
    });
    return users[0]!;
  }
  return to[surface]({ ...common, ...line } as never);
}

/** What tells a job from another: its input, by size and beginning, and all that its answers follow from. */
function madeFrom(file: string, job: object): string {
  if (file === '-') return `${JSON.stringify(job)} of standard input at ${process.hrtime.bigint()}`;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const head = Buffer.alloc(HEAD_BYTES);
    const bytes = readSync(descriptor, head);
    const digest = createHash('sha256').update(head.subarray(0, bytes)).digest('hex');
    return JSON.stringify({ ...job, bytes: statSync(file).size, head: digest });
  } catch (error) {
    throw fileError(error, file);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The directory of the only index. Throws bad_request when there is none, or more. */
function onlyIndex(dir: string): string {
  const names = readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
  if (names.length === 1) return join(dir, names[0]!);
  throw new NearpinError('bad_request', `there are ${names.length} indexes in ${dir}: name one with --index`);
}
