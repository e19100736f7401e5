/** One index of some 60 MB: opened and closed for ever, and scanned for longer than a deadline allows. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { buildIndex } from '../../src/build/build-index.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { Prng } from '../../src/lib/prng.ts';
import { collectUntilGone } from '../../src/shards/collect-garbage.ts';
import { buildOptions, writeFvecs } from '../support/built-index.ts';
import { openEngine } from '../support/open-engine.ts';

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
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

/**
 * Waits for the threads, which collect when they have time, until the process is at most so big. It gives up before V8
 * would collect of its own accord, in a thread that has done nothing for 8 s.
 */
async function rssBelow(mb: number): Promise<number> {
  for (let tries = 0; ; tries++) {
    const rssMb = process.memoryUsage.rss() / 1e6;
    if (rssMb < mb || tries === 50) return rssMb;
    await setTimeout(100);
  }
}

describe('memory', () => {
  test('of closed indexes is given back by every thread', async () => {
    const rssMb: number[] = [];
    for (let round = 0; round < 30; round++) {
      const { engine } = await openEngine(indexDir, host);
      await Promise.all(queries.slice(0, 4).map((vector) => engine.search({ vector, k: 10 })));
      await engine.close();
      rssMb.push(process.memoryUsage.rss() / 1e6);
    }
    // What leaks would leave thirty, of 60 MB each; on a busy machine some are on their way out for a while
    const most = rssMb[0]! + 60;
    const last = await rssBelow(most);
    assert.ok(last < most, `RSS in MB: ${[...rssMb, last].map((mb) => mb.toFixed(0)).join(' ')}`);
  });

  test('of the last index to be closed is given back, too', async () => {
    const { engine } = await openEngine(indexDir, host);
    await Promise.all(queries.map((vector) => engine.search({ vector, k: 10 })));
    // By then the threads have collected what they do of their own accord
    await setTimeout(1500);
    const open = process.memoryUsage.rss() / 1e6;
    await engine.close();
    const closed = await rssBelow(open - 40);
    assert.ok(closed < open - 40, `RSS ${open.toFixed(0)} MB open, ${closed.toFixed(0)} MB closed`);
  });
});

describe('garbage', () => {
  test('is collected until what is to go is gone', async () => {
    const held: object[] = [new ArrayBuffer(8)];
    const refs = held.map((object) => new WeakRef(object));
    setTimeout(120).then(() => held.pop());
    await collectUntilGone(refs);
    assert.equal(refs[0]!.deref(), undefined);
  });
});

describe('a deadline', () => {
  test('ends scans that would take longer, says so, and leaves the threads as they were', async () => {
    const { engine } = await openEngine(indexDir, host);
    const scan = (deadlineAtMs?: number) =>
      Promise.all(queries.map((vector) => engine.search({ vector, k: 200, exact: true, deadlineAtMs })));
    const [whole] = await scan();
    assert.deepEqual(whole!.coverage, { shards: 1, answered: 1 });
    const figures: string[] = [];
    let held = false;
    // On a busy machine the time of the whole says little about that of the next: then once more
    for (let tries = 0; tries < 5 && !held; tries++) {
      const begun = now();
      await scan();
      const start = now();
      const fullMs = start - begun;
      const cut = await scan(start + fullMs / 4);
      const tookMs = now() - start;
      const degraded = cut.filter(({ coverage }) => coverage.degraded === 'deadline');
      for (const { coverage, exhausted, hits } of degraded) {
        assert.deepEqual(coverage, { shards: 1, answered: 0, degraded: 'deadline' });
        assert.equal(exhausted, false);
        for (const [i, { score }] of hits.entries()) assert.ok(i === 0 || score <= hits[i - 1]!.score);
      }
      held = tookMs < fullMs * 0.6 && degraded.length > queries.length / 4;
      figures.push(`${degraded.length} cut, ${tookMs.toFixed(0)} of ${fullMs.toFixed(0)} ms`);
    }
    assert.ok(held, figures.join('; '));
    const [again] = await scan();
    assert.deepEqual(again, whole);
    await engine.close();
  });
});
