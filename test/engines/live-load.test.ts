/** A live index under load: readers while everything is rewritten, swaps while clients ask, churn that must not wear it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildIndex } from '../../src/build/build-index.ts';
import { createIndex } from '../../src/build/create-index.ts';
import type { Engine, PinWrite } from '../../src/engines/engine.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { resolveConfig } from '../../src/index/config.ts';
import { Prng } from '../../src/lib/prng.ts';
import { openIndex } from '../../src/library/library.ts';
import { adoptGeneration } from '../../src/storage/generation.ts';
import { buildOptions, CORE } from '../support/built-index.ts';
import { openEngine } from '../support/open-engine.ts';

const SLOW = process.env.NEARPIN_TEST_SLOW === '1';
const host = createEngineHost('wasm', 2);
let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-live-load-'));
});
after(async () => {
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

/** A vector near one of 40 centres. */
function clustered(prng: Prng, dim: number, which = prng.below(40)): Float32Array {
  const centre = new Prng(which + 1000);
  return Float32Array.from({ length: dim }, () => Math.fround(4 * centre.normal() + prng.normal()));
}

test('readers find every pin at every moment while all of them are rewritten', async () => {
  const DIM = 8;
  const COUNT = 200;
  const config = resolveConfig({
    dim: DIM,
    metric: 'l2',
    shards: 2,
    attributes: { side: 'keyword', tags: 'keyword[]' },
  });
  const at = join(dir, 'readers');
  await createIndex(at, config, null, CORE);
  const { live, engine } = await openEngine(at, host);
  const prng = new Prng(1);
  const ids = Array.from({ length: COUNT }, (_, i) => `p${i}`);
  const pin = (id: string): PinWrite => {
    const side = prng.pick(['left', 'right']);
    return {
      id,
      vector: clustered(prng, DIM),
      attributes: { side, tags: [side, `t${prng.below(9)}`] },
      payload: side,
    };
  };
  await live.upsert(ids.map(pin), config);
  let running = true;
  let written = 0;
  let asked = 0;
  const writer = async () => {
    for (; running; written++) {
      const some = [...new Set(Array.from({ length: 1 + prng.below(20) }, () => prng.pick(ids)))];
      const isChange = prng.below(3) === 0;
      await live.upsert(
        some
          .map(pin)
          .map((each) =>
            isChange ? { id: each.id, attributes: each.attributes, payload: each.payload } : each,
          ),
        config,
      );
    }
  };
  const reader = async () => {
    for (; running; asked++) {
      const exact = asked % 3 === 0;
      const { hits, exhausted } = await engine.search({
        vector: clustered(prng, DIM),
        k: COUNT,
        ef: 400,
        exact,
      });
      assert.equal(new Set(hits.map(({ id }) => id)).size, hits.length, 'no pin twice');
      assert.equal(hits.length, COUNT, 'no pin is missing');
      assert.equal(exhausted, false);
      assert.ok(hits.every(({ score }, i) => i === 0 || score <= hits[i - 1]!.score));
    }
  };
  const filterer = async () => {
    for (; running; asked++) {
      const side = prng.pick(['left', 'right']);
      await live.use(async (loaded) => {
        const { hits } = await loaded.engine.search({
          vector: clustered(prng, DIM),
          k: 50,
          filter: { side, tags: side },
        });
        const pins = await loaded.engine.pins(
          hits.map(({ id }) => id),
          { attributes: true, payload: true },
        );
        for (const found of pins) assert.deepEqual([found!.attributes!.side, found!.payload], [side, side]);
      });
    }
  };
  const validator = async () => {
    for (; running; ) {
      await sleep(100);
      await live.checkpoint();
    }
  };
  const stop = sleep(SLOW ? 180_000 : 2500).then(() => {
    running = false;
  });
  await Promise.all(
    [stop, writer(), writer(), reader(), reader(), filterer(), validator()].map((each) =>
      each.catch((error) => {
        running = false;
        throw error;
      }),
    ),
  );
  assert.ok(written > 20 && asked > 20, `${written} writes, ${asked} searches`);
  await live.loaded.applier.settled();
  for (const shard of live.loaded.shards.shards) assert.equal(shard.validate(), undefined);
  await engine.close();
});

test('swaps and rollbacks under load fail no request and mix no answer', async () => {
  const DIM = 16;
  const prng = new Prng(2);
  const at = join(dir, 'swapped');
  const elsewhere = join(dir, 'elsewhere');
  for (const [indexDir, of, vectorsFrom] of [
    [at, 'one', 'maker@1'],
    [elsewhere, 'two', 'maker@2'],
  ] as const) {
    const file = join(dir, `${of}.jsonl`);
    const lines = Array.from({ length: 400 }, (_, i) =>
      JSON.stringify({ id: `p${i}`, vector: [...clustered(prng, DIM)], payload: { of } }),
    );
    await writeFile(file, lines.join('\n'));
    await buildIndex(buildOptions([file], indexDir, { config: { metric: 'l2' }, vectorsFrom, shards: 2 }));
  }
  const other = await adoptGeneration(at, join(elsewhere, '000001'));
  const index = await openIndex(at, { workers: 1 });
  const made: Record<string, string> = { '000001': 'one', [other]: 'two' };
  let running = true;
  let asked = 0;
  const seen = new Set<string>();
  const check = ({
    generation,
    model,
    hits,
  }: {
    generation: string;
    model: string | null;
    hits: readonly { payload?: unknown }[];
  }) => {
    seen.add(generation);
    const of = made[generation];
    assert.equal(model, of === 'one' ? 'maker@1' : 'maker@2');
    assert.equal(hits.length, 10);
    for (const { payload } of hits) assert.deepEqual(payload, { of });
  };
  const client = async () => {
    for (; running; asked++) {
      const include = ['payload'] as const;
      if (asked % 2) check(await index.query({ vector: clustered(prng, DIM), k: 10, include }));
      else
        check(
          await index.related({
            pins: [`p${prng.below(400)}`, 'p7'],
            k: 10,
            include,
            diversity: { lambda: 0.7 },
          }),
        );
    }
  };
  const clients = Array.from({ length: 8 }, client);
  const guarded = Promise.all(clients);
  for (let swap = 0; swap < (SLOW ? 100 : 15); swap++) {
    const generation = swap % 2 === 0 ? other : '000001';
    assert.equal((await index.publish(generation)).generation, generation);
    await Promise.race([sleep(30), guarded]);
  }
  running = false;
  await guarded;
  assert.equal(seen.size, 2);
  assert.ok(asked > 100, `${asked} requests`);
  await index.close();
});

describe('churn', () => {
  const DIM = 16;
  const COUNT = SLOW ? 10_000 : 2000;
  const ROUNDS = SLOW ? 50 : 12;

  async function recallOf(engine: Engine, prng: Prng): Promise<number> {
    let found = 0;
    for (let i = 0; i < 100; i++) {
      const vector = clustered(prng, DIM);
      const exact = await engine.search({ vector, k: 10, exact: true });
      const graph = new Set((await engine.search({ vector, k: 10, ef: 64 })).hits.map(({ id }) => id));
      found += exact.hits.filter(({ id }) => graph.has(id)).length;
    }
    return found / 1000;
  }

  async function churned(name: string, draw: (prng: Prng) => Float32Array) {
    const config = resolveConfig({ dim: DIM, metric: 'l2', precision: 'i8+f32' });
    const at = join(dir, name);
    await createIndex(at, config, null, CORE);
    const { live, engine } = await openEngine(at, host, { checkpointBytes: 2 ** 40 });
    const prng = new Prng(3);
    let made = 0;
    const ids: string[] = [];
    const insert = async (n: number) => {
      for (let left = n; left > 0; left -= 500) {
        const pins = Array.from({ length: Math.min(left, 500) }, () => {
          const id = `p${made++}`;
          ids.push(id);
          return { id, vector: draw(prng), attributes: {}, payload: undefined };
        });
        await live.upsert(pins, config);
      }
    };
    await insert(COUNT);
    const before = await recallOf(engine, new Prng(9));
    let early = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const gone = Array.from({ length: COUNT / 20 }, () => ids.splice(prng.below(ids.length), 1)[0]!);
      await live.delete(gone.map((id) => ({ id })));
      await insert(COUNT / 20);
      if (round === 4) early = live.loaded.shards.stats()[0]!.bytes;
    }
    await live.loaded.applier.settled();
    const shard = live.loaded.shards.shards[0]!;
    assert.equal(shard.validate(), undefined);
    assert.equal(engine.describe().count, COUNT);
    const bytes = live.loaded.shards.stats()[0]!.bytes;
    assert.ok(bytes <= early * 1.1, `${bytes} bytes after ${early}`);
    const after = await recallOf(engine, new Prng(9));
    return { live, engine, before, after };
  }

  test('of 5 % a round leaves recall and memory as they were, and half of all clusters can go', async () => {
    const { live, engine, before, after } = await churned('churned', (prng) => clustered(prng, DIM));
    assert.ok(after >= before - 0.01, `recall ${after} after ${before}`);
    // Everything nearer to one half of the centres
    const far: string[] = [];
    for (let which = 0; which < 20; which++) {
      const { hits } = await engine.search({
        vector: clustered(new Prng(77), DIM, which),
        k: COUNT / 40,
        exact: true,
      });
      far.push(...hits.map(({ id }) => id));
    }
    const gone = [...new Set(far)];
    for (let start = 0; start < gone.length; start += 500) {
      await live.delete(gone.slice(start, start + 500).map((id) => ({ id })));
    }
    await live.loaded.applier.settled();
    assert.equal(live.loaded.shards.shards[0]!.validate(), undefined);
    const left = await recallOf(engine, new Prng(9));
    assert.ok(left >= before - 0.02, `recall ${left} after ${before}`);
    await engine.close();
  });

  test('of a corpus with 20 % duplicates finds them all', async () => {
    const twins = Array.from({ length: 5 }, (_, i) => clustered(new Prng(i + 500), DIM));
    const { engine, before, after } = await churned('duplicates', (prng) =>
      prng.below(5) === 0 ? prng.pick(twins) : clustered(prng, DIM),
    );
    assert.ok(after >= before - 0.01, `recall ${after} after ${before}`);
    const { hits } = await engine.search({ vector: twins[0]!, k: 20 });
    assert.ok(hits.every(({ score }) => score === 0));
    await engine.close();
  });
});
