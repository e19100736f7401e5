import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test, { describe, type TestContext } from 'node:test';
import { createShard, Shard } from '../../src/core/shard.ts';
import { resolveConfig } from '../../src/index/config.ts';
import { Prng } from '../../src/lib/prng.ts';
import { CoreSearcher } from '../../src/shards/core-searcher.ts';
import { LoneSearch } from '../../src/shards/lone-search.ts';
import { QueryQueue } from '../../src/shards/packing.ts';
import { SearchPool } from '../../src/shards/pool.ts';
import { monotonicMs, type ShardQuery } from '../../src/shards/protocol.ts';
import { shardConfigOf } from '../../src/shards/shard-config.ts';
import type { Found, MakeSearcher } from '../../src/shards/task-runner.ts';
import { CORE } from '../support/built-index.ts';
import { ASK } from '../support/odd-asks.ts';
import { ask, hitsOf, shardOfOne } from '../support/one-pin.ts';

const ODD = new URL('../support/odd-worker.js', import.meta.url);
const REAL = new URL('../../src/shards/search-worker.js', import.meta.url);
/** The main thread's, in which these tests run; those of a pool have others. */
const HERE = 0;

const FOUND: Found = { ordinals: [0], distances: [1], ef: 1, complete: true };

/** A pool of one thread that searches here what comes alone. */
function poolOf(t: TestContext, makeSearcher: MakeSearcher = () => ({ search: () => FOUND }), file = ODD) {
  const pool = new SearchPool({
    workerFile: file,
    module: CORE,
    workers: 1,
    alone: { makeSearcher, slot: 2 },
  });
  t.after(() => pool.close());
  const set = pool.register([shardOfOne(pool)]);
  const search = async (query = ask(ASK.answer)) => (await pool.search(set, query))[0];
  const threadOf = async (query?: ShardQuery) => hitsOf(await search(query)).work.thread;
  /** Searches until they are known to be quick; the first is for a thread, and others of a busy machine. */
  const quick = async () => {
    for (let tries = 0; tries < 100; tries++) if ((await threadOf()) === HERE) return;
    assert.fail('no search is run here');
  };
  return { pool, search, threadOf, quick };
}

/** Keeps the thread busy. */
function linger(ms: number): void {
  for (const end = monotonicMs() + ms; monotonicMs() < end; );
}

describe('a search that comes alone', () => {
  test('is run in the thread that asks, but for the first, of which nobody knows how long it takes', async (t) => {
    const { threadOf, quick } = poolOf(t);
    assert.notEqual(await threadOf(), HERE);
    await quick();
  });

  test('takes a thread where it is one of several, or another is being searched', async (t) => {
    const { threadOf, quick } = poolOf(t);
    await quick();
    assert.ok((await Promise.all([threadOf(), threadOf()])).every((thread) => thread !== HERE));
    const two = [threadOf(ask(ASK.linger, 50)), threadOf(ask(ASK.linger, 50))];
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    assert.notEqual(await threadOf(), HERE);
    await Promise.all(two);
  });

  test('takes a thread after one that took long', async (t) => {
    const { threadOf, quick } = poolOf(t);
    await quick();
    await Promise.all([threadOf(ask(ASK.linger, 20)), threadOf(ask(ASK.linger, 20))]);
    assert.notEqual(await threadOf(), HERE);
    await quick();
  });

  test('that is not done in a moment begins anew in a thread, and so does the next', async (t) => {
    let isSlow = false;
    let begun = 0;
    const { threadOf, quick } = poolOf(t, () => ({
      search(_query, _k, isLate) {
        begun++;
        for (let ms = 0; isSlow && !isLate() && ms < 1000; ms++) linger(1);
        return { ...FOUND, complete: !isSlow };
      },
    }));
    await quick();
    isSlow = true;
    const before = begun;
    assert.notEqual(await threadOf(), HERE);
    assert.equal(begun, before + 1);
  });

  test('that faults costs the instance that searched, and is answered as in a thread', async (t) => {
    let made = 0;
    const { search, quick } = poolOf(t, () => {
      made++;
      return {
        search({ vector }) {
          if (vector[0] === ASK.fault) throw new RangeError('outside of everything');
          return FOUND;
        },
      };
    });
    await quick();
    assert.equal(made, 1);
    const fault = await search(ask(ASK.fault));
    assert.ok(fault && 'error' in fault && fault.error.code === 'core_trap', JSON.stringify(fault));
    await quick();
    assert.equal(made, 2);
  });

  test('is counted like others', async (t) => {
    const { pool, quick, threadOf } = poolOf(t, () => ({
      search() {
        linger(0.1);
        return FOUND;
      },
    }));
    await quick();
    const before = pool.searchCpuS;
    // What they waited for a core is taken off, and some are told with those that follow
    for (let tries = 0; tries < 1000 && pool.searchCpuS === before; tries++) await threadOf();
    assert.ok(pool.searchCpuS > before);
  });

  test('finds what it finds in a thread, to the bit', async (t) => {
    const [dim, count] = [24, 3000];
    const config = resolveConfig({ dim, metric: 'l2' });
    const pool = new SearchPool({
      workerFile: REAL,
      module: CORE,
      workers: 1,
      alone: { makeSearcher: (shard) => new CoreSearcher(shard), slot: 2 },
    });
    t.after(() => pool.close());
    const memory = createShard(CORE, shardConfigOf(config, { blockShift: 8, heapBytes: 65536 }), {
      readers: pool.readers,
    });
    const writer = new Shard(CORE, memory, 0);
    const prng = new Prng(7);
    // Whole numbers, so that many tie
    const vector = () => Float32Array.from({ length: dim }, () => prng.below(3));
    for (let i = 0; i < count; i++) writer.insert(vector(), Buffer.from(`pin ${i}`));
    const set = pool.register([memory]);
    let here = 0;
    for (let q = 0; q < 200; q++) {
      const query: ShardQuery = {
        ...ask(ASK.answer),
        vector: vector(),
        k: 1 + prng.below(20),
        ef: 20 + prng.below(100),
        exact: q % 16 === 0,
        withVectors: q % 4 === 0,
        explain: q % 5 === 0,
      };
      const [[alone], [first], [second]] = [
        await pool.search(set, query),
        ...(await Promise.all([pool.search(set, query), pool.search(set, query)])),
      ] as const;
      const { work, ...found } = hitsOf(alone);
      if (work.thread === HERE) here++;
      for (const result of [first, second]) {
        const { work: inThread, ...same } = hitsOf(result);
        assert.notEqual(inThread.thread, HERE);
        assert.deepEqual(same, found);
        assert.deepEqual([inThread.plan, inThread.compared], [work.plan, work.compared]);
      }
    }
    assert.ok(here > 100, `${here} were run here`);
  });
});

describe('what is run in the thread that asks', () => {
  const queriesOf = (query: ShardQuery) => {
    const queue = new QueryQueue();
    queue.push(query, 0, 1, monotonicMs());
    return queue.shift(1);
  };
  const loneOf = (t: TestContext, makeSearcher: MakeSearcher) => {
    const pool = new SearchPool({ workerFile: ODD, module: CORE, workers: 1 });
    const searchNs = new BigInt64Array(1);
    const lone = new LoneSearch({ module: CORE, slot: 2, makeSearcher, clockOffsetMs: 0, searchNs });
    lone.attach('0', [shardOfOne(pool)]);
    t.after(async () => {
      lone.close();
      await pool.close();
    });
    return lone;
  };

  test('leaves the queries as they were when it gives up', (t) => {
    const lone = loneOf(t, () => ({
      search() {
        linger(2);
        return FOUND;
      },
    }));
    for (const deadlineAtMs of [Number.POSITIVE_INFINITY, monotonicMs() + 60_000]) {
      const query = { ...ask(ASK.answer), deadlineAtMs };
      const queries = queriesOf(query);
      const before = queries.slice(0);
      assert.equal(lone.run('0', queries, deadlineAtMs, 0.1), undefined);
      assert.deepEqual(queries, before);
    }
  });

  test('ends at the deadline of its query, if that comes before', (t) => {
    let ended = false;
    const lone = loneOf(t, () => ({
      search(_query, _k, isLate) {
        ended = isLate();
        return { ...FOUND, complete: !ended };
      },
    }));
    const deadlineAtMs = monotonicMs() - 1;
    lone.run('0', queriesOf({ ...ask(ASK.answer), deadlineAtMs }), deadlineAtMs, 0.1);
    assert.equal(ended, true);
    const later = monotonicMs() + 60_000;
    lone.run('0', queriesOf({ ...ask(ASK.answer), deadlineAtMs: later }), later, 0.1);
    assert.equal(ended, false);
  });

  test('does not begin where searches take long', (t) => {
    const lone = loneOf(t, () => assert.fail('nothing is searched'));
    const queries = queriesOf(ask(ASK.answer));
    for (const lastMs of [0.6, 10, Number.POSITIVE_INFINITY])
      assert.equal(lone.run('0', queries, Number.POSITIVE_INFINITY, lastMs), undefined);
  });
});

test('a pool that is closed leaves no file open', async () => {
  if (process.platform !== 'linux') return;
  const files = () => readdirSync('/proc/self/fd').length;
  const openAndClose = async () => {
    const alone = { makeSearcher: () => ({ search: () => FOUND }), slot: 2 };
    await new SearchPool({ workerFile: ODD, module: CORE, workers: 1, alone }).close();
  };
  await openAndClose();
  const before = files();
  for (let round = 0; round < 5; round++) await openAndClose();
  assert.ok(files() <= before + 2, `${files()} open files after ${before}`);
});
