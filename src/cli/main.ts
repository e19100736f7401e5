#!/usr/bin/env node
/**
 * The command line: where everything is put together, and the only reader of arguments and environment.
 * Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { Command, CommanderError } from 'commander';
import { NearpinError } from '../lib/errors.ts';
import { aliasCommand } from './commands/alias.ts';
import { batchCommand } from './commands/batch.ts';
import { benchCommand } from './commands/bench.ts';
import { buildCommand } from './commands/build.ts';
import { configCommand } from './commands/config.ts';
import { demoCommand } from './commands/demo.ts';
import { diffCommand } from './commands/diff.ts';
import { evalCommand } from './commands/eval.ts';
import {
  checkpointCommand,
  generationsCommand,
  publishCommand,
  rollbackCommand,
} from './commands/generations.ts';
import { healthCommand } from './commands/health.ts';
import { inspectCommand } from './commands/inspect.ts';
import { keysCommand } from './commands/keys.ts';
import { mixerCommand } from './commands/mixer.ts';
import { queryCommand } from './commands/query.ts';
import { serveCommand } from './commands/serve.ts';
import { trainCommand } from './commands/train.ts';
import { verifyCommand } from './commands/verify.ts';
import { deleteCommand, upsertCommand } from './commands/write.ts';
import { createTerminal } from './terminal.ts';
import { version } from './version.ts';

const terminal = createTerminal({ stdout: process.stdout, stderr: process.stderr, now: () => Date.now() });

const program = new Command('nearpin')
  .description('Nearest-pin retrieval: build an index of pins, serve it, find the nearest ones.')
  .version(version)
  .showHelpAfterError('(--help says more)');
for (const command of [
  buildCommand(terminal),
  trainCommand(terminal),
  serveCommand(terminal),
  configCommand(terminal),
  healthCommand(terminal),
  queryCommand(terminal),
  inspectCommand(terminal),
  verifyCommand(terminal),
  upsertCommand(terminal),
  deleteCommand(terminal),
  checkpointCommand(terminal),
  generationsCommand(terminal),
  publishCommand(terminal),
  rollbackCommand(terminal),
  aliasCommand(terminal),
  mixerCommand(terminal),
  keysCommand(terminal, () => Date.now()),
  demoCommand(terminal),
  evalCommand(terminal),
  batchCommand(terminal),
  benchCommand(terminal),
  diffCommand(terminal),
]) {
  program.addCommand(command);
}
for (const command of [program, ...program.commands]) command.exitOverride();

// A reader that has seen enough, as `head`, is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await program.parseAsync();
} catch (error) {
  terminal.clear();
  if (error instanceof CommanderError) {
    // Commander has said what is wrong; help and version are no errors
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else if (error instanceof NearpinError || (error as { code?: unknown }).code !== undefined) {
    const { code, message } = error as { code: unknown; message: string };
    const wantsJson = process.argv.includes('--json');
    if (wantsJson) terminal.print(JSON.stringify({ error: { code, message } }));
    terminal.note(`nearpin: ${message} (${String(code)})`);
    process.exitCode = 1;
  } else {
    terminal.note(`nearpin: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    process.exitCode = 1;
  }
}
