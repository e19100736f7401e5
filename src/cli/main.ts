#!/usr/bin/env node
/**
 * The command line: where everything is put together, and the only reader of arguments and environment.
 * Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { Command, CommanderError } from 'commander';
import { NearpinError } from '../lib/errors.ts';
import { COMMANDS } from './commands.ts';
import { createTerminal } from './terminal.ts';
import { version } from './version.ts';

const terminal = createTerminal({ stdout: process.stdout, stderr: process.stderr, now: () => Date.now() });

const program = new Command('nearpin')
  .description('Nearest-pin retrieval: build an index of pins, serve it, find the nearest ones.')
  .version(version)
  .showHelpAfterError('(--help says more)');
/** The command, or the one that help is asked of. */
const asked = process.argv.slice(2).find((word) => Object.hasOwn(COMMANDS, word));
for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
  const command = name === asked ? await load(terminal) : new Command(name);
  program.addCommand(command.description(summary));
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
