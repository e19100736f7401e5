/** A process that writes is killed, at each named moment and at random ones; test/crash/run.ts does it a thousand times. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { FAILPOINTS } from '../../src/lib/failpoints.ts';
import { CrashRun } from '../support/crash.ts';

test('no acknowledged write is lost and none is there in part, wherever the process is killed', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'nearpin-crash-'));
  const host = createEngineHost('wasm', 1);
  try {
    const run = new CrashRun(dir, host, 1);
    await run.start();
    let acked = 0;
    // Two of three kills are at a failpoint
    for (let kill = 0; kill < (FAILPOINTS.length * 3) / 2; kill++) acked += (await run.kill()).acked;
    assert.ok(acked > 100, `${acked} writes were acknowledged`);
  } finally {
    await host.close();
    await rm(dir, { recursive: true, force: true });
  }
});
