/** An index that was created empty and has grown: a checkpoint makes its codes anew, and what it holds stays. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createIndex } from '../../src/build/create-index.ts';
import { basisOf } from '../../src/core/shard.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { resolveConfig } from '../../src/index/config.ts';
import { shardOf } from '../../src/index/shard-of.ts';
import { Prng } from '../../src/lib/prng.ts';
import { CORE } from '../support/built-index.ts';
import { type OpenedIndex, openEngine } from '../support/open-engine.ts';

const DIM = 64;
const CONFIG = resolveConfig({
  dim: DIM,
  metric: 'l2',
  shards: 2,
  attributes: { n: 'number', marks: 'keyword[]' },
  m: 6,
  efConstruction: 16,
});
const LARGE = 8200;
const SMALL = 300;

/** Ids of which all but the last few lie in shard 0. */
function ids(): string[] {
  const of: [string[], string[]] = [[], []];
  for (let i = 0; of[0].length < LARGE || of[1].length < SMALL; i++)
    of[shardOf(`p${i}`, 2) as 0 | 1].push(`p${i}`);
  return [...of[0].slice(0, LARGE), ...of[1].slice(0, SMALL)];
}

test('a checkpoint of an index that has grown gives its large shards a basis and keeps every pin', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'nearpin-live-renew-'));
  const indexDir = join(dir, 'index');
  const host = createEngineHost('wasm', 1);
  await createIndex(indexDir, CONFIG, null, CORE);
  let opened: OpenedIndex = await openEngine(indexDir, host);
  try {
    const random = new Prng(3);
    const axes = Array.from({ length: 12 }, () => Float32Array.from({ length: DIM }, () => random.normal()));
    const vectorOf = () => {
      const vector = Float32Array.from({ length: DIM }, () => 0.05 * random.normal());
      for (const axis of axes) {
        const z = random.normal();
        for (let i = 0; i < DIM; i++) vector[i]! += z * axis[i]!;
      }
      return vector;
    };
    const pins = ids().map((id, n) => ({
      id,
      vector: vectorOf(),
      attributes: { n, marks: [`m${n % 7}`] },
      payload: { n },
    }));
    const write = async (some: typeof pins) => {
      for (let i = 0; i < some.length; i += 500)
        await opened.live.upsert(some.slice(i, i + 500), opened.manifest.config);
    };
    const bases = () => opened.live.loaded.shards.shards.map(({ memory }) => basisOf(memory)?.lead);
    const half = LARGE / 2;
    await write([...pins.slice(0, half), ...pins.slice(LARGE)]);
    await opened.live.checkpoint();
    assert.deepEqual(bases(), [undefined, undefined]);
    await write(pins.slice(half, LARGE));
    await opened.live.delete([{ id: pins[0]!.id }]);

    // Searched and written to while it is made anew
    const late = pins.slice(100, 200).map((pin) => ({ ...pin, vector: vectorOf() }));
    pins.splice(100, 100, ...late);
    pins.shift();
    let isWritten = false;
    const checkpoint = opened.live.checkpoint().then((generation) => {
      isWritten = true;
      return generation;
    });
    await write(late);
    while (!isWritten) {
      const { hits } = await opened.engine.search({ vector: pins[700]!.vector, k: 3 });
      assert.equal(hits[0]?.id, pins[700]!.id);
      await new Promise(setImmediate);
    }
    assert.equal((await checkpoint).generation, '000003');
    assert.deepEqual(bases(), [56, undefined]);

    const check = async () => {
      const { engine, live } = opened;
      assert.equal(engine.describe().generation, '000003');
      assert.equal(engine.describe().count, pins.length);
      assert.deepEqual(live.describeLive().warnings, []);
      for (const shard of live.loaded.shards.shards) assert.equal(shard.validate(), undefined);
      const parts = { attributes: true, payload: true, vector: true };
      const found = await engine.pins(
        pins.map(({ id }) => id),
        parts,
      );
      for (const [i, { id, vector, attributes, payload }] of pins.entries()) {
        const pin = found[i]!;
        assert.deepEqual([pin.id, pin.attributes, pin.payload], [id, attributes, payload]);
        for (let d = 0; d < DIM; d++) assert.ok(Math.abs(pin.vector![d]! - vector[d]!) < 0.02, id);
      }
      for (const { id, vector, attributes } of pins.filter((_, i) => i % 100 === 0)) {
        const filter = { n: attributes.n, marks: attributes.marks[0]! };
        assert.equal((await engine.search({ vector, k: 1 })).hits[0]?.id, id);
        assert.equal((await engine.search({ vector, k: 1, filter })).hits[0]?.id, id);
      }
    };
    await check();
    await opened.engine.close();
    opened = await openEngine(indexDir, host);
    assert.deepEqual(bases(), [56, undefined]);
    await check();
    // It fits now, and the memory that is served is kept
    const { loaded } = opened.live;
    await opened.live.checkpoint();
    assert.equal(opened.live.loaded, loaded);
  } finally {
    await opened.engine.close();
    await host.close();
    await rm(dir, { recursive: true, force: true });
  }
});
