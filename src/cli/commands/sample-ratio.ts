/** The sample-ratio check of `nearpin eval --exposures`: a log of exposures against the experiments of an index. */
import { basename, join, resolve } from 'node:path';
import { type ExperimentRatio, ExposedUnits } from '../../evaluation/exposures.ts';
import { NearpinError } from '../../lib/errors.ts';
import type { Experiments } from '../../retrieval/experiments/config.ts';
import { parseMixerConfig } from '../../retrieval/mixer-config.ts';
import { readChunks } from '../../storage/byte-source.ts';
import { readJsonLines } from '../../storage/formats/json-lines.ts';
import { currentGeneration, readManifest } from '../../storage/generation.ts';
import { readMixerFile } from '../mixer-file.ts';
import { formatTable, type Terminal, withCommas } from '../terminal.ts';

/** Lines from one look at the signal to the next. */
const TURN = 10_000;

/** Prints the check of each experiment; warns of arms that chance does not explain. */
export async function checkExposures(
  indexDir: string,
  file: string,
  asJson: boolean,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const experiments = await readExperiments(indexDir);
  const units = new ExposedUnits(basename(resolve(indexDir)));
  let records = 0;
  let unreadable = 0;
  let first: string | undefined;
  for await (const row of readJsonLines(readChunks(file), file, undefined, 'bad_file')) {
    if ('error' in row || !units.add(row.value)) {
      unreadable++;
      first ??= 'error' in row ? row.error.message : `${file}:${row.row}: is no record of a log of exposures`;
    } else {
      records++;
    }
    if ((records + unreadable) % TURN !== 0) continue;
    signal.throwIfAborted();
    terminal.progress('records', records);
  }
  terminal.clear();
  if (records === 0) throw new NearpinError('bad_file', first ?? `${file} holds no records`);

  const checked = units.check(experiments);
  const unknown = units.unknown(experiments);
  if (asJson) terminal.print(JSON.stringify({ records, unreadable, experiments: checked, unknown }));
  else if (checked.length === 0) terminal.print('no experiment shows arms apart');
  else terminal.print(formatTable([HEADING, ...checked.flatMap(rowsOf)]));
  // A log that was cut off in the middle of a line is still a log
  if (unreadable > 0)
    terminal.note(`lines that are no records: ${withCommas(unreadable)}; the first: ${first}`);
  if (unknown.length > 0) terminal.note(`not configured, and not checked: ${unknown.join(', ')}`);
  for (const { experiment, p, isSuspect, moved } of checked) {
    if (moved > 0)
      terminal.note(
        `${experiment}: units that were seen in several arms, and count for the first: ${withCommas(moved)}`,
      );
    if (isSuspect) {
      terminal.note(
        `WARNING: ${experiment}: its arms do not have the units that their shares say (p = ${p.toExponential(1)}); ` +
          'do not believe its other figures before it is known why',
      );
    }
  }
}

const HEADING = ['experiment', 'arm', 'share', 'units', 'expected', 'chi-square', 'p', ''];

/** A row per arm; the test stands in the first. */
function rowsOf({ experiment, arms, chiSquare, p, isSuspect }: ExperimentRatio): string[][] {
  return arms.map(({ arm, share, units, expected }, i) => {
    const counted = [arm, `${Number((100 * share).toFixed(2))} %`, withCommas(units), expected.toFixed(1)];
    if (i > 0) return ['', ...counted];
    const told = p < 1e-4 ? p.toExponential(1) : p.toFixed(4);
    return [experiment, ...counted, chiSquare.toFixed(2), told, isSuspect ? 'suspect' : 'as it should be'];
  });
}

async function readExperiments(indexDir: string): Promise<Experiments> {
  const { config } = await readManifest(join(indexDir, await currentGeneration(indexDir)));
  const input = await readMixerFile(indexDir);
  if (input === undefined) throw new NearpinError('missing_file', `${indexDir} has no mixer.json`);
  return parseMixerConfig(input, config).experiments!;
}
