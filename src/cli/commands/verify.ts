/** `nearpin verify`: reads everything of an index and says whether it is right; exits with 1 when it is not. */
import { Command } from 'commander';
import { verifyIndex } from '../../build/verify-index.ts';
import { createEngineHost } from '../../engines/engine-host.ts';
import { DEFAULT_EF } from '../../engines/shard-engine.ts';
import { LIMITS } from '../../lib/limits.ts';
import { jsonOption, option, whole, workersOption } from '../options.ts';
import { type Terminal, withCommas } from '../terminal.ts';

interface VerifyCommandOptions {
  readonly samples: number;
  readonly k: number;
  readonly ef: number;
  readonly minRecall: number;
  readonly workers: number;
  readonly json: boolean;
}

export function verifyCommand(terminal: Terminal): Command {
  return new Command('verify')
    .argument('<index>', 'directory of the index')
    .addOption(
      option('--samples <n>', 'pins to measure recall with')
        .argParser(whole(0, LIMITS.recallSamplesMax))
        .default(200),
    )
    .addOption(option('--k <n>', 'k of recall@k').argParser(whole(1, LIMITS.kMax)).default(10))
    .addOption(
      option('--ef <n>', 'width of the searches').argParser(whole(1, LIMITS.efMax)).default(DEFAULT_EF),
    )
    .addOption(
      option('--min-recall <share>', 'recall below this is a problem').argParser(Number).default(0.9),
    )
    .addOption(workersOption())
    .addOption(jsonOption())
    .action((index: string, options: VerifyCommandOptions) => verify(index, options, terminal));
}

async function verify(indexDir: string, options: VerifyCommandOptions, terminal: Terminal): Promise<void> {
  const host = createEngineHost('wasm', options.workers);
  try {
    const report = await verifyIndex(indexDir, { ...host, ...options, seed: 1 });
    if (report.problems.length > 0) process.exitCode = 1;
    if (options.json) {
      terminal.print(JSON.stringify(report));
      return;
    }
    for (const { code, message } of report.problems) terminal.print(`${code}: ${message}`);
    if (report.problems.length > 0) return;
    const recall =
      report.recall === null ? '' : `, recall@${options.k} ${report.recall.toFixed(4)} at ef ${options.ef}`;
    terminal.print(
      `${indexDir}: generation ${report.generation} is right: ${withCommas(report.count)} pins${recall}`,
    );
  } finally {
    await host.close();
  }
}
