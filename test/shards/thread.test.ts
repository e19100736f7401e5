/** A thread that keeps state: its calls are answered in order, and one that dies is followed by another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Thread } from '../../src/shards/thread.ts';

const open = () => new Thread(new URL('../support/thread-worker.js', import.meta.url), undefined);

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
