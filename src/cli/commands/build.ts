/** `nearpin build`: files of pins to a published generation of an index. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { type BuildModel, type BuildReport, buildIndex } from '../../build/build-index.ts';
import type { Metric } from '../../core/metric.ts';
import { wasm } from '../../core/webassembly.ts';
import type { Embedder } from '../../embed/embedder.ts';
import { HASHED_NAME } from '../../embed/hashed.ts';
import { openEmbedder } from '../../embed/models.ts';
import {
  type AttributeTypes,
  type IndexConfigInput,
  PRECISIONS,
  type Precision,
} from '../../index/config.ts';
import { NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { readCoreBinary } from '../../storage/core-binary.ts';
import { interruptible } from '../interruptible.ts';
import { downloadOption, jsonOption, modelDirOption, option, whole } from '../options.ts';
import { formatBytes, type Terminal, withCommas } from '../terminal.ts';

/** Lengths of vectors this many times apart say something that cosine does not hear. */
const UNEVEN = 2;

interface BuildCommandOptions {
  readonly out: string;
  readonly metric: Metric;
  readonly shards: number | 'auto';
  readonly model?: string;
  readonly vectorsFrom?: string;
  readonly modelDir?: string;
  readonly allowDownload: boolean;
  readonly modelKind?: 'static' | 'transformers';
  readonly pooling?: 'mean' | 'cls';
  readonly normalize?: boolean;
  readonly queryPrefix?: string;
  readonly documentPrefix?: string;
  readonly attributes?: string;
  readonly m?: number;
  readonly efConstruction?: number;
  readonly precision?: Precision;
  readonly seed?: number;
  readonly seq?: number;
  readonly publish?: boolean;
  readonly threads: number;
  readonly skipBad: boolean;
  readonly json: boolean;
}

export function buildCommand(terminal: Terminal): Command {
  const shards = (text: string) => (text === 'auto' ? text : whole(1, LIMITS.shardsMax)(text));
  return new Command('build')
    .argument('<file...>', 'input files')
    .addOption(option('--out <dir>', 'directory of the index, indexes/NAME').makeOptionMandatory())
    .addOption(
      option('--metric <name>', 'how vectors compare').choices(['cosine', 'dot', 'l2']).default('cosine'),
    )
    .addOption(option('--shards <n>', 'graphs; auto: as few as fit').argParser(shards).default('auto'))
    .addOption(option('--model <name>', 'embeds texts (default, when there are texts: hashed-ngrams)'))
    .addOption(
      option('--vectors-from <name>', 'name@revision of what made the vectors, when no model here did'),
    )
    .addOption(modelDirOption())
    .addOption(downloadOption())
    .addOption(
      option('--model-kind <kind>', 'how the model runs, where its folder allows both').choices([
        'static',
        'transformers',
      ]),
    )
    .addOption(option('--pooling <how>', 'of a transformers model').choices(['mean', 'cls']))
    .addOption(option('--no-normalize', 'leave the length of the vectors as the model makes it'))
    .addOption(option('--query-prefix <text>', 'what the model wants before a text that is looked for'))
    .addOption(option('--document-prefix <text>', 'what the model wants before a text that is looked at'))
    .addOption(option('--attributes <json>', 'types of the attributes, as JSON or a JSON file'))
    .addOption(option('--m <n>', 'links per node and level').argParser(whole(LIMITS.mMin, LIMITS.mMax)))
    .addOption(
      option('--ef-construction <n>', 'width of the search at insertion').argParser(
        whole(1, LIMITS.efConstructionMax),
      ),
    )
    .addOption(option('--precision <name>', 'how vectors are held').choices(PRECISIONS))
    .addOption(option('--seed <n>', 'seed of the levels').argParser(whole(0, 0xffffffff)))
    .addOption(
      option('--threads <n>', 'shards built at once')
        .argParser(whole(1, 64))
        .default(availableParallelism(), 'cores'),
    )
    .addOption(
      option('--seq <n>', 'the last update that the input holds; later ones are applied to it')
        .argParser(whole(0, Number.MAX_SAFE_INTEGER))
        .default(0),
    )
    .addOption(option('--no-publish', 'leave the generation that is current; `publish` serves this one'))
    .addOption(option('--skip-bad', 'leave bad lines out, count and list them').default(false))
    .addOption(jsonOption())
    .action((files: string[], options: BuildCommandOptions) => build(files, options, terminal));
}

/** The attribute types given as JSON or as the name of a JSON file. */
function attributeTypes(text: string): AttributeTypes {
  const source = !text.trimStart().startsWith('{') && existsSync(text) ? readFileSync(text, 'utf8') : text;
  try {
    return JSON.parse(source) as AttributeTypes;
  } catch {
    throw new NearpinError('bad_config', `--attributes is neither JSON nor a JSON file: ${text}`);
  }
}

/** Drops the options that were not given, so that the config's own defaults hold. */
function configOf(options: BuildCommandOptions): Omit<IndexConfigInput, 'dim' | 'model' | 'shards'> {
  const { metric, m, efConstruction, precision, seed } = options;
  return {
    metric,
    ...(options.attributes !== undefined && { attributes: attributeTypes(options.attributes) }),
    ...(m !== undefined && { m }),
    ...(efConstruction !== undefined && { efConstruction }),
    ...(precision !== undefined && { precision }),
    ...(seed !== undefined && { seed }),
  };
}

async function build(
  files: readonly string[],
  options: BuildCommandOptions,
  terminal: Terminal,
): Promise<void> {
  const report = await runBuild(files, options, terminal);
  const { least, greatest } = report.lengths ?? { least: 1, greatest: 1 };
  if (greatest > UNEVEN * least)
    terminal.note(
      `vectors are ${least.toPrecision(3)} to ${greatest.toPrecision(3)} long, and cosine goes by directions alone; ` +
        '--metric dot counts lengths, too',
    );
  if (options.json) {
    terminal.print(JSON.stringify(report));
    return;
  }
  const bytes = report.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const skipped = report.bad > 0 ? `, ${withCommas(report.bad)} bad lines left out` : '';
  terminal.print(
    `${options.out}: generation ${report.generation}, ${withCommas(report.count)} pins of ${report.config.dim} dimensions ` +
      `in ${report.shards.length} shard${report.shards.length === 1 ? '' : 's'}, ${formatBytes(bytes)}${skipped}`,
  );
}

/** Builds with progress; SIGINT and SIGTERM end it without a trace. */
export async function runBuild(
  files: readonly string[],
  options: Omit<BuildCommandOptions, 'json'>,
  terminal: Terminal,
): Promise<BuildReport> {
  const opened: Embedder[] = [];
  const openBuildModel = async (name: string): Promise<BuildModel> => {
    const { modelDir, allowDownload, modelKind: kind, pooling, queryPrefix, documentPrefix } = options;
    // Commander says true where --no-normalize was not given; the model's own setting is to hold then
    const normalize = options.normalize === false ? false : undefined;
    const use = { kind, pooling, normalize, queryPrefix, documentPrefix };
    const embedder = await openEmbedder({ name, modelDir, allowDownload, ...use });
    opened.push(embedder);
    return { description: { ...embedder.description }, embed: (texts) => embedder.embed(texts, 'document') };
  };
  try {
    return await interruptible('nothing was published', async (signal) =>
      buildIndex({
        files,
        stdin: process.stdin,
        indexDir: options.out,
        config: configOf(options as BuildCommandOptions),
        shards: options.shards,
        ...(options.vectorsFrom !== undefined && { vectorsFrom: options.vectorsFrom }),
        ...(options.model !== undefined && { model: await openBuildModel(options.model) }),
        defaultModel: () => openBuildModel(HASHED_NAME),
        skipBad: options.skipBad,
        onBad: ({ file, row, error }) => terminal.note(`${file}:${row}: ${error.message}`),
        onProgress: ({ phase, done, total }) => terminal.progress(phase, done, total),
        module: new wasm.Module(readCoreBinary()),
        threads: options.threads,
        ...(options.seq !== undefined && { seq: options.seq }),
        isCurrent: options.publish !== false,
        signal,
      }),
    );
  } finally {
    terminal.clear();
    for (const embedder of opened) await embedder.close();
  }
}
