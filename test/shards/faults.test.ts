/** What a shard that was damaged in memory does to the searches of it, and to those of others. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { blockBytes } from '../../src/core/shard.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { ShardQuery } from '../../src/shards/protocol.ts';
import { ShardSet } from '../../src/shards/shard-set.ts';
import { readManifest } from '../../src/storage/generation.ts';
import { Inside } from '../core/damage.ts';
import { buildPins } from '../support/built-index.ts';
import { clusteredPins, clusteredQueries } from '../support/clustered-pins.ts';

const SPEC = { dim: 12, seed: 5 };
const host = createEngineHost('wasm', 2);
let dir: string;
let damaged: ShardSet;
let healthy: ShardSet;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-faults-'));
  const pins = clusteredPins({ ...SPEC, count: 3000 });
  const { indexDir } = await buildPins(dir, 'demo', pins, { metric: 'l2' }, 2);
  const generation = join(indexDir, '000001');
  const manifest = await readManifest(generation);
  damaged = await ShardSet.load(generation, manifest, host);
  healthy = await ShardSet.load(generation, manifest, host);
});
after(async () => {
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

const queries = clusteredQueries(SPEC, 20).map(
  (vector, i): ShardQuery => ({
    vector,
    k: 10,
    ef: 64,
    exact: i % 4 === 3,
    program: null,
    deadlineAtMs: Number.POSITIVE_INFINITY,
    withVectors: i % 2 === 0,
    explain: i % 3 === 0,
  }),
);
/** Without what they took, which is never the same. */
const search = async (set: ShardSet) => {
  const found = await Promise.all(queries.map((query) => set.search(query)));
  return found.map((results) =>
    results.map((result) => ('work' in result ? { ...result, work: undefined } : result)),
  );
};

describe('a search that faults', () => {
  test('is answered with core_trap, and everything else as ever', async () => {
    const expected = await search(healthy);
    assert.deepEqual(await search(damaged), expected);

    const shard = damaged.shards[0]!;
    const entry = shard.word(L.H_ENTRY);
    assert.ok(shard.word(L.H_MAX_LEVEL) > 0, 'the entry point has upper links to follow');
    const node = new Inside(shard.memory).node(entry);
    const record = node.getUint32(L.NODE_RECORD, true);
    node.setUint32(L.NODE_RECORD, 0xf0000000, true);
    const [broken, others] = await Promise.all([search(damaged), search(healthy)]);
    assert.deepEqual(others, expected, 'the same shard of another set answers');
    for (const [i, [first, second]] of broken.entries()) {
      assert.deepEqual(second, expected[i]![1], 'the other shard of the set answers');
      // A scan follows no links
      if (queries[i]!.exact) assert.deepEqual(first, expected[i]![0]);
      else assert.ok(first && 'error' in first && first.error.code === 'core_trap', JSON.stringify(first));
    }
    assert.deepEqual(await search(healthy), expected);

    node.setUint32(L.NODE_RECORD, record, true);
    assert.deepEqual(await search(damaged), expected, 'once mended, it answers in the same process');
  });

  test('or does not, whatever the shard holds, ends; and a mended shard answers as before', async () => {
    const expected = await search(healthy);
    const prng = new Prng(9);
    let traps = 0;
    for (const shard of damaged.shards) {
      const bytes = blockBytes(shard.memory);
      const good = bytes.slice();
      for (let round = 0; round < 12; round++) {
        if (round % 2 === 0) {
          // Words of all kinds, among them links that lead nowhere and references far outside
          const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
          for (let i = 0; i < words.length >>> round; i++) words[prng.below(words.length)] = prng.u32();
        } else {
          for (let i = 0; i < bytes.length >>> round; i++) bytes[prng.below(bytes.length)] = 0xff;
        }
        for (const result of (await search(damaged)).flat()) {
          if (!('error' in result)) continue;
          assert.equal(result.error.code, 'core_trap', result.error.message);
          traps++;
        }
        bytes.set(good);
      }
    }
    assert.ok(traps > 20, `${traps} searches faulted`);
    assert.deepEqual(await search(damaged), expected);
    assert.deepEqual(await search(healthy), expected);
  });
});
