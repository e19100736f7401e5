import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { makeAttribute } from '../../bench/data/attributes.ts';
import { windowsOf } from '../../bench/data/filters.ts';
import { prepareSet } from '../../bench/data/sets.ts';
import { findTruth, recallOf } from '../../bench/data/truth.ts';
import { indexTask } from '../../bench/runs/build.ts';
import { EngineProcess, pinned } from '../../bench/runs/engine-process.ts';
import type { RunContext } from '../../bench/runs/run-context.ts';
import { temporaryDir } from '../storage/temporary.ts';

const COUNT = 600;
const K = 5;

interface Place {
  readonly folder: string;
  readonly context: RunContext;
  readonly notes: string[];
  readonly abort: AbortController;
}

async function place(t: TestContext): Promise<Place> {
  const folder = await temporaryDir(t);
  const notes: string[] = [];
  const abort = new AbortController();
  return {
    folder,
    notes,
    abort,
    context: {
      cores: null,
      signal: abort.signal,
      cacheDir: folder,
      threads: 1,
      note: (line) => notes.push(line),
      progress() {},
    },
  };
}

async function smallSet({ folder, context }: Place) {
  const set = await prepareSet(
    { name: 'clustered', dim: 12, count: COUNT, queryCount: 20 },
    { cacheDir: folder, dataDir: undefined, onRow() {} },
  );
  const truth = await findTruth(set.base, set.queries, { ...context, metric: set.metric, depth: 20 });
  return { set, truth };
}

const OPTIONS = {
  m: 8,
  efConstruction: 100,
  seed: 1,
  threads: 2,
  attributes: ['random'],
  reuse: false,
  rebuild: false,
};

for (const engine of ['wasm', 'wasm-i8', 'wasm-f32', 'exact', 'hnswlib']) {
  test(`${engine} builds, searches, filters and is read again, in a process of its own`, async (t) => {
    const own = await place(t);
    const { set, truth } = await smallSet(own);
    const [started] = await EngineProcess.startAll([engine], own.context);
    if (started === undefined) return t.skip(own.notes[0]);
    const { process } = started;
    t.after(() => process.close());
    const task = indexTask(set, OPTIONS);
    await process.ask('create', task);
    for (const [first, count] of [
      [0, 250],
      [250, 350],
    ] as const) {
      const { wallS, cpuS } = await process.ask('add', { first, count });
      assert.ok(wallS > 0 && cpuS >= 0);
    }
    const finished = await process.ask('finish', {});
    assert.ok(finished.bytes === null || finished.bytes >= COUNT * 12);
    // Of which some hold no attributes: a number each is beside them
    const isBeside = engine === 'hnswlib' || engine === 'exact';
    assert.equal(finished.filterBytes, isBeside ? COUNT * 8 : 0);

    const search = { k: K, ef: 200, filter: null };
    const answered = (await process.ask('answer', search))!;
    // Codes alone are no full precision, and cost recall
    const least = engine === 'wasm-i8' ? 0.9 : 0.99;
    const { recall } = recallOf({ ...answered, k: K, truth, windows: undefined }, set);
    assert.ok(recall >= least, `recall ${recall}`);

    const passed = await process.ask('pass', { ...search, threads: 1 });
    assert.equal(passed!.latenciesUs.length, 20);

    for (const isFresh of [false, true]) {
      const filter = { attribute: 'random', share: 0.1, isFresh };
      const windows = windowsOf(filter, makeAttribute('random', set.base), set.queries.rows);
      const filteredTruth = await findTruth(set.base, set.queries, {
        ...own.context,
        metric: set.metric,
        depth: 20,
        windows,
      });
      const filtered = (await process.ask('answer', { ...search, filter }))!;
      const ofFiltered = recallOf({ ...filtered, k: K, truth: filteredTruth, windows }, set);
      assert.ok(ofFiltered.recall >= least, `filtered recall ${ofFiltered.recall}, fresh ${isFresh}`);
      assert.ok(await process.ask('pass', { ...search, filter, threads: 1 }));
    }
    assert.deepEqual(
      await process.ask('answer', search),
      answered,
      'a filter holds no longer than it is asked for',
    );

    assert.equal((answered.work.distances ?? 0) > 0, engine.startsWith('wasm'));

    const path = join(own.folder, 'saved');
    const saved = await process.ask('save', { path });
    const twice = await process.ask('pass', { ...search, threads: 2 });
    assert.equal(saved === null, engine === 'exact');
    assert.equal(twice === null, engine === 'exact');
    if (saved === null || twice === null) return;
    assert.equal(twice.latenciesUs.length, 40);
    assert.ok(twice.latenciesUs.every((us) => us > 0));
    await process.ask('load', { ...task, path, saved: saved.saved });
    assert.deepEqual(await process.ask('answer', search), answered);
    const bare = await process.ask('bareRead', { path });
    assert.ok(bare.wallS > 0);
  });
}

test('an engine that is not installed is left out, and said to be', async (t) => {
  const own = await place(t);
  const peers = ['faiss', 'lancedb', 'usearch-f32', 'hnswlib-wasm', 'hnswlib-native'];
  const started = await EngineProcess.startAll(['exact', ...peers], own.context);
  for (const { process } of started) await process.close();
  assert.equal(started[0]!.name, 'exact');
  assert.equal(started.length + own.notes.length, 1 + peers.length);
  for (const note of own.notes) assert.match(note, /was left out: .*(installs|compiles|cannot be loaded)/);
  await assert.rejects(EngineProcess.startAll(['exact', 'abacus'], own.context), { code: 'bad_request' });
});

test('what an engine throws is thrown here, and its process goes on', async (t) => {
  const own = await place(t);
  const { set } = await smallSet(own);
  const process = new EngineProcess('exact', own.context);
  t.after(() => process.close());
  await process.ask('open', { engine: 'exact' });
  await assert.rejects(process.ask('add', { first: 0, count: 1 }), { code: 'internal' });
  await process.ask('create', indexTask(set, OPTIONS));
  await assert.rejects(process.ask('add', { first: COUNT, count: 1 }), { code: 'bad_file' });
  await process.ask('add', { first: 0, count: COUNT });
});

test('a process is asked one thing at a time', async (t) => {
  const own = await place(t);
  const process = new EngineProcess('exact', own.context);
  t.after(() => process.close());
  const first = process.ask('open', { engine: 'exact' });
  await assert.rejects(process.ask('finish', {}), /still busy/);
  assert.equal((await first).takesEf, false);
});

test('a run that is interrupted ends its processes', async (t) => {
  const own = await place(t);
  const process = new EngineProcess('exact', own.context);
  const asked = process.ask('open', { engine: 'exact' });
  own.abort.abort(new Error('enough'));
  await assert.rejects(asked, /enough/);
  await assert.rejects(process.ask('finish', {}), /enough/);
  await process.close();
});

test('a command is pinned to cores, or not at all', () => {
  assert.deepEqual(pinned('1,3', ['node', 'x']), ['taskset', '-c', '1,3', 'node', 'x']);
  assert.deepEqual(pinned(null, ['node', 'x']), ['node', 'x']);
});
