import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { shardStats } from '../../src/core/shard.ts';
import { Prng } from '../../src/lib/prng.ts';
import { configOf, openShard, reachable } from './shards.ts';
import { DIM, pinVector, type ReaderReport, STABLE } from './threads.ts';

test('readers in other threads find whole pins while the writer replaces them', async () => {
  const CHANGING = 600;
  const { memory, writer } = openShard(
    configOf({ dim: DIM, metric: 'l2', m: 6, efConstruction: 40 }),
    2 ** 27,
    2,
  );
  let next = 0;
  const insert = () => writer.insert(pinVector(next), Buffer.from(String(next++)));
  for (let i = 0; i < STABLE; i++) insert();
  const changing = Array.from({ length: CHANGING }, insert);

  const stop = new Int32Array(new SharedArrayBuffer(4));
  const readers = [1, 2].map((reader) => {
    const worker = new Worker(new URL('./threads-reader.js', import.meta.url), {
      workerData: { memory, reader, stop },
    });
    return new Promise<ReaderReport>((resolve, reject) => {
      worker.on('message', resolve);
      worker.on('error', reject);
    });
  });

  const random = new Prng(51);
  let replaced = 0;
  // In turns of the event loop, so that the readers get started; they are slow to.
  for (const end = performance.now() + 2500; performance.now() < end; ) {
    for (let i = 0; i < 200; i++, replaced++) {
      const at = random.below(CHANGING);
      assert.equal(writer.remove(changing[at]!), true);
      changing[at] = insert();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  Atomics.store(stop, 0, 1);
  const reports = await Promise.all(readers);

  for (const { searches, missed, faults } of reports) {
    assert.deepEqual(faults, []);
    assert.ok(searches > 20, `${searches} searches beside ${replaced} replacements`);
    assert.ok(missed <= searches * 0.005, `${missed} of ${searches} searches missed their pin`);
  }
  assert.equal(writer.validate(), undefined);
  assert.equal(reachable(writer).size, STABLE + CHANGING);
  // A reader that the system has put aside inside its search holds slots back, so there may well be more than needed.
  assert.ok(shardStats(memory).count < STABLE + CHANGING + replaced / 2, 'slots were used again meanwhile');
});
