/** Copies of a pin never come, wherever they lie and however vectors are held. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { buildIndex } from '../../src/build/build-index.ts';
import { Prng } from '../../src/lib/prng.ts';
import { openIndex } from '../../src/library/library.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { buildOptions } from '../support/built-index.ts';

/** Enough of both, and vectors that lie in few directions, for a shard to have a basis of its own. */
const DIM = 64;
const DIRECTIONS = 8;
const PINS = 900;
const COPIES = ['a', 'b', 'c', 'd'];

describe('copies of a pin', () => {
  for (const precision of ['i8+i10', 'i8+i4', 'i8+f32'] as const)
    it(`in whatever shard are neither hits of it nor hits together: ${precision}`, async (t) => {
      const dir = await temporaryDir(t);
      const file = join(dir, 'pins.jsonl');
      const prng = new Prng(3);
      const pins = Array.from({ length: PINS }, (_, i) => {
        const vector = Array.from({ length: DIM }, (_, d) => (d < DIRECTIONS ? 1 : 0.05) * prng.normal());
        return COPIES.map((copy) => JSON.stringify({ id: `${copy}${i}`, vector }));
      });
      await writeFile(file, pins.flat().join('\n'));
      const indexDir = join(dir, 'index');
      await buildIndex(
        buildOptions([file], indexDir, { config: { metric: 'cosine', precision }, shards: 3 }),
      );
      const index = await openIndex(indexDir, { workers: 1 });
      t.after(() => index.close());
      for (let i = 0; i < PINS; i += 3) {
        const { hits } = await index.related({ pins: [`a${i}`], k: 12 });
        const numbers = hits.map(({ id }) => Number(id.slice(1)));
        assert.equal(new Set([i, ...numbers]).size, 13, `${i}: ${hits.map(({ id }) => id).join(' ')}`);
      }
      const { hits } = await index.related({ pins: ['a0'], k: 3, nearDuplicates: null });
      assert.deepEqual(hits.map(({ id }) => id).sort(), ['b0', 'c0', 'd0']);
    });
});
