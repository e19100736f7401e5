/** `nearpin bench`: recall against speed, of nearpin and of its peers, in one run. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { formatResults } from '../../../bench/report/text.ts';
import { runBench } from '../../../bench/run.ts';
import { LIMITS } from '../../lib/limits.ts';
import { jsonOption, option, whole } from '../options.ts';
import type { Terminal } from '../terminal.ts';

interface BenchCommandOptions {
  readonly count: number;
  readonly dim: number;
  readonly queryCount: number;
  readonly engines: readonly string[];
  readonly k: number;
  readonly ef: readonly number[];
  readonly m: number;
  readonly efConstruction: number;
  readonly passes: number;
  readonly seed: number;
  readonly out: string;
  readonly cache: string;
  readonly pin?: string;
  readonly json: boolean;
}

const EFS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

/** Parses words between commas. */
const list = (text: string): string[] => text.split(',').map((word) => word.trim());

function wholes(min: number, max: number): (text: string) => number[] {
  return (text) => list(text).map(whole(min, max));
}

function cores(text: string): string {
  if (text !== 'none' && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) {
    throw new InvalidArgumentError('It must be a list of cores, like 1 or 0,2-3, or none.');
  }
  return text;
}

export function benchCommand(terminal: Terminal): Command {
  return new Command('bench')
    .description('measure recall against speed, of nearpin and of other engines, on the same data')
    .addOption(option('--count <n>', 'vectors').argParser(whole(1, 100_000_000)).default(10_000))
    .addOption(
      option('--dim <n>', 'of raw files and seeded sets').argParser(whole(2, LIMITS.dimMax)).default(128),
    )
    .addOption(option('--query-count <n>', 'queries').argParser(whole(1, 10_000)).default(1000))
    .addOption(option('--engines <names>', 'engines').argParser(list).default(['wasm', 'hnswlib']))
    .addOption(option('--k <n>', 'hits a query').argParser(whole(1, LIMITS.kMax)).default(10))
    .addOption(option('--ef <list>', 'widths').argParser(wholes(1, LIMITS.efMax)).default(EFS))
    .addOption(option('--m <n>', 'links').argParser(whole(LIMITS.mMin, LIMITS.mMax)).default(16))
    .addOption(
      option('--ef-construction <n>', 'width at insertion')
        .argParser(whole(1, LIMITS.efConstructionMax))
        .default(200),
    )
    .addOption(option('--passes <n>', 'measurements of each point').argParser(whole(1, 1000)).default(5))
    .addOption(option('--seed <n>', 'seed of the levels').argParser(whole(0, 0xffffffff)).default(1))
    .addOption(option('--out <dir>', 'folder of the results').makeOptionMandatory())
    .addOption(
      option('--cache <dir>', 'folder of what is made once').default(join(homedir(), '.cache/nearpin/bench')),
    )
    .addOption(option('--pin <cores>', 'cores that engines run on, or none').argParser(cores))
    .addOption(jsonOption())
    .action((options: BenchCommandOptions) => bench(options, terminal));
}

async function bench(options: BenchCommandOptions, terminal: Terminal): Promise<void> {
  const { ef, queryCount, out, cache, pin, ...rest } = options;
  const results = await runBench(
    {
      ...rest,
      efs: ef,
      queries: queryCount,
      outDir: out,
      cacheDir: cache,
      cores: pin === 'none' ? null : pin,
      command: process.argv.slice(2).join(' '),
      now: () => new Date(),
    },
    {
      note: (line) => terminal.note(line),
      progress: (label, done, total) => terminal.progress(label, done, total),
    },
  );
  terminal.clear();
  terminal.print(options.json ? JSON.stringify(results) : formatResults(results));
}
