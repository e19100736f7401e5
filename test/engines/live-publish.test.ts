/** Publishing generations that were built elsewhere, under other models and attributes, beside a log. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildIndex } from '../../src/build/build-index.ts';
import type { Engine, PinWrite } from '../../src/engines/engine.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { LiveIndex } from '../../src/engines/live-index.ts';
import type { IndexConfigInput } from '../../src/index/config.ts';
import { adoptGeneration, listGenerations } from '../../src/storage/generation.ts';
import { buildOptions, unavailable } from '../support/built-index.ts';
import { openEngine } from '../support/open-engine.ts';

const host = createEngineHost('wasm', 1);
let dir: string;
let made = 0;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-publish-'));
});
after(async () => {
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

type Config = Pick<IndexConfigInput, 'attributes'>;

/** Builds an index of four pins of `dim` dimensions, as of the model, in a folder of its own or in `indexDir`. */
async function build(
  dim: number,
  model: string,
  more: Config & { seq?: number; isCurrent?: boolean } = {},
  indexDir = join(dir, `index-${made++}`),
) {
  const { attributes, ...options } = more;
  const file = join(dir, `pins-${made++}.jsonl`);
  const pins = [0, 1, 2, 3].map((i) => ({
    id: `p${i}`,
    vector: Array.from({ length: dim }, (_, d) => (d === i % dim ? 1 : 0.1)),
  }));
  await writeFile(file, pins.map((pin) => JSON.stringify(pin)).join('\n'));
  const config = { metric: 'l2' as const, precision: 'f32' as const, ...(attributes && { attributes }) };
  await buildIndex(buildOptions([file], indexDir, { config, vectorsFrom: model, ...options }));
  return indexDir;
}

const pinOf = (id: string, vector: readonly number[], more: Partial<PinWrite> = {}): PinWrite => ({
  id,
  vector: Float32Array.from(vector),
  attributes: {},
  payload: undefined,
  ...more,
});

describe('a generation of another model', () => {
  /** Opens an index whose generations embed a text as its length, in every dimension. */
  const open = (indexDir: string) =>
    LiveIndex.open(indexDir, host, {
      attach: async ({ config }) => ({
        extra: config.model,
        embed: async (texts) => texts.map((text) => new Float32Array(config.dim).fill(text.length)),
        close: async () => {},
      }),
    });

  test('takes over texts by embedding them again', async () => {
    const at = await build(2, 'small@1');
    const live = await open(at);
    const { config } = live.loaded.manifest;
    await live.upsert([pinOf('t', [5, 5], { text: 'hello' })], config);
    await live.delete([{ id: 'p3' }]);
    const other = await adoptGeneration(at, join(await build(3, 'large@2'), '000001'));
    await live.publish(other);
    assert.equal(live.loaded.extra, 'large@2');
    const [pin, gone] = await live.loaded.engine.pins(['t', 'p3'], { vector: true });
    assert.deepEqual(pin?.vector, Float32Array.of(5, 5, 5));
    assert.equal(gone, undefined);
    await live.close();
    const again = await open(at);
    assert.equal(again.loaded.extra, 'large@2');
    assert.equal(again.loaded.engine.describe().count, 4);
    await again.close();
  });

  test('is served without the writes that waited for another', async () => {
    const at = await build(2, 'small@1');
    const live = await open(at);
    const { config } = live.loaded.manifest;
    const other = await adoptGeneration(at, join(await build(3, 'large@2'), '000001'));
    let isSwapped = false;
    const published = live.publish(other).then(() => {
      isSwapped = true;
    });
    const outcomes: Promise<'taken' | 'overloaded'>[] = [];
    for (let n = 0; !isSwapped; n++) {
      const write = live.upsert([pinOf(`t${n}`, [5, 5], { text: 'hello' })], config);
      outcomes.push(
        write.then(
          () => 'taken',
          ({ code }) => code,
        ),
      );
      // Some wait at each moment, and not more than may
      if (n % 20 === 0) await outcomes.at(-1);
      await new Promise(setImmediate);
    }
    await published;
    const told = await Promise.all(outcomes);
    assert.deepEqual([...new Set(told)].sort(), ['overloaded', 'taken']);
    const taken = told.filter((each) => each === 'taken').length;
    assert.equal(live.loaded.engine.describe().count, 4 + taken);
    for (const shard of live.loaded.shards.shards) assert.equal(shard.validate(), undefined);
    await live.close();
    const again = await open(at);
    assert.equal(again.loaded.engine.describe().count, 4 + taken);
    await again.close();
  });

  test('is refused for the vectors of another, and everything stays as it was', async () => {
    const at = await build(2, 'small@1');
    const live = await open(at);
    await live.upsert([pinOf('v', [5, 5])], live.loaded.manifest.config);
    const other = await adoptGeneration(at, join(await build(3, 'large@2'), '000001'));
    await assert.rejects(live.publish(other), { code: 'model_mismatch' });
    assert.equal(live.loaded.manifest.generation, '000001');
    assert.equal((await live.loaded.engine.search({ vector: Float32Array.of(5, 5), k: 1 })).hits[0]?.id, 'v');
    await live.upsert([pinOf('w', [6, 6])], live.loaded.manifest.config);
    await live.close();
    assert.equal(await readFile(join(at, 'CURRENT'), 'utf8'), '000001\n');
  });
});

test('a write that was checked against another config than is served is to be tried again', async () => {
  const at = await build(2, 'small@1');
  const { live, engine, manifest } = await openEngine(at, host);
  const other = await adoptGeneration(
    at,
    join(await build(2, 'small@1', { attributes: { price: 'number' } }), '000001'),
  );
  await live.publish(other);
  await assert.rejects(live.upsert([pinOf('late', [1, 1])], manifest.config), { code: 'overloaded' });
  await engine.close();
});

test('a generation with other attributes takes those of the updates that it declares', async () => {
  const at = await build(2, 'small@1', { attributes: { price: 'number', colour: 'keyword' } });
  const { live, engine, manifest } = await openEngine(at, host);
  await live.upsert([pinOf('a', [3, 3], { attributes: { price: 5, colour: 'red' } })], manifest.config);
  const fewer = await adoptGeneration(
    at,
    join(await build(2, 'small@1', { attributes: { colour: 'keyword' } }), '000001'),
  );
  await live.publish(fewer);
  assert.deepEqual((await engine.pins(['a'], { attributes: true }))[0]?.attributes, { colour: 'red' });
  const clash = await adoptGeneration(
    at,
    join(await build(2, 'small@1', { attributes: { colour: 'number' } }), '000001'),
  );
  await assert.rejects(live.publish(clash), { code: 'bad_attribute' });
  await engine.close();
});

describe('a build into an index that takes updates', () => {
  test('is brought up to date with those after its seq, and does not lose to a checkpoint', async () => {
    const at = await build(2, 'small@1');
    const { live, engine, manifest } = await openEngine(at, host);
    await live.upsert([pinOf('early', [3, 3])], manifest.config);
    await live.upsert([pinOf('late', [4, 4])], manifest.config);
    // The input, which does not have the pin, is said to hold the first update: it was deleted there since
    await build(2, 'small@1', { seq: 1 }, at);
    const { generation } = await live.checkpoint();
    assert.equal(generation, '000003');
    assert.equal(await readFile(join(at, 'CURRENT'), 'utf8'), '000002\n', 'the build is current');
    await engine.close();
    const opened = await openEngine(at, host);
    assert.equal(opened.engine.describe().generation, '000002');
    const [early, late] = await opened.engine.pins(['early', 'late'], {});
    assert.deepEqual([early, late?.id], [undefined, 'late']);
    await opened.engine.close();
  });

  test('is refused when updates after its seq are kept no more, as is publishing one', async () => {
    const at = await build(2, 'small@1');
    const { live, engine, manifest } = await openEngine(at, host);
    for (let i = 0; i < 4; i++) {
      await live.upsert([pinOf(`n${i}`, [i, i])], manifest.config);
      await live.checkpoint();
    }
    await assert.rejects(build(2, 'small@1', {}, at), { code: 'log_trimmed' });
    const other = await adoptGeneration(at, join(await build(2, 'small@1'), '000001'));
    await assert.rejects(live.publish(other), { code: 'log_trimmed' });
    assert.deepEqual(
      (await live.generations()).find(({ generation }) => generation === other)?.canPublish,
      false,
    );
    await build(2, 'small@1', { seq: 3, isCurrent: false }, at);
    const newest = (await live.generations()).at(-1)!;
    await live.publish(newest.generation);
    assert.deepEqual(
      (await engine.pins(['n2', 'n3'], {})).map((pin) => pin?.id),
      [undefined, 'n3'],
    );
    await engine.close();
  });
});

describe('a build of what the updates after its seq do not fit', () => {
  const attributes = { price: 'number' } as const;
  /** An index of the model small@1 with one update of a vector and attributes. */
  const written = async () => {
    const at = await build(2, 'small@1', { attributes });
    const opened = await openEngine(at, host);
    await opened.live.upsert([pinOf('v', [5, 5], { attributes: { price: 3 } })], opened.manifest.config);
    return { at, ...opened };
  };
  const isAsBefore = async (at: string) => {
    assert.deepEqual(await listGenerations(at), ['000001']);
    const { engine } = await openEngine(at, host);
    assert.equal((await engine.search({ vector: Float32Array.of(5, 5), k: 1 })).hits[0]?.id, 'v');
    await engine.close();
  };

  test('is refused, and the index stays as it was', async () => {
    const { at, engine } = await written();
    await engine.close();
    const refused = async (code: string, ...options: Parameters<typeof build>) => {
      await assert.rejects(build(options[0], options[1], options[2], at), { code });
      await isAsBefore(at);
    };
    await refused('model_mismatch', 3, 'small@1', { attributes });
    await refused('model_mismatch', 2, 'large@2', { attributes });
    await refused('bad_attribute', 2, 'small@1', { attributes: { price: 'keyword' } });
    await build(2, 'small@1', {}, at);
    const { engine: again } = await openEngine(at, host);
    assert.deepEqual((await again.pins(['v'], { attributes: true }))[0]?.attributes, {});
    await again.close();
  });

  test('is taken when its input is said to hold them, and when it is not to be current', async () => {
    const { at, engine } = await written();
    await engine.close();
    await build(3, 'large@2', { isCurrent: false }, at);
    assert.equal(await readFile(join(at, 'CURRENT'), 'utf8'), '000001\n');
    await build(3, 'large@2', { seq: 1 }, at);
    const { engine: other } = await openEngine(at, host);
    assert.equal(other.describe().config.model, 'large@2');
    await other.close();
  });

  test('is refused while a process writes to the index, whatever it has written until now', async () => {
    const { at, engine } = await written();
    await assert.rejects(build(3, 'large@2', { seq: 1 }, at), { code: 'index_locked' });
    await build(2, 'small@1', { attributes, seq: 1 }, at);
    await engine.close();
  });
});

test('the hnswlib engine serves what updates have made, and takes none', async (t) => {
  const reason = unavailable('hnswlib');
  if (reason) return t.skip(reason);
  const at = await build(2, 'small@1');
  const first = await openEngine(at, host);
  await first.live.upsert([pinOf('new', [9, 9])], first.manifest.config);
  await first.engine.close();
  const hnswlib = createEngineHost('hnswlib', 1);
  const { live, engine, manifest } = await openEngine(at, hnswlib);
  assert.equal((await engine.search({ vector: Float32Array.of(9, 9), k: 1 })).hits[0]?.id, 'new');
  assert.equal(live.describeLive().readOnly, 'read_only_engine');
  await assert.rejects(live.upsert([pinOf('x', [1, 1])], manifest.config), { code: 'read_only_engine' });
  await assert.rejects(live.delete([{ id: 'new' }]), { code: 'read_only_engine' });
  await engine.close();
  await hnswlib.close();
});

test('the exact engine takes writes as the wasm engine does', async () => {
  const exact = createEngineHost('exact', 1);
  const { live, engine, manifest } = await openEngine(await build(2, 'small@1'), exact);
  await live.upsert([pinOf('new', [9, 9])], manifest.config);
  assert.equal((await engine.search({ vector: Float32Array.of(9, 9), k: 1 })).hits[0]?.id, 'new');
  await live.delete([{ id: 'new' }]);
  assert.notEqual((await engine.search({ vector: Float32Array.of(9, 9), k: 1 })).hits[0]?.id, 'new');
  await engine.close();
  await exact.close();
});

describe('a generation beside the one that is served', () => {
  const nearest = async (engine: Engine, vector: readonly number[]) =>
    (await engine.search({ vector: Float32Array.from(vector), k: 1 })).hits[0]?.id;

  test('has the updates up to now, and later ones when it is told to follow, while the other one is served on', async () => {
    const at = await build(2, 'small@1');
    const { live, engine, manifest } = await openEngine(at, host);
    await live.upsert([pinOf('before', [9, 9])], manifest.config);
    await live.checkpoint();
    await live.upsert([pinOf('now', [8, 8])], manifest.config);
    const beside = await live.beside('000001');
    await live.upsert([pinOf('later', [7, 7])], manifest.config);
    assert.equal(beside.manifest.generation, '000001');
    assert.equal(await nearest(beside.engine, [9, 9]), 'before');
    assert.equal(await nearest(beside.engine, [8, 8]), 'now');
    assert.notEqual(await nearest(beside.engine, [7, 7]), 'later');
    assert.equal(await nearest(engine, [7, 7]), 'later');
    await live.delete([{ id: 'now' }]);
    await Promise.all([live.follow(beside), nearest(beside.engine, [7, 7])]);
    assert.equal(await nearest(beside.engine, [7, 7]), 'later');
    assert.notEqual(await nearest(beside.engine, [8, 8]), 'now');
    assert.deepEqual(
      (await beside.engine.pins(['now', 'later'], {})).map((pin) => pin?.id),
      [undefined, 'later'],
    );
    for (const shard of beside.shards.shards) assert.equal(shard.validate(), undefined);
    await beside.close();
    assert.equal(await nearest(engine, [7, 7]), 'later');
    await engine.close();
  });

  test('cannot follow when the updates after it are kept no more', async () => {
    const { live, engine, manifest } = await openEngine(await build(2, 'small@1'), host);
    const beside = await live.beside('000001');
    for (let i = 0; i < 4; i++) {
      await live.upsert([pinOf(`n${i}`, [i, i])], manifest.config);
      await live.checkpoint();
    }
    await assert.rejects(live.follow(beside), { code: 'log_trimmed' });
    assert.equal(beside.engine.describe().count, 4);
    await beside.close();
    await engine.close();
  });

  test('can be the same, and is there for an index that takes no writes', async () => {
    const at = await build(2, 'small@1');
    const written = await openEngine(at, host);
    await written.live.upsert([pinOf('now', [8, 8])], written.manifest.config);
    await written.engine.close();
    const { live, engine } = await openEngine(at, host, { readOnly: true });
    const beside = await live.beside('000001');
    // Both read the same pin store, in turns
    for (const each of [beside.engine, engine, beside.engine]) {
      assert.equal(await nearest(each, [8, 8]), 'now');
      const [pin] = await each.pins(['p0'], { vector: true });
      assert.equal(pin?.id, 'p0');
    }
    await assert.rejects(live.beside('000009'), { code: 'unknown_generation' });
    await beside.close();
    const [pin] = await engine.pins(['p1'], { vector: true });
    assert.equal(pin?.id, 'p1');
    await engine.close();
  });
});
