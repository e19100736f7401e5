/** `nearpin bench`: recall against speed, of nearpin and of its peers, in one run. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { SetSpec } from '../../../bench/data/sets.ts';
import {
  DEFINITION_DEFAULTS,
  type Definition,
  definitionNames,
  override,
  readDefinition,
} from '../../../bench/definition.ts';
import { BENCH_ENGINES } from '../../../bench/engines/registry.ts';
import { formatResults } from '../../../bench/report/text.ts';
import { runBench } from '../../../bench/run.ts';
import type { Metric } from '../../core/metric.ts';
import { NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { interruptible } from '../interruptible.ts';
import { jsonOption, option, whole } from '../options.ts';
import type { Terminal } from '../terminal.ts';

interface BenchCommandOptions {
  readonly definition?: readonly string[];
  readonly set?: readonly string[];
  readonly base?: string;
  readonly queries?: string;
  readonly truth?: string;
  readonly metric?: Metric;
  readonly dim?: number;
  readonly count?: number;
  readonly queryCount?: number;
  readonly data?: string;
  readonly engines?: readonly string[];
  readonly k?: number;
  readonly ef?: readonly number[];
  readonly m?: number;
  readonly efConstruction?: number;
  readonly seed?: number;
  readonly passes?: number;
  readonly threads?: readonly number[];
  readonly filters?: readonly string[];
  readonly selectivities?: readonly number[];
  readonly requests?: number;
  readonly out: string;
  readonly cache: string;
  readonly reuse: boolean;
  readonly pin?: string;
  readonly json: boolean;
}

/** Words between commas. */
const words = (text: string): string[] => text.split(',').map((word) => word.trim());

const wholes =
  (min: number, max: number) =>
  (text: string): number[] =>
    words(text).map(whole(min, max));

const choices = (names: readonly string[]) => (text: string) => {
  for (const word of words(text)) {
    if (!names.includes(word)) throw new InvalidArgumentError(`${word} is not one of ${names.join(', ')}.`);
  }
  return words(text);
};

function shares(text: string): number[] {
  return words(text).map((word) => {
    const share = Number(word);
    if (word === '' || !(share > 0 && share <= 1))
      throw new InvalidArgumentError('They must be above 0 and up to 1.');
    return share;
  });
}

function cores(text: string): string {
  if (text !== 'none' && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) {
    throw new InvalidArgumentError('It must be a list of cores, like 1 or 0,2-3, or none.');
  }
  return text;
}

export function benchCommand(terminal: Terminal): Command {
  const defaults = DEFINITION_DEFAULTS;
  const said = (value: unknown) => `(default: ${String(value)}, or as the definition says)`;
  return new Command('bench')
    .addOption(
      option(
        '--definition <names>',
        `what to measure: ${definitionNames().join(', ')}, or a JSON file`,
      ).argParser(words),
    )
    .addOption(
      option('--set <names>', 'sets by name: clustered (drawn by a seed), mnist, tate').argParser(words),
    )
    .addOption(
      option(
        '--base <file>',
        'vectors to search: .fvecs .bvecs .npy .jsonl .f32 .u8 (each also .gz), .hdf5 of ann-benchmarks, or an index',
      ),
    )
    .addOption(
      option('--queries <file>', 'queries (default: those of the .hdf5, or the last rows of the base)'),
    )
    .addOption(
      option('--truth <file>', 'neighbours of the queries: .ivecs or .hdf5 (default: computed and kept)'),
    )
    .addOption(
      option('--metric <name>', 'how vectors compare (default: what an .hdf5 says, or cosine)').choices([
        'cosine',
        'dot',
        'l2',
      ]),
    )
    .addOption(
      option('--dim <n>', 'of .f32 and .u8, and of clustered vectors').argParser(
        whole(LIMITS.dimMin, LIMITS.dimMax),
      ),
    )
    .addOption(option('--count <n>', 'at most so many vectors of each set').argParser(whole(1, 100_000_000)))
    .addOption(
      option('--query-count <n>', 'queries (default: 1000, or all of a file)').argParser(whole(1, 100_000)),
    )
    .addOption(option('--data <dir>', 'folder of the data of named sets'))
    .addOption(
      option('--engines <names>', `of ${BENCH_ENGINES.join(', ')} ${said(defaults.engines)}`).argParser(
        choices(BENCH_ENGINES),
      ),
    )
    .addOption(option('--k <n>', `hits a query ${said(defaults.k)}`).argParser(whole(1, LIMITS.kMax)))
    .addOption(
      option('--ef <list>', `widths of the searches ${said(defaults.ef)}`).argParser(wholes(1, LIMITS.efMax)),
    )
    .addOption(
      option('--m <n>', `links per node ${said(defaults.m)}`).argParser(whole(LIMITS.mMin, LIMITS.mMax)),
    )
    .addOption(
      option('--ef-construction <n>', `width at insertion ${said(defaults.efConstruction)}`).argParser(
        whole(1, LIMITS.efConstructionMax),
      ),
    )
    .addOption(
      option('--seed <n>', `seed of the graphs ${said(defaults.seed)}`).argParser(whole(0, 0xffffffff)),
    )
    .addOption(
      option(
        '--passes <n>',
        `measurements of a point, fewer of one that takes long ${said(defaults.passes)}`,
      ).argParser(whole(1, 1000)),
    )
    .addOption(
      option('--threads <list>', `threads that search at once ${said(defaults.threads)}`).argParser(
        wholes(1, LIMITS.readersMax - 2),
      ),
    )
    .addOption(
      option('--filters <names>', 'attributes to filter by: random, corner').argParser(
        choices(['random', 'corner']),
      ),
    )
    .addOption(
      option('--selectivities <list>', `shares that pass ${said(defaults.selectivities)}`).argParser(shares),
    )
    .addOption(
      option('--requests <n>', `of one measurement of the service ${said(defaults.requests)}`).argParser(
        whole(1, 1_000_000),
      ),
    )
    .addOption(option('--out <dir>', 'folder of the results').makeOptionMandatory())
    .addOption(
      option('--cache <dir>', 'folder of vectors and neighbours that are made once').default(
        join(homedir(), '.cache/nearpin/bench'),
      ),
    )
    .addOption(option('--reuse', 'keep indexes in the cache, and read those of earlier runs').default(false))
    .addOption(option('--pin <cores>', 'cores for the engines, or none (default: the last)').argParser(cores))
    .addOption(jsonOption())
    .action((options: BenchCommandOptions) => bench(options, terminal));
}

/** The sets that are asked for, in place of those of a definition; undefined when none are. */
function setsOf(options: BenchCommandOptions): SetSpec[] | undefined {
  const { set, base, queries, truth, metric, dim, count, queryCount } = options;
  if (base === undefined && (queries ?? truth) !== undefined) {
    throw new NearpinError('bad_request', '--queries and --truth need a --base');
  }
  if (base !== undefined && set !== undefined) {
    throw new NearpinError('bad_request', '--set and --base cannot both say what to search');
  }
  const common = { metric, dim, count, queryCount };
  if (base !== undefined) return [{ ...common, base, queries, truth }];
  return set?.map((name) => ({ ...common, name }));
}

function definitionsOf(options: BenchCommandOptions): Definition[] {
  const sets = setsOf(options);
  if (options.definition === undefined && sets === undefined) {
    throw new NearpinError('bad_request', 'what to measure is said by --definition, --set or --base');
  }
  const { engines, k, ef, m, efConstruction, seed, passes, threads, filters, selectivities, requests } =
    options;
  const { count, queryCount } = options;
  const over = {
    sets,
    engines,
    k,
    ef,
    m,
    efConstruction,
    seed,
    passes,
    threads,
    filters,
    selectivities,
    requests,
  };
  const given = options.definition?.map(readDefinition) ?? [DEFINITION_DEFAULTS];
  return given.map((definition) => override(definition, { ...over, count, queryCount }));
}

/** What was typed less where things lie on this machine, which changes nothing that is measured. */
function withoutFolders(args: readonly string[]): string[] {
  const isFolder = (arg: string | undefined) => /^--(out|cache|data)(=|$)/.test(arg ?? '');
  return args.filter((arg, i) => !isFolder(arg) && !(isFolder(args[i - 1]) && !args[i - 1]!.includes('=')));
}

async function bench(options: BenchCommandOptions, terminal: Terminal): Promise<void> {
  const definitions = definitionsOf(options);
  const { results, failures } = await interruptible(
    'of the definition under way nothing was written',
    (signal) =>
      runBench({
        definitions,
        outDir: options.out,
        cacheDir: options.cache,
        dataDir: options.data,
        cores: options.pin === 'none' ? null : options.pin,
        reuse: options.reuse,
        command: ['nearpin', ...withoutFolders(process.argv.slice(2))].join(' '),
        now: () => new Date(),
        signal,
        onNote: (line) => terminal.note(line),
        onProgress: (label, done, total) => terminal.progress(label, done, total),
      }),
  );
  terminal.clear();
  terminal.print(options.json ? JSON.stringify(results) : formatResults(results));
  terminal.note(`${join(options.out, 'results.json')} report.html and bars.md are written`);
  if (failures.length > 0) throw failures[0];
}
