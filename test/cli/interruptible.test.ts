import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { interruptible } from '../../src/cli/interruptible.ts';

test('as many parts of a job as it has listen to its signal, without a warning', async (t) => {
  const warnings: Error[] = [];
  const hear = (warning: Error) => warnings.push(warning);
  process.on('warning', hear);
  t.after(() => process.off('warning', hear));
  await interruptible('nothing was written', async (signal) => {
    for (let i = 0; i < 40; i++) signal.addEventListener('abort', () => {});
    await turn();
  });
  assert.deepEqual(warnings, []);
});
