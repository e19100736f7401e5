/** A thread that keeps state: its calls are answered in order, and one that dies is followed by another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Thread } from '../../src/shards/thread.ts';

const WORKER = new URL('../support/thread-worker.js', import.meta.url);
const open = () => new Thread(WORKER, undefined);

test('a thread answers calls in the order in which they were made, each with its own outcome', async () => {
  const thread = open();
  const [slow, failed, quick] = await Promise.allSettled([
    thread.call<number>('wait'),
    thread.call<number>('fail'),
    thread.call<number>('count'),
  ]);
  assert.deepEqual(
    [slow, quick].map((each) => each.status === 'fulfilled' && each.value),
    [1, 2],
  );
  assert.ok(failed.status === 'rejected');
  assert.deepEqual([failed.reason.code, failed.reason.details[0].path], ['disk_full', 'here']);
  await thread.close();
  await assert.rejects(thread.call('count'), { code: 'closed' });
});

test('a thread that dies ends the calls it had, and the next call has another', async () => {
  const thread = open();
  assert.equal(await thread.call('count'), 1);
  const lost = await Promise.allSettled([thread.call('die'), thread.call('count')]);
  for (const each of lost) assert.equal(each.status === 'rejected' && each.reason.code, 'closed');
  assert.equal(await thread.call('count'), 1);
  await thread.close();
});

test('a buffer that a call has spent is gone when it is answered', async () => {
  const thread = open();
  const bytes = new Uint8Array(1000);
  assert.equal(await thread.call<number>(bytes, [bytes.buffer]), 1000);
  assert.equal(await thread.call<number>('kept'), 0);
  await thread.close();
});

test('a thread that is closed while it loads is ended when it has', async () => {
  const loading = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Thread(WORKER, loading);
  const lost = assert.rejects(thread.call('wait'), { code: 'closed' });
  while (Atomics.load(loading, 0) === 0) await sleep(1);
  const closed = Promise.all([thread.close(), thread.close()]);
  await sleep(50);
  Atomics.store(loading, 0, 2);
  Atomics.notify(loading, 0);
  await closed;
  assert.equal(loading[0], 3);
  await lost;
});

test('closing ends where there is no thread: not started, not loadable, dead', async () => {
  await open().close();
  const absent = new Thread(new URL('no-such-worker.js', import.meta.url), undefined);
  await Promise.all([assert.rejects(absent.call('count'), { code: 'closed' }), absent.close()]);
  const dead = open();
  await Promise.all([assert.rejects(dead.call('die'), { code: 'closed' }), dead.close()]);
  await dead.close();
});

test('an answer that comes while a thread is closed does not let the process end before', async () => {
  const thread = open();
  await thread.call('count');
  const answered = thread.call('count');
  // The answer is there, and is not read before the thread is closed
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  const closed = thread.close();
  assert.equal(await answered, 2);
  await closed;
});
