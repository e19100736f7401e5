/** Writing to an index while it is served: what is acknowledged, what is seen, and what is there after a restart. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createIndex } from '../../src/build/create-index.ts';
import type { PinWrite } from '../../src/engines/engine.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { PRECISIONS, resolveConfig } from '../../src/index/config.ts';
import { Prng } from '../../src/lib/prng.ts';
import { buildPins, CORE } from '../support/built-index.ts';
import { clusteredPins } from '../support/clustered-pins.ts';
import { type OpenedIndex, openEngine } from '../support/open-engine.ts';

const DIM = 8;
const host = createEngineHost('wasm', 2);
let dir: string;
let opened: OpenedIndex;
let indexDir: string;
let copies = 0;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-live-'));
  const pins = clusteredPins({ dim: DIM, seed: 3, count: 300 });
  ({ indexDir } = await buildPins(dir, 'built', pins, { metric: 'l2', precision: 'i8+f32' }, 2));
});
after(async () => {
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

/** A fresh copy of the index. */
async function fresh(): Promise<string> {
  const copy = join(dir, `copy-${copies++}`);
  await cp(indexDir, copy, { recursive: true });
  return copy;
}

async function withIndex(run: (opened: OpenedIndex, indexDir: string) => Promise<void>): Promise<void> {
  const at = await fresh();
  opened = await openEngine(at, host);
  try {
    await run(opened, at);
  } finally {
    await opened.engine.close();
  }
}

const random = new Prng(1);
const vectorOf = (): Float32Array =>
  Float32Array.from({ length: DIM }, () => Math.fround(random.normal() * 9));

function pin(id: string, more: Partial<PinWrite> = {}): PinWrite & { vector: Float32Array } {
  return {
    id,
    vector: vectorOf(),
    attributes: { category: 'new' },
    payload: { title: id },
    ...more,
  } as never;
}

const nearest = async (vector: Float32Array, filter?: Record<string, unknown>) =>
  (await opened.engine.search({ vector, k: 1, ...(filter && { filter }) })).hits[0]?.id;
const stored = async (id: string) =>
  (await opened.engine.pins([id], { attributes: true, payload: true, vector: true }))[0];
const upsert = (...pins: PinWrite[]) => opened.live.upsert(pins, opened.manifest.config);

describe('a write', () => {
  test('can be found when it is acknowledged, and its numbers count up', () =>
    withIndex(async ({ engine }) => {
      const a = pin('a');
      const b = pin('b');
      assert.deepEqual(await upsert(a, b), { seq: 1, upserted: 2 });
      assert.equal(await nearest(a.vector), 'a');
      assert.equal(await nearest(b.vector, { category: 'new' }), 'b');
      assert.deepEqual(await stored('a'), {
        id: 'a',
        seq: 1,
        attributes: { category: 'new' },
        payload: { title: 'a' },
        vector: a.vector,
      });
      const moved = pin('a');
      assert.equal((await upsert(moved)).seq, 2);
      assert.equal(await nearest(moved.vector), 'a');
      assert.notEqual(await nearest(a.vector), 'a');
      assert.equal(engine.describe().count, 302);
      assert.deepEqual(await opened.live.delete([{ id: 'a' }, { id: 'nobody' }]), { seq: 3, deleted: 1 });
      assert.equal(await stored('a'), undefined);
      assert.notEqual(await nearest(moved.vector), 'a');
      assert.equal(engine.describe().count, 301);
      assert.equal(engine.describe().seq, 3);
    }));

  test('without a vector changes attributes or payload and leaves the graph alone', () =>
    withIndex(async ({ live }) => {
      const before = (await stored('pin-7'))!;
      const bytes = live.loaded.shards.shards.map((shard) => shard.count);
      await upsert({
        id: 'pin-7',
        attributes: { category: 'odd', tags: ['x', 'y', 'z'] },
        payload: undefined,
      });
      assert.equal(await nearest(before.vector!, { category: 'odd' }), 'pin-7');
      assert.equal(await nearest(before.vector!, { tags: 'z' }), 'pin-7');
      await upsert({ id: 'pin-7', attributes: undefined, payload: null });
      const now = (await stored('pin-7'))!;
      assert.deepEqual(now, {
        ...before,
        seq: 2,
        attributes: { category: 'odd', tags: ['x', 'y', 'z'] },
        payload: null,
      });
      await upsert({
        id: 'pin-7',
        vector: before.vector,
        attributes: { category: 'again' },
        payload: undefined,
      });
      assert.equal(await nearest(before.vector!, { category: 'again' }), 'pin-7');
      assert.equal(await nearest(before.vector!, { tags: 'z' }), undefined);
      assert.deepEqual(
        live.loaded.shards.shards.map((shard) => shard.count),
        bytes,
      );
    }));

  test('with the vector that the pin has leaves the graph alone, in each precision', async () => {
    for (const precision of PRECISIONS) {
      const at = join(dir, `precision-${precision}`);
      const config = resolveConfig({ dim: 60, metric: 'cosine', attributes: { n: 'number' }, precision });
      await createIndex(at, config, null, CORE);
      const { engine, live } = await openEngine(at, host);
      const vectors = Array.from({ length: 50 }, () =>
        Float32Array.from({ length: 60 }, () => Math.fround(random.normal())),
      );
      const write = (n: number, more = 0) =>
        live.upsert(
          vectors.map((vector, i) => ({
            id: `p${i}`,
            vector: vector.map((x) => x + more),
            attributes: { n },
            payload: n,
          })),
          config,
        );
      const where = () => vectors.map((_, i) => live.loaded.pins.get(`p${i}`)!.ordinal);
      await write(1);
      const before = where();
      await write(2);
      assert.deepEqual(where(), before, precision);
      const { hits } = await engine.search({ vector: vectors[7]!, k: 1, filter: { n: 2 } });
      assert.equal(hits[0]?.id, 'p7');
      await write(3, 0.5);
      assert.ok(
        where().every((ordinal, i) => ordinal !== before[i]),
        precision,
      );
      await engine.close();
    }
  });

  test('is refused as a whole when one pin is not as it asks for', () =>
    withIndex(async ({ engine }) => {
      const refused = (code: string, path: string, ...pins: PinWrite[]) =>
        assert.rejects(
          upsert(pin('fine'), ...pins),
          (error: { code: string; details: { path: string }[] }) => {
            assert.equal(error.code, code);
            assert.equal(error.details[0]?.path, path);
            return true;
          },
        );
      await refused('write_conflict', 'pins[1].ifAbsent', pin('pin-1', { ifAbsent: true }));
      await refused('write_conflict', 'pins[1].ifSeq', pin('pin-1', { ifSeq: 5 }));
      await refused('write_conflict', 'pins[1].ifSeq', pin('nobody', { ifSeq: 0 }));
      await refused('unknown_pin', 'pins[1].id', { id: 'nobody', attributes: {}, payload: undefined });
      await refused('duplicate_pin', 'pins[1]', pin('fine'));
      assert.equal(await stored('fine'), undefined);
      assert.equal(engine.describe().seq, 0);
      assert.equal((await upsert(pin('pin-1', { ifSeq: 0 }), pin('q', { ifAbsent: true }))).seq, 1);
      assert.equal((await upsert(pin('pin-1', { ifSeq: 1 }))).seq, 2);
    }));

  test('that depends on one still on its way sees it as written', () =>
    withIndex(async ({ live }) => {
      const writes = [
        upsert(pin('a', { ifAbsent: true })),
        upsert(pin('a', { ifSeq: 1 })),
        upsert({ id: 'a', attributes: { category: 'third' }, payload: undefined, ifSeq: 2 }),
        live.delete([{ id: 'a', ifSeq: 3 }]),
        upsert(pin('a', { ifAbsent: true, attributes: { category: 'last' } })),
      ];
      const late = assert.rejects(upsert(pin('a', { ifSeq: 4 })), { code: 'write_conflict' });
      assert.deepEqual(
        (await Promise.all(writes)).map(({ seq }) => seq),
        [1, 2, 3, 4, 5],
      );
      await late;
      assert.deepEqual((await stored('a'))?.attributes, { category: 'last' });
    }));

  test('is refused with too_many_writes when more wait than are taken', () =>
    withIndex(async () => {
      const writes = Array.from({ length: 12 }, (_, i) =>
        upsert(...Array.from({ length: 1000 }, (_, j) => pin(`w${i}-${j}`))),
      );
      const outcomes = await Promise.allSettled(writes);
      const refused = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
      assert.ok(refused.length > 0 && refused.length < 12, `${refused.length} refused`);
      for (const { code } of refused) assert.equal(code, 'too_many_writes');
      await upsert(pin('after'));
    }));
});

describe('a restart', () => {
  test('brings every update back', () =>
    withIndex(async ({ engine }, at) => {
      const kept = Array.from({ length: 40 }, (_, i) => pin(`k${i}`));
      for (const each of kept) await upsert(each);
      await upsert(...kept.slice(0, 10).map((each) => ({ ...each, attributes: { category: 'twice' } })));
      await opened.live.delete([{ id: 'k1' }, { id: 'pin-5' }]);
      await engine.close();
      opened = await openEngine(at, host);
      assert.equal(opened.engine.describe().seq, 42);
      assert.equal(opened.engine.describe().count, 300 + 40 - 2);
      for (const each of kept) {
        const isThere = each.id !== 'k1';
        assert.equal((await stored(each.id)) !== undefined, isThere);
        assert.equal((await nearest(each.vector)) === each.id, isThere);
      }
      assert.equal(await nearest(kept[3]!.vector, { category: 'twice' }), 'k3');
      assert.equal((await upsert(pin('next'))).seq, 43);
    }));

  test('of an index that another opening writes to gives it for reading', () =>
    withIndex(async (_first, at) => {
      const a = pin('a');
      await upsert(a);
      const first = opened;
      opened = await openEngine(at, host);
      assert.equal(await nearest(a.vector), 'a');
      assert.equal(opened.live.describeLive().readOnly, 'index_locked');
      await assert.rejects(upsert(pin('b')), { code: 'index_locked' });
      await opened.engine.close();
      opened = first;
      await upsert(pin('b'));
    }));
});

describe('a checkpoint', () => {
  test('is a generation that holds what was written before it, while writes go on', () =>
    withIndex(async ({ live, engine }, at) => {
      const early = pin('early', { attributes: { category: 'brand-new', tags: ['unheard'] } });
      await upsert(early);
      await upsert({ id: 'pin-3', attributes: { category: 'changed' }, payload: undefined });
      await live.delete([{ id: 'pin-4' }]);
      const late = pin('late');
      const [written] = await Promise.all([live.checkpoint(), upsert(late)]);
      assert.equal(written.generation, '000002');
      assert.equal(engine.describe().generation, '000002');
      assert.ok(written.seq === 3 || written.seq === 4, `seq ${written.seq}`);
      const check = async () => {
        assert.equal(opened.engine.describe().count, 301);
        assert.equal(await nearest(early.vector, { tags: 'unheard' }), 'early');
        assert.equal(await nearest(late.vector), 'late');
        assert.deepEqual((await stored('pin-3'))?.attributes, { category: 'changed' });
        assert.equal((await stored('pin-3'))?.seq, 2);
        assert.equal(await stored('pin-4'), undefined);
      };
      await check();
      await upsert(pin('after', { attributes: { category: 'brand-new' } }));
      assert.equal(
        (await opened.engine.search({ vector: early.vector, k: 9, filter: { category: 'brand-new' } })).hits
          .length,
        2,
      );
      await live.delete([{ id: 'after' }]);
      await engine.close();
      opened = await openEngine(at, host);
      assert.equal(opened.engine.describe().generation, '000002');
      await check();
    }));

  test('that is made beside one of another index holds its own pins', async () => {
    const others = await Promise.all([0, 1, 2].map(async () => openEngine(await fresh(), host)));
    try {
      await Promise.all(
        others.map(async ({ live, manifest }, i) => {
          await live.upsert([pin(`of-${i}`)], manifest.config);
          await live.checkpoint();
        }),
      );
      for (const [i, { engine, live }] of others.entries()) {
        assert.equal(live.describeLive().seqSearchable, 1);
        assert.equal(engine.describe().generation, '000002');
        const there = await engine.pins(['of-0', 'of-1', 'of-2'], {});
        assert.deepEqual(
          there.map((found) => found?.id),
          [0, 1, 2].map((j) => (j === i ? `of-${i}` : undefined)),
        );
      }
    } finally {
      await Promise.all(others.map(({ engine }) => engine.close()));
    }
  });

  test('keeps three generations, and the updates that the oldest of them needs', () =>
    withIndex(async ({ live }, at) => {
      for (let i = 0; i < 4; i++) {
        await upsert(pin(`c${i}`));
        await live.checkpoint();
      }
      const names = (await readdir(at)).filter((name) => /^\d/.test(name)).sort();
      assert.deepEqual(names, ['000003', '000004', '000005']);
      assert.equal(live.describeLive().logBase, 2);
      for (const { canPublish } of await live.generations()) assert.ok(canPublish);
    }));
});

describe('publishing', () => {
  test('another generation serves it with the updates after its seq, and rolls back', () =>
    withIndex(async ({ live, engine }) => {
      const a = pin('a');
      await upsert(a);
      await live.checkpoint();
      const b = pin('b');
      await upsert(b);
      await live.publish('000001');
      assert.equal(engine.describe().generation, '000001');
      assert.equal(engine.describe().count, 302);
      assert.equal(await nearest(a.vector), 'a');
      assert.equal(await nearest(b.vector), 'b');
      await upsert(pin('c'));
      const { generation, isCurrent } = await live.publish('000002');
      assert.deepEqual([generation, isCurrent], ['000002', true]);
      assert.equal(engine.describe().count, 303);
      await assert.rejects(live.publish('000009'), { code: 'unknown_generation' });
      await assert.rejects(live.publish('../x'), { code: 'unknown_generation' });
    }));
});
