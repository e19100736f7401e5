/**
 * Turns data sets into what `nearpin eval` reads: pins, cases and interactions.
 *
 *     node dist/bench/cases.js pinterest20|multi30k|tate FOLDER --out DIR [--count N] [--seed 1]
 *
 * FOLDER holds the data set as it is distributed. `--count` draws so many cases by the seed; all of them otherwise.
 */
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { Prng } from '../src/lib/prng.ts';
import { multi30kFiles } from './cases/multi30k.ts';
import { pinterestFiles } from './cases/pinterest.ts';
import { tateFiles } from './cases/tate.ts';

/** Reads the lines of a packed text of a data set by its name. */
export type ReadLines = (name: string) => string[];
/** Some of the cases there could be, in their order; all where no count was asked for. */
export type Draw = <T>(items: readonly T[]) => readonly T[];
/** The files of an evaluation by name, each a sequence of lines. */
export type CaseFiles = Readonly<Record<string, Iterable<string>>>;

const CONVERTERS: Readonly<Record<string, (read: ReadLines, draw: Draw) => CaseFiles>> = {
  pinterest20: pinterestFiles,
  multi30k: multi30kFiles,
  tate: tateFiles,
};

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const [set = '', folder] = positionals;
const convert = CONVERTERS[set];
const { out, count } = options;
if (convert === undefined || folder === undefined || out === undefined) {
  throw new Error(`give one of ${Object.keys(CONVERTERS).join(', ')}, its folder, and --out`);
}

const read: ReadLines = (name) =>
  gunzipSync(readFileSync(join(folder, name)))
    .toString()
    .trimEnd()
    .split('\n');
const draw: Draw = (items) => {
  if (count === undefined) return items;
  const order = new Prng(Number(options.seed)).permutation(items.length);
  return [...order.subarray(0, Number(count))].sort((a, b) => a - b).map((at) => items[at]!);
};
function* counted(lines: Iterable<string>, onEnd: (lines: number) => void): Generator<string> {
  let written = 0;
  for (const line of lines) {
    yield `${line}\n`;
    written++;
  }
  onEnd(written);
}

mkdirSync(out, { recursive: true });
for (const [name, lines] of Object.entries(convert(read, draw))) {
  const file = join(out, name);
  const said = counted(lines, (written) => process.stdout.write(`${file}: ${written} lines\n`));
  await pipeline(Readable.from(said), createWriteStream(file));
}
