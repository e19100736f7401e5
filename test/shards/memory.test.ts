/** One index of some 60 MB: opened and closed for ever, and scanned for longer than a deadline allows. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { buildIndex } from '../../src/build/build-index.ts';
import { createEngineHost, openEngine } from '../../src/engines/open-engine.ts';
import { Prng } from '../../src/lib/prng.ts';
import { buildOptions, writeFvecs } from '../support/built-index.ts';

const COUNT = 7000;
const DIM = 2048;
const host = createEngineHost('wasm', 2);
const now = () => performance.timeOrigin + performance.now();
let dir: string;
let indexDir: string;
let queries: Float32Array[];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-memory-'));
  const prng = new Prng(1);
  const vectors = Array.from({ length: COUNT }, () => Float32Array.from({ length: DIM }, () => prng.float()));
  queries = vectors.slice(0, 40);
  const file = join(dir, 'pins.fvecs');
  await writeFvecs(file, vectors);
  indexDir = join(dir, 'demo');
  const config = { metric: 'l2', precision: 'f32', m: 4, efConstruction: 8 } as const;
  await buildIndex(buildOptions([file], indexDir, { config }));
});
after(async () => {
  await host.pool.close();
  await rm(dir, { recursive: true, force: true });
});

describe('memory', () => {
  test('of a closed index is given back by every thread', async () => {
    const rssMb: number[] = [];
    for (let round = 0; round < 30; round++) {
      const { engine } = await openEngine(indexDir, host);
      await Promise.all(queries.slice(0, 4).map((vector) => engine.search({ vector, k: 10 })));
      await engine.close();
      rssMb.push(process.memoryUsage.rss() / 1e6);
    }
    // Threads collect when they have time, on a busy machine late, so that some indexes may be on their way out; what
    // leaks would leave all thirty, of 60 MB each
    const grown = Math.min(...rssMb.slice(-5)) - rssMb[0]!;
    assert.ok(grown < 15 * 60, `RSS in MB: ${rssMb.map((mb) => mb.toFixed(0)).join(' ')}`);
  });
});

describe('a deadline', () => {
  test('ends scans that would take longer, says so, and leaves the threads as they were', async () => {
    const { engine } = await openEngine(indexDir, host);
    const scan = (deadlineAtMs?: number) =>
      Promise.all(queries.map((vector) => engine.search({ vector, k: 200, exact: true, deadlineAtMs })));
    const [whole] = await scan();
    assert.deepEqual(whole!.coverage, { shards: 1, answered: 1 });
    const begun = now();
    await scan();
    const fullMs = now() - begun;

    const start = now();
    const cut = await scan(start + fullMs / 4);
    const tookMs = now() - start;
    assert.ok(tookMs < fullMs * 0.7, `${tookMs} ms, where all of it took ${fullMs} ms`);
    const degraded = cut.filter(({ coverage }) => coverage.degraded === 'deadline');
    assert.ok(degraded.length > queries.length / 4, `${degraded.length} of ${queries.length} were cut short`);
    for (const { coverage, exhausted, hits } of degraded) {
      assert.deepEqual(coverage, { shards: 1, answered: 0, degraded: 'deadline' });
      assert.equal(exhausted, false);
      for (const [i, { score }] of hits.entries()) assert.ok(i === 0 || score <= hits[i - 1]!.score);
    }
    const [again] = await scan();
    assert.deepEqual(again, whole);
    await engine.close();
  });
});
