import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, getPriority } from 'node:os';
import test, { describe, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { LAYOUT } from '../../src/core/layout.ts';
import { SHARD_PLANS } from '../../src/lib/watch.ts';
import { DESK_AREA_BYTES } from '../../src/shards/desk.ts';
import { SearchPool } from '../../src/shards/pool.ts';
import type { ShardFailure, ShardHits } from '../../src/shards/protocol.ts';
import { refuses, rejects } from '../lib/refuses.ts';
import { CORE } from '../support/built-index.ts';
import { ASK, SEARCHER_STEP } from '../support/odd-asks.ts';
import { ask, hitsOf, shardOfOne } from '../support/one-pin.ts';

const ODD = new URL('../support/odd-worker.js', import.meta.url);
const REAL = new URL('../../src/shards/search-worker.js', import.meta.url);

function poolOf(t: TestContext, workers: number, workerFile = ODD): SearchPool {
  const pool = new SearchPool({ workerFile, module: CORE, workers });
  t.after(() => pool.close());
  return pool;
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Which task of which thread answered, by the odd worker's account. */
const taskOf = (result: ShardHits | ShardFailure | undefined) => {
  const { ef, distances } = hitsOf(result);
  return `thread ${ef} task ${distances[0]! % SEARCHER_STEP}`;
};
const searcherOf = (result: ShardHits | ShardFailure | undefined) =>
  Math.floor(hitsOf(result).distances[0]! / SEARCHER_STEP);

/** Waits until every thread of the pool is up and knows the set: until that many searches at once are on as many. */
async function settled(pool: SearchPool, set: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const answers = await Promise.all(
      Array.from({ length: pool.workers }, () => pool.search(set, ask(ASK.linger, 20))),
    );
    const threads = answers.flatMap(([result]) => (result && 'ids' in result ? [result.ef] : []));
    if (new Set(threads).size === pool.workers) return;
  }
  assert.fail(`there are not ${pool.workers} threads`);
}

describe('searches that arrive together', () => {
  test('travel in one task per thread', async (t) => {
    const pool = poolOf(t, 4);
    const set = pool.register([shardOfOne(pool)]);
    await settled(pool, set);
    let threads = 0;
    // A thread that has not yet come back from what it did before is passed over
    for (let tries = 0; tries < 20 && threads < pool.workers; tries++) {
      const asked = Array.from({ length: 100 }, () => pool.search(set, ask(ASK.answer)));
      const answers = await Promise.all(asked);
      const tasks = new Set(answers.map(([result]) => taskOf(result)));
      assert.ok(tasks.size <= pool.workers, [...tasks].join(', '));
      threads = new Set(answers.map(([result]) => hitsOf(result).ef)).size;
    }
    assert.equal(threads, pool.workers);
  });

  test('travel together also when the same turn asks later, and apart in different turns', async (t) => {
    const pool = poolOf(t, 1);
    const set = pool.register([shardOfOne(pool)]);
    const first = pool.search(set, ask(ASK.answer));
    const second = Promise.resolve().then(() => pool.search(set, ask(ASK.answer)));
    const [[a], [b]] = await Promise.all([first, second]);
    assert.equal(taskOf(a), taskOf(b));
    const [c] = await pool.search(set, ask(ASK.answer));
    assert.notEqual(taskOf(c), taskOf(b));
  });

  test('travel with those of the next turns, as long as each brings more', async (t) => {
    const pool = poolOf(t, 1);
    const set = pool.register([shardOfOne(pool)]);
    await settled(pool, set);
    const search = () => pool.search(set, ask(ASK.answer));
    const asked = [search(), search()];
    for (let turn = 0; turn < 4; turn++) {
      await nextTurn();
      asked.push(search());
    }
    const answers = await Promise.all(asked);
    assert.equal(new Set(answers.map(([result]) => taskOf(result))).size, 1);
  });

  test('are cut into tasks of a bounded length', async (t) => {
    const pool = poolOf(t, 1);
    const set = pool.register([shardOfOne(pool)]);
    const answers = await Promise.all(Array.from({ length: 200 }, () => pool.search(set, ask(ASK.answer))));
    const perTask = new Map<string, number>();
    for (const [result] of answers) perTask.set(taskOf(result), (perTask.get(taskOf(result)) ?? 0) + 1);
    assert.ok(perTask.size >= 200 / 32 && perTask.size <= 10, JSON.stringify([...perTask]));
  });

  test('lie ready where many wait, so that a thread goes on while the event loop does not turn', async (t) => {
    const pool = poolOf(t, 1);
    const set = pool.register([shardOfOne(pool)]);
    const SEARCHES = 400;
    let most = 0;
    // A thread that has left its desk is given less
    for (let tries = 0; tries < 20 && most < SEARCHES; tries++) {
      await settled(pool, set);
      // From now on they are known to be quick
      await pool.search(set, ask(ASK.answer));
      let answered = 0;
      const asked = Array.from({ length: SEARCHES }, async () => {
        hitsOf((await pool.search(set, ask(ASK.answer)))[0]);
        answered++;
      });
      // They are sent off now
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      for (let turn = 0; turn < 2; turn++) await nextTurn();
      most = Math.max(most, answered);
      await Promise.all(asked);
    }
    assert.equal(most, SEARCHES);
  });

  test('go on within a turn of the event loop, as soon as there is a whole task for every thread', async (t) => {
    const pool = poolOf(t, 1, REAL);
    const set = pool.register([shardOfOne(pool)]);
    const search = () => pool.search(set, ask(0));
    const pause = new Int32Array(new SharedArrayBuffer(4));
    let first = 0;
    let answered = 0;
    // A thread that has left its desk is told by messages
    for (let tries = 0; tries < 20 && first === 0; tries++) {
      await Promise.all(Array.from({ length: 32 }, search));
      await search();
      answered = 0;
      const asked: Promise<void>[] = [];
      const askFor = (searches: number) => {
        for (let i = 0; i < searches; i++)
          asked.push(
            search().then(() => {
              answered++;
            }),
          );
      };
      askFor(32);
      Atomics.wait(pause, 0, 0, 200);
      // Those that come now find the answers of the others; no turn has ended
      askFor(32);
      for (let tick = 0; tick < 20; tick++) await Promise.resolve();
      first = answered;
      await Promise.all(asked);
    }
    assert.equal(first, 32);
    assert.equal(answered, 64);
  });

  test('do not lie ready where they take long: what nobody waits for any more is not begun', async (t) => {
    const pool = poolOf(t, 1);
    const set = pool.register([shardOfOne(pool)]);
    await settled(pool, set);
    let isGone = false;
    const caller = { isGone: () => isGone };
    const asked = Array.from({ length: 300 }, () => pool.search(set, ask(ASK.linger, 8), 1, caller));
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    isGone = true;
    const begun = (await Promise.all(asked)).filter(([result]) => hitsOf(result).complete);
    assert.ok(begun.length >= 32 && begun.length <= 96, `${begun.length}`);
  });

  test('of a query on several shards come back in the order of the shards', async (t) => {
    const pool = poolOf(t, 2);
    const set = pool.register(['a', 'b', 'c'].map((id) => shardOfOne(pool, id)));
    const answers = await Promise.all(Array.from({ length: 9 }, () => pool.search(set, ask(ASK.answer))));
    for (const results of answers)
      assert.deepEqual(
        results.map((result) => hitsOf(result).ids),
        [['a'], ['b'], ['c']],
      );
  });

  test('are answered in the order of arrival, whichever index they are for', async (t) => {
    const pool = poolOf(t, 1);
    const busy = pool.register([shardOfOne(pool)]);
    const quiet = pool.register([shardOfOne(pool)]);
    // A thread that does not know a set asks for it first, and others pass meanwhile
    for (const set of [busy, quiet]) await pool.search(set, ask(ASK.answer));
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    const burst = (name: string) =>
      Array.from({ length: 100 }, () => pool.search(busy, ask(ASK.answer)).then(note(name)));
    const all = [
      ...burst('before'),
      pool.search(quiet, ask(ASK.answer)).then(note('quiet')),
      ...burst('after'),
    ];
    await Promise.all(all);
    assert.deepEqual(order, [...Array(100).fill('before'), 'quiet', ...Array(100).fill('after')]);
  });
});

describe('a thread that dies', () => {
  for (const [name, way] of [
    ['by leaving', ASK.exit],
    ['by an uncaught error', ASK.uncaught],
  ] as const) {
    test(`${name} is replaced, and its slot goes to the next`, async (t) => {
      const pool = poolOf(t, 2);
      const memory = shardOfOne(pool);
      const set = pool.register([memory]);
      for (let round = 0; round < 4; round++) {
        await settled(pool, set);
        const [dying] = await pool.search(set, ask(way));
        if (way === ASK.exit) {
          assert.ok(dying && 'error' in dying, 'a search whose thread is gone is answered with an error');
          assert.equal(dying.error.code, 'internal');
        }
      }
      await settled(pool, set);
      const epochs = new Int32Array(memory.buffer);
      for (let reader = 0; reader <= pool.readers; reader++) {
        const at = (LAYOUT.NP_READER_EPOCHS + reader * LAYOUT.NP_READER_EPOCH_STRIDE) / 4;
        assert.equal(epochs[at], 0, `reader ${reader} is left in a search`);
      }
    });
  }

  test('takes only the searches of its own tasks with it', async (t) => {
    const pool = poolOf(t, 2);
    const set = pool.register([shardOfOne(pool)]);
    const other = pool.register([shardOfOne(pool)]);
    await settled(pool, set);
    await settled(pool, other);
    // Both threads have a task before either dies, so the lingering one is on the other thread
    const staying = pool.search(other, ask(ASK.linger, 100));
    const dying = pool.search(set, ask(ASK.exit));
    const [[stayed], [died]] = await Promise.all([staying, dying]);
    assert.deepEqual(hitsOf(stayed).ids, ['only']);
    assert.ok(died && 'error' in died);
    assert.deepEqual(hitsOf((await pool.search(set, ask(ASK.answer)))[0]).ids, ['only']);
  });

  test('before it serves leaves no search waiting', async (t) => {
    const pool = poolOf(t, 2, new URL('../support/failing-worker.js', import.meta.url));
    const set = pool.register([shardOfOne(pool)]);
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(Array.from({ length: 5 }, () => pool.search(set, ask(ASK.answer))));
      for (const [result] of answers) assert.ok(result && 'error' in result);
    }
  });
});

test('a search that faults costs the instance that searched, and no other', async (t) => {
  const pool = poolOf(t, 1);
  const set = pool.register([shardOfOne(pool)]);
  const other = pool.register([shardOfOne(pool)]);
  const searcher = async (of: string) => searcherOf((await pool.search(of, ask(ASK.answer)))[0]);
  const [first, unharmed] = [await searcher(set), await searcher(other)];
  assert.equal(await searcher(set), first);
  const [[before], [fault], [after]] = await Promise.all([
    pool.search(set, ask(ASK.answer)),
    pool.search(set, ask(ASK.fault)),
    pool.search(set, ask(ASK.answer)),
  ]);
  assert.equal(searcherOf(before), first);
  assert.ok(fault && 'error' in fault && fault.error.code === 'core_trap', JSON.stringify(fault));
  assert.notEqual(searcherOf(after), first);
  assert.equal(await searcher(set), searcherOf(after));
  assert.equal(await searcher(other), unharmed);
});

describe('closing', () => {
  test('a set lets its searches end, refuses more, and leaves the other sets alone', async (t) => {
    const pool = poolOf(t, 1);
    const set = pool.register([shardOfOne(pool)]);
    const other = pool.register([shardOfOne(pool)]);
    let ended = 0;
    const running = Array.from({ length: 5 }, () =>
      pool.search(set, ask(ASK.linger, 5)).then(([result]) => {
        hitsOf(result);
        ended++;
      }),
    );
    const forgotten = pool.forget(set);
    await rejects(pool.search(set, ask(ASK.answer)), 'closed');
    await forgotten;
    assert.equal(ended, 5);
    await Promise.all(running);
    await pool.forget(set);
    await rejects(pool.search(set, ask(ASK.answer)), 'closed');
    hitsOf((await pool.search(other, ask(ASK.answer)))[0]);
  });

  test('the pool lets all searches end, and refuses more', async (t) => {
    const pool = poolOf(t, 2);
    const sets = [pool.register([shardOfOne(pool)]), pool.register([shardOfOne(pool)])];
    const running = sets.flatMap((set) =>
      Array.from({ length: 50 }, () => pool.search(set, ask(ASK.linger, 1))),
    );
    const closed = pool.close();
    await rejects(pool.search(sets[0]!, ask(ASK.answer)), 'closed');
    await closed;
    for (const [result] of await Promise.all(running)) hitsOf(result);
    await pool.close();
    await pool.forget(sets[0]!);
    await rejects(pool.search(sets[1]!, ask(ASK.answer)), 'closed');
  });

  test('a set does not disturb another pool of the process', async (t) => {
    const [one, two] = [poolOf(t, 1), poolOf(t, 1)];
    const [set, twin] = [one.register([shardOfOne(one)]), two.register([shardOfOne(two)])];
    const taskNumber = async () => hitsOf((await two.search(twin, ask(ASK.answer)))[0]).distances[0]!;
    await one.search(set, ask(ASK.answer));
    const before = await taskNumber();
    await one.forget(set);
    await new Promise((resolve) => setTimeout(resolve, 100));
    // A thread that had been told to forget its own set would first have answered that it does not know it
    assert.equal(await taskNumber(), before + 1);
  });
});

describe('a thread at its desk', () => {
  /** A pool of one thread that has come to its desk. */
  const atDesk = async (t: TestContext) => {
    const pool = poolOf(t, 1);
    const set = pool.register([shardOfOne(pool)]);
    for (let i = 0; i < 3; i++) hitsOf((await pool.search(set, ask(ASK.answer)))[0]);
    return { pool, set };
  };
  /** What lies there in two tasks: one that runs and one that waits. */
  const two = async (pool: SearchPool, set: string, first: number, second: number) => {
    const running = pool.search(set, ask(first, 30));
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    return Promise.all([running, pool.search(set, ask(second))]);
  };

  test('answers failures each on its own, and goes on with what waits', async (t) => {
    const { pool, set } = await atDesk(t);
    const [[failed], [found]] = await two(pool, set, ASK.fault, ASK.answer);
    assert.ok(failed && 'error' in failed && failed.error.code === 'core_trap', JSON.stringify(failed));
    hitsOf(found);
    hitsOf((await pool.search(set, ask(ASK.answer)))[0]);
  });

  test('learns a set that it does not know, while another task waits', async (t) => {
    const { pool, set } = await atDesk(t);
    const other = pool.register([shardOfOne(pool, 'other')]);
    const running = pool.search(other, ask(ASK.answer));
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    const [[there], [here]] = await Promise.all([running, pool.search(set, ask(ASK.answer))]);
    assert.deepEqual([hitsOf(there).ids, hitsOf(here).ids], [['other'], ['only']]);
  });

  test('answers queries that are longer than its room', async (t) => {
    const { pool, set } = await atDesk(t);
    const vector = new Float32Array(DESK_AREA_BYTES / 4);
    hitsOf((await pool.search(set, { ...ask(ASK.answer), vector }))[0]);
    hitsOf((await pool.search(set, ask(ASK.answer)))[0]);
  });

  test('that ends with tasks on it gives each an error, and another thread serves what follows', async (t) => {
    const { pool, set } = await atDesk(t);
    const results = await two(pool, set, ASK.exit, ASK.answer);
    for (const [result] of results) assert.ok(result && 'error' in result, JSON.stringify(result));
    hitsOf((await pool.search(set, ask(ASK.answer)))[0]);
  });

  test('leaves it to forget a set, and to end', async (t) => {
    const { pool, set } = await atDesk(t);
    await pool.forget(set);
    await rejects(pool.search(set, ask(ASK.answer)), 'closed');
    await pool.close();
  });
});

test('the CPU time of searches grows with them, and only with them', async (t) => {
  const pool = poolOf(t, 2, REAL);
  assert.equal(pool.searchCpuS, 0);
  const set = pool.register([shardOfOne(pool), shardOfOne(pool)]);
  let last = 0;
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 100 }, () => pool.search(set, ask(ASK.answer))));
    const spent: number = pool.searchCpuS;
    assert.ok(spent > last, `round ${round}: ${spent} after ${last}`);
    // Threads leave their desks and tidy up meanwhile
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(pool.searchCpuS, spent);
    last = spent;
  }
});

describe('what a search took', () => {
  test('comes with its hits: when, where, how, and how much', async (t) => {
    const pool = poolOf(t, 1, REAL);
    const set = pool.register([shardOfOne(pool), shardOfOne(pool)]);
    const before = performance.timeOrigin + performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => pool.search(set, ask(ASK.answer))));
    const after = performance.timeOrigin + performance.now();
    const works = answers.flat().map((result) => hitsOf(result).work);
    for (const { plan, compared, visited, thread, startedAtMs, queuedMs, searchMs } of works) {
      assert.equal(SHARD_PLANS[plan], 'graph');
      assert.ok(compared >= 1 && visited >= 1);
      assert.ok(thread > 0);
      assert.ok(queuedMs >= 0 && searchMs > 0);
      // Clocks of threads agree but for what it takes to compare them
      assert.ok(startedAtMs - queuedMs >= before - 1 && startedAtMs + searchMs <= after + 1);
    }
    // Of either shard, one of 20 at least
    const timed = works.filter(({ filterMs }) => !Number.isNaN(filterMs));
    assert.ok(
      timed.length >= 2 && timed.length <= 4,
      `${timed.length} of ${works.length} were timed by stage`,
    );
    for (const { filterMs, rescoreMs, searchMs } of timed)
      assert.ok(filterMs === 0 && rescoreMs > 0 && rescoreMs < searchMs);
  });
});

describe('a pool in the background', () => {
  test('searches the same memories beside another one, by scratch slots of its own', async (t) => {
    const pool = poolOf(t, 2, REAL);
    const options = { workerFile: REAL, module: CORE, workers: 1, firstSlot: 3, isBackground: true };
    const background = new SearchPool(options);
    t.after(() => background.close());
    assert.equal(background.readers, 4);
    const memory = shardOfOne(background);
    const sets = [pool, background].map((each) => [each, each.register([memory])] as const);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => {
        const [each, set] = sets[i % 2]!;
        return each.search(set, { ...ask(ASK.answer), exact: i % 3 === 0 });
      }),
    );
    for (const [result] of answers) assert.deepEqual(hitsOf(result).ids, ['only']);
    // An id of a thread says nothing of its slot, but no two threads had the same one, or hits would be mixed
    const threads = answers.map(([result], i) => [i % 2, hitsOf(result).work.thread] as const);
    const ofBackground = new Set(threads.filter(([which]) => which === 1).map(([, thread]) => thread));
    assert.equal(ofBackground.size, 1);
    assert.ok(threads.every(([which, thread]) => which === 1 || !ofBackground.has(thread)));
  });

  test('holds no other search up, however long its own are', async (t) => {
    const pool = poolOf(t, 1);
    const background = new SearchPool({ workerFile: ODD, module: CORE, workers: 1, firstSlot: 2 });
    t.after(() => background.close());
    const memory = shardOfOne(background);
    const [set, behind] = [pool.register([memory]), background.register([memory])];
    let isDone = false;
    const long = background.search(behind, ask(ASK.linger, 400)).then(() => {
      isDone = true;
    });
    for (let i = 0; i < 5; i++) await pool.search(set, ask(ASK.answer));
    assert.equal(isDone, false);
    await long;
  });

  test('gives way to all others, where the system knows the priority of a thread', (t) => {
    if (process.platform !== 'linux') return t.skip('the system knows the priority of processes only');
    const worker = new Worker(new URL('../support/background-thread.js', import.meta.url));
    return once(worker, 'message').then(([priority]) => {
      assert.equal(priority, constants.priority.PRIORITY_LOW);
      if (getPriority() === constants.priority.PRIORITY_LOW) t.diagnostic('this process has it too');
    });
  });

  test('is refused where there are no slots left', () => {
    const options = { workerFile: ODD, module: CORE, workers: 2, firstSlot: 63 };
    refuses(() => new SearchPool(options), 'limit_exceeded');
  });
});

describe('deadlines', () => {
  test('that passed before a search begins give nothing, and say so', async (t) => {
    const pool = poolOf(t, 1, REAL);
    const set = pool.register([shardOfOne(pool)]);
    const now = performance.timeOrigin + performance.now();
    const late = hitsOf((await pool.search(set, { ...ask(ASK.answer), deadlineAtMs: now - 1 }))[0]);
    assert.deepEqual([late.ids, late.complete], [[], false]);
    const early = hitsOf((await pool.search(set, { ...ask(ASK.answer), deadlineAtMs: now + 60_000 }))[0]);
    assert.deepEqual([early.ids, early.complete], [['only'], true]);
  });
});

describe('searches that nobody waits for', () => {
  test('are not begun: their deadline passed, or their caller left, while they waited', async (t) => {
    const pool = poolOf(t, 1);
    const set = pool.register([shardOfOne(pool)]);
    await settled(pool, set);
    // Two tasks keep the thread and its desk busy while the rest waits
    const busy = [pool.search(set, ask(ASK.linger, 60))];
    await new Promise(setImmediate);
    busy.push(pool.search(set, ask(ASK.linger, 60)));
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    const now = performance.timeOrigin + performance.now();
    let isGone = false;
    const caller = { isGone: () => isGone };
    const waiting = [
      pool.search(set, { ...ask(ASK.exit), deadlineAtMs: now + 20 }),
      pool.search(set, ask(ASK.answer)),
      pool.search(set, ask(ASK.exit), 1, caller),
      pool.search(set, { ...ask(ASK.answer), deadlineAtMs: now + 60_000 }),
      pool.search(set, ask(ASK.exit), 1, caller),
    ];
    isGone = true;
    const answered = (await Promise.all(waiting)).map(([result]) => hitsOf(result).complete);
    assert.deepEqual(answered, [false, true, false, true, false]);
    await Promise.all(busy);
  });

  test('make room; what waits beyond the room there is, is refused as overloaded', async (t) => {
    const pool = new SearchPool({ workerFile: ODD, module: CORE, workers: 1, waitingBytesMax: 120 });
    t.after(() => pool.close());
    const set = pool.register([shardOfOne(pool)]);
    await settled(pool, set);
    const caller = { isGone: () => true };
    // A query of two dimensions takes 40 bytes
    const taken = Array.from({ length: 3 }, () => pool.search(set, ask(ASK.exit), 1, caller));
    await assert.rejects(pool.search(set, ask(ASK.answer)), { code: 'overloaded' });
    await Promise.all(taken);
    assert.equal(hitsOf((await pool.search(set, ask(ASK.answer)))[0]).complete, true);
  });
});

test('a pool of no threads, or of more than a memory has slots for, is refused', () => {
  for (const workers of [0, 64, 1000, 1.5, Number.NaN]) {
    refuses(() => new SearchPool({ workerFile: ODD, module: CORE, workers }), 'limit_exceeded', 'workers');
  }
});
