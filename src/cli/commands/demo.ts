/** `nearpin demo`: makes a catalogue and its index if there is none, serves it, and says what to try. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { CATALOGUE_ATTRIBUTES, drawCatalogue } from '../../build/catalogue.ts';
import { HASHED_NAME } from '../../embed/hashed.ts';
import { NearpinError } from '../../lib/errors.ts';
import { currentGeneration } from '../../storage/generation.ts';
import { jsonOption, option, whole } from '../options.ts';
import { readSettings, type Settings, settingOptions } from '../settings.ts';
import { type Terminal, withCommas } from '../terminal.ts';
import { runBuild } from './build.ts';
import { serve } from './serve.ts';

interface DemoOptions {
  readonly pins: number;
  readonly seed: number;
  readonly json: boolean;
}

const NAME = 'demo';

export function demoCommand(terminal: Terminal): Command {
  const command = new Command('demo')
    .addOption(option('--pins <n>', 'pins of the catalogue').argParser(whole(10, 1_000_000)).default(20_000))
    .addOption(option('--seed <n>', 'seed of the catalogue').argParser(whole(0, 0xffffffff)).default(1));
  for (const each of [...settingOptions(), jsonOption()]) command.addOption(each);
  return command.action(async (options: DemoOptions) => {
    const { settings } = await readSettings(command);
    await demo(settings, options, terminal);
  });
}

async function demo(settings: Settings, options: DemoOptions, terminal: Terminal): Promise<void> {
  const indexDir = join(settings.indexes, NAME);
  if (!(await exists(indexDir))) await make(settings.indexes, options, terminal);
  await serve(settings, {
    json: options.json,
    terminal,
    onReady: (url, served) =>
      terminal.note(
        served.includes(NAME)
          ? suggestions(url, indexDir)
          : `Remove ${indexDir} with all that was written to it, and the next start makes it anew. Ctrl-C ends this one.`,
      ),
  });
}

async function exists(indexDir: string): Promise<boolean> {
  try {
    await currentGeneration(indexDir);
    return true;
  } catch (error) {
    if (error instanceof NearpinError && error.code === 'unknown_index') return false;
    throw error;
  }
}

/** Writes the catalogue beside the index, where a reader finds an example of the input, and builds it. */
async function make(indexesDir: string, options: DemoOptions, terminal: Terminal): Promise<void> {
  mkdirSync(indexesDir, { recursive: true });
  const indexDir = join(indexesDir, NAME);
  const file = join(indexesDir, `${NAME}-pins.jsonl`);
  const lines = Array.from(drawCatalogue(options.pins, options.seed), (pin) => `${JSON.stringify(pin)}\n`);
  writeFileSync(file, lines.join(''));
  terminal.note(`${file}: ${withCommas(options.pins)} pins; building ${indexDir}`);
  await runBuild(
    [file],
    {
      out: indexDir,
      metric: 'cosine',
      shards: 'auto',
      model: HASHED_NAME,
      allowDownload: false,
      attributes: JSON.stringify(CATALOGUE_ATTRIBUTES),
      threads: availableParallelism(),
      skipBad: false,
    },
    terminal,
  );
}

function suggestions(url: string, indexDir: string): string {
  return `
Open ${url}/ in a browser, or try:

  curl -s ${url}/v1/indexes/${NAME}/search -H 'content-type: application/json' \\
    -d '{"text": "emerald velvet sofa", "k": 3, "filter": {"price": {"$lt": 1000}}, "include": ["payload"]}'

  npx nearpin query ${indexDir} --related pin-000000 --k 5

  node --input-type=module -e "
    import { createClient } from 'nearpin/client';
    const client = createClient({ url: '${url}' });
    console.log(await client.search('${NAME}', { text: 'terracotta planter', k: 3, include: ['payload'] }));"

Ctrl-C ends it.`;
}
