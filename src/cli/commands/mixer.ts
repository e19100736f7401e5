/** `nearpin mixer`: checks a mixer config against its index, and shows its experiments, or what they make of a unit. */
import { join } from 'node:path';
import { Command } from 'commander';
import { checkUnit, draw, layerBucket, sideOf } from '../../retrieval/experiments/assign.ts';
import type { Arm, Experiments } from '../../retrieval/experiments/config.ts';
import { BUCKETS } from '../../retrieval/experiments/hash.ts';
import { parseMixerConfig } from '../../retrieval/mixer-config.ts';
import { currentGeneration, readManifest } from '../../storage/generation.ts';
import { readJson } from '../json-file.ts';
import { readMixerFile } from '../mixer-file.ts';
import { jsonOption, option } from '../options.ts';
import { formatTable, type Terminal } from '../terminal.ts';

interface MixerOptions {
  readonly unit?: string;
  readonly json: boolean;
}

export function mixerCommand(terminal: Terminal): Command {
  return new Command('mixer')
    .argument('<index>', 'directory of the index')
    .argument('[file]', "the config; the index's own mixer.json when absent")
    .addOption(option('--unit <id>', 'show what this user or session gets'))
    .addOption(jsonOption())
    .action((index: string, file: string | undefined, options: MixerOptions) =>
      mixer(index, file, options, terminal),
    );
}

async function mixer(
  indexDir: string,
  file: string | undefined,
  { unit, json }: MixerOptions,
  terminal: Terminal,
): Promise<void> {
  const { config } = await readManifest(join(indexDir, await currentGeneration(indexDir)));
  const input = file === undefined ? ((await readMixerFile(indexDir)) ?? {}) : await readJson(file);
  const { experiments, shadows } = parseMixerConfig(input, config);
  const rows = unit === undefined ? listExperiments(experiments!) : whatUnitGets(experiments!, unit);
  if (json) {
    terminal.print(JSON.stringify({ [unit === undefined ? 'experiments' : 'layers']: rows, shadows }));
    return;
  }
  const [first] = rows;
  if (first === undefined) terminal.print('no experiments');
  else
    terminal.print(formatTable([Object.keys(first), ...rows.map((row) => Object.values(row).map(String))]));
  for (const { name, end, index, generation } of shadows ?? [])
    terminal.print(
      `shadow ${name}: ${(100 * end) / BUCKETS} % to ${index === undefined ? `generation ${generation}` : `index ${index}`}`,
    );
}

function listExperiments({ layers, holdout }: Experiments) {
  const rows = layers.flatMap(({ name: layer, experiments }) =>
    experiments.map(({ name, surface, from, to, arms, isInterleaved }) => ({
      layer,
      experiment: name,
      surface,
      buckets: `${from}-${to - 1}`,
      arms: isInterleaved ? arms.map((arm) => arm.name).join(' with ') : arms.map(shareOf).join(', '),
    })),
  );
  if (holdout === undefined) return rows;
  const held = {
    layer: '',
    experiment: 'holdout',
    surface: 'all',
    buckets: `0-${holdout.end - 1}`,
    arms: 'held',
  };
  return [...rows, held];
}

const shareOf = ({ name, end }: Arm, i: number, arms: readonly Arm[]): string =>
  `${name} ${(100 * (end - (arms[i - 1]?.end ?? 0))) / BUCKETS} %`;

function whatUnitGets(experiments: Experiments, unit: string) {
  checkUnit(unit, 'unit');
  const isHeld = sideOf(experiments, unit) === 'held';
  return experiments.layers.map((layer) => {
    const drawn = draw(layer, unit);
    return {
      layer: layer.name,
      bucket: layerBucket(layer.salt, unit),
      experiment: drawn?.experiment.name ?? '',
      surface: drawn?.experiment.surface ?? '',
      arm: drawn === undefined ? '' : isHeld ? 'held out' : drawn.arm,
    };
  });
}
