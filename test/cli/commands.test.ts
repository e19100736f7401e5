import assert from 'node:assert/strict';
import test from 'node:test';
import { COMMANDS } from '../../src/cli/commands.ts';
import { createTerminal } from '../../src/cli/terminal.ts';

const terminal = createTerminal({ stdout: process.stdout, stderr: process.stderr, now: () => 0 });

test('every command is listed by its name, and says what it does in the list alone', async () => {
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = await load(terminal);
    assert.equal(command.name(), name);
    assert.equal(command.description(), '', name);
    assert.match(summary, /^[a-z].*[^.]$/, name);
  }
});
