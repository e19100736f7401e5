/** Recall against an engine whose misses are known, and the interval against simulation. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../src/lib/prng.ts';
import { measureRecall, recallInterval } from '../../src/retrieval/recall.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const DIM = 4;
const open = (count: number, missEvery?: number) => {
  const engine = memoryEngine({
    dim: DIM,
    attributes: ATTRIBUTES,
    pins: somePins(count, DIM, 6),
    ...(missEvery !== undefined && { missEvery }),
  });
  return { engine, index: { name: 'demo', engine, model: null } };
};

describe('recall', () => {
  it('is 1 for an engine that misses nothing, with an interval that admits doubt', async () => {
    const answer = await measureRecall(open(200).index, { samples: 50, k: 5 });
    assert.deepEqual([answer.recall, answer.high, answer.samples, answer.k], [1, 1, 50, 5]);
    assert.ok(answer.low > 0.95 && answer.low < 1);
  });

  it('is the share of the exact neighbours that were found', async () => {
    // Every fifth is missed: 8 of the exact 10 are found (the 5th and 10th are not).
    const answer = await measureRecall(open(200, 5).index, { samples: 50, k: 10 });
    assert.equal(answer.recall, 0.8);
    assert.ok(answer.low < 0.8 && answer.high > 0.8);
  });

  it('queries with stored vectors, without the pin itself, and at the width asked for', async () => {
    const { index, engine } = open(30);
    const answer = await measureRecall(index, { samples: 3, k: 2, ef: 77 });
    assert.equal(answer.ef, 77);
    assert.equal(engine.queries.length, 6);
    assert.ok(engine.queries.every((query) => query.exclude?.length === 1));
    assert.deepEqual(
      engine.queries.map(({ exact, ef }) => (exact ? 'exact' : ef)),
      ['exact', 77, 'exact', 77, 'exact', 77],
    );
  });

  it('gives the same answer for the same seed', async () => {
    const { index } = open(100, 7);
    const request = { samples: 20, seed: 9 };
    assert.deepEqual(await measureRecall(index, request), await measureRecall(index, request));
  });

  it('uses what there is when the index is small, and knows nothing of an empty one', async () => {
    assert.equal((await measureRecall(open(7).index, { samples: 100 })).samples, 7);
    const { recall, low, high, samples } = await measureRecall(open(0).index, {});
    assert.deepEqual({ recall, low, high, samples }, { recall: 1, low: 0, high: 1, samples: 0 });
  });

  it('is measured once at a time', async () => {
    const { index } = open(50);
    const first = measureRecall(index, { samples: 20 });
    await assert.rejects(measureRecall(index, { samples: 1 }), { code: 'too_many_measurements' });
    assert.equal((await first).samples, 20);
    assert.equal((await measureRecall(index, { samples: 1 })).samples, 1);
    // One that was refused holds up no other
    await assert.rejects(measureRecall(index, { samples: 0 }), { code: 'bad_request' });
    assert.equal((await measureRecall(index, { samples: 1 })).samples, 1);
  });

  it('refuses values over their limits', async () => {
    const { index } = open(5);
    await assert.rejects(measureRecall(index, { samples: 1001 }), { code: 'limit_exceeded' });
    await assert.rejects(measureRecall(index, { k: 0 }), { code: 'bad_request' });
    await assert.rejects(measureRecall(index, { seed: -1 }), { code: 'bad_request' });
  });
});

describe('recallInterval', () => {
  /** Share of simulated measurements whose interval holds the truth; whole queries are hard or easy. */
  function coverage(chances: readonly number[], queries: number, k: number): number {
    const random = new Prng(11);
    const truth = chances.reduce((sum, chance) => sum + chance, 0) / chances.length;
    const runs = 2000;
    let held = 0;
    for (let run = 0; run < runs; run++) {
      const found = Array.from({ length: queries }, () => {
        const chance = random.pick(chances);
        let count = 0;
        for (let i = 0; i < k; i++) if (random.float() < chance) count++;
        return count;
      });
      const { low, high } = recallInterval(found, Array(queries).fill(k));
      if (low <= truth && truth <= high) held++;
    }
    return held / runs;
  }

  it('holds the truth about 95 times in 100 when neighbours are found independently', () => {
    const share = coverage([0.95], 100, 10);
    assert.ok(share > 0.93 && share < 0.98, `${share}`);
  });

  it('still does when the neighbours of a query are found or missed together', () => {
    const share = coverage([1, 1, 1, 0.5], 100, 10);
    assert.ok(share > 0.92 && share < 0.98, `${share}`);
  });
});
