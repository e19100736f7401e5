/**
 * The long crash test: `npm run test:crash -- --kills 1000 [--seed 1]`. Prints how each process was killed; ends with 1
 * at the first write that was lost or torn, naming the seed and the kill.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { CrashRun } from '../support/crash.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
});
const kills = Number(values.kills);
const dir = await mkdtemp(join(tmpdir(), 'nearpin-crash-'));
const host = createEngineHost('wasm', 1);
let acked = 0;
try {
  const run = new CrashRun(dir, host, Number(values.seed));
  await run.start();
  for (let kill = 1; kill <= kills; kill++) {
    const report = await run.kill();
    acked += report.acked;
    process.stdout.write(
      `${kill}: killed ${report.how}; ${report.acked} of ${report.sent} writes acknowledged\n`,
    );
  }
  process.stdout.write(`${kills} kills, ${acked} acknowledged writes, none lost\n`);
} finally {
  await host.close();
  await rm(dir, { recursive: true, force: true });
}
