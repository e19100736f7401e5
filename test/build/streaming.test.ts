/** The size of the input does not matter: rows pass through, and nothing of them stays behind. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BuildReport, buildIndex } from '../../src/build/build-index.ts';
import { Prng } from '../../src/lib/prng.ts';
import { collectGarbage } from '../../src/shards/collect-garbage.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { buildOptions } from '../support/built-index.ts';

const MB = 2 ** 20;

function* lines(count: number, dim: number, payloadBytes: number): Generator<string> {
  const prng = new Prng(1);
  const payload = 'x'.repeat(payloadBytes);
  for (let i = 0; i < count; i++) {
    const vector = Array.from({ length: dim }, () => Math.fround(prng.normal()));
    yield `${JSON.stringify({ id: `pin-${i}`, vector, ...(payloadBytes > 0 && { payload }) })}\n`;
  }
}

test('what is live while 120 MB of rows pass through stays far below that', async (t) => {
  const dir = await temporaryDir(t);
  const liveMb: number[] = [];
  async function* input(): AsyncGenerator<Buffer> {
    let rows = 0;
    for (const line of lines(30_000, 4, 4000)) {
      if (rows++ % 3000 === 0) {
        await collectGarbage();
        const { heapUsed, external } = process.memoryUsage();
        liveMb.push((heapUsed + external) / MB);
      }
      yield Buffer.from(line);
    }
  }
  const config = { metric: 'l2', m: 4, efConstruction: 8 } as const;
  const stdin = Readable.from(input());
  const report = await buildIndex(buildOptions(['-'], join(dir, 'demo'), { stdin, config }));
  assert.equal(report.count, 30_000);
  const figures = `MB live: ${liveMb.map((mb) => mb.toFixed(0)).join(' ')}`;
  // The pin store holds back some 32 MiB of values for a transaction, and then lets go of them
  const [first, ...others] = liveMb;
  assert.ok(Math.max(...others) - first! < 100, figures);
  assert.ok(Math.min(...others.slice(5)) - first! < 30, figures);
});

test('a build of 200,000 rows takes little more memory than its index', async (t) => {
  if (!process.env.NEARPIN_TEST_SLOW) return t.skip('NEARPIN_TEST_SLOW is not set');
  const dir = await temporaryDir(t);
  const file = join(dir, 'pins.jsonl');
  await pipeline(Readable.from(lines(200_000, 128, 0)), createWriteStream(file));
  const child = fileURLToPath(new URL('../support/build-child.js', import.meta.url));
  const options = { files: [file], indexDir: join(dir, 'demo'), config: { m: 8, efConstruction: 32 } };
  const { stdout } = await promisify(execFile)(process.execPath, [child, JSON.stringify(options)], {
    maxBuffer: 64 * MB,
  });
  const last = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as {
    report: BuildReport;
    startBytes: number;
    peakBytes: number;
  };
  assert.equal(last.report.count, 200_000);
  const indexBytes = last.report.shards.reduce((sum, { bytes }) => sum + bytes, 0);
  const over = (last.peakBytes - last.startBytes - indexBytes) / MB;
  t.diagnostic(`peak ${(last.peakBytes / MB).toFixed(0)} MiB, index ${(indexBytes / MB).toFixed(0)} MiB`);
  assert.ok(over < 250, `${over} MiB more than the index`);
});
