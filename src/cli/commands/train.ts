/** `nearpin train`: vectors of pins from what users saved, for a team that has no model yet. */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { LIMITS } from '../../lib/limits.ts';
import { trainPins } from '../../train/train-pins.ts';
import { interruptible } from '../interruptible.ts';
import { jsonOption, option, whole } from '../options.ts';
import { type Terminal, withCommas } from '../terminal.ts';

interface TrainCommandOptions {
  readonly out: string;
  readonly dim: number;
  readonly seed: number;
  readonly threads: number;
  readonly json: boolean;
}

const HELP = `
A line of interactions is a user, then the ids of the pins that the user saved, between spaces. The vectors are made for
the metric dot: their lengths say how much is known of a pin.

Example:
  nearpin train saves.txt.gz --out pins.jsonl
  nearpin build pins.jsonl --metric dot --out indexes/pins`;

export function trainCommand(terminal: Terminal): Command {
  return new Command('train')
    .argument('<file...>', 'files of interactions; may be .gz')
    .addOption(
      option('--out <file>', 'file of pins to write, .jsonl').argParser(jsonLinesName).makeOptionMandatory(),
    )
    .addOption(
      option('--dim <n>', 'components of a vector')
        .argParser(whole(LIMITS.dimMin, LIMITS.trainDimMax))
        .default(128),
    )
    .addOption(option('--seed <n>', 'of the start').argParser(whole(0, 0xffffffff)).default(1))
    .addOption(
      option('--threads <n>', 'threads; the vectors are the same with any number')
        .argParser(whole(1, 64))
        .default(availableParallelism(), 'cores'),
    )
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((files: string[], options: TrainCommandOptions) => train(files, options, terminal));
}

function jsonLinesName(text: string): string {
  if (/\.(jsonl|ndjson)$/.test(text)) return text;
  throw new InvalidArgumentError('It must end in .jsonl or .ndjson.');
}

/** Trains with progress; SIGINT and SIGTERM end it without a trace. */
async function train(
  files: readonly string[],
  { json, ...options }: TrainCommandOptions,
  terminal: Terminal,
): Promise<void> {
  try {
    const report = await interruptible('nothing was written', (signal) =>
      trainPins({
        ...options,
        files,
        onProgress: ({ phase, done, total }) => terminal.progress(phase, done, total),
        signal,
      }),
    );
    terminal.clear();
    if (json) {
      terminal.print(JSON.stringify(report));
      return;
    }
    const { out, metric, dim, pins, users, interactions, singles } = report;
    const left = singles > 0 ? `; ${withCommas(singles)} users with a single pin left out` : '';
    terminal.print(
      `${out}: ${withCommas(pins)} pins of ${dim} dimensions, from ${withCommas(interactions)} interactions of ` +
        `${withCommas(users)} users${left}\nnearpin build ${out} --metric ${metric} --out indexes/NAME`,
    );
  } finally {
    terminal.clear();
  }
}
