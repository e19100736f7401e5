/** The order of writes where the log and the graphs do not agree: a refusal is told when nothing can undo it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Applier } from '../../src/engines/apply.ts';
import type { LivePins } from '../../src/engines/live-pins.ts';
import { WriteQueue, type WriteTarget } from '../../src/engines/write-queue.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import type { IndexLog } from '../../src/shards/log-thread.ts';
import type { LoggedUpdate } from '../../src/storage/update-log.ts';

/** A log whose disk takes nothing back as long as it is full. */
class FullLog {
  readonly logged = new Set<number>();
  isFull = true;
  tries = 0;

  async append(updates: readonly LoggedUpdate[]): Promise<void> {
    for (const { seq } of updates) this.logged.add(seq);
  }

  async takeBack(seqs: readonly number[]): Promise<void> {
    this.tries++;
    if (this.isFull) throw new NearpinError('disk_full', 'the disk is full');
    for (const seq of seqs) this.logged.delete(seq);
  }
}

/** A queue on graphs that refuse pins called `bad` once they are logged. */
function openQueue() {
  const log = new FullLog();
  const applier = {
    async apply(group, commit) {
      await commit();
      const isBad = group.some(({ operations }) => operations.some(({ id }) => id === 'bad'));
      if (isBad) throw new NearpinError('shard_full', 'the shard is full');
    },
    async settled() {},
  } as Partial<Applier>;
  const pins = { get: () => undefined } as Partial<LivePins>;
  const target = { pins, applier, model: null } as WriteTarget;
  const hooks = { onFault: () => {}, onVisible: () => {} };
  const queue = new WriteQueue(log as unknown as IndexLog, 0, target, hooks);
  const write = (id: string) => queue.write([{ kind: 'delete', id }], [{}], 'ids');
  return { log, queue, write, target };
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    assert.ok(i < 2000, 'it has not come to it');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a write that is in the log and could not be applied', () => {
  test('is refused only when it is out of the log, however long the disk is full', async () => {
    const { log, queue, write } = openQueue();
    await write('good');
    let told: string | undefined;
    const refused = write('bad').catch(({ code }: NearpinError) => {
      told = code;
    });
    await until(() => log.tries >= 2);
    assert.equal(told, undefined);
    assert.ok(log.logged.has(2));
    assert.deepEqual([queue.durableSeq, queue.settledSeq], [2, 1]);

    await write('another');
    assert.deepEqual([queue.durableSeq, queue.settledSeq], [3, 1]);
    let isQuiet = false;
    const paused = queue.pause().then(() => {
      isQuiet = true;
    });
    await new Promise(setImmediate);
    assert.equal(isQuiet, false, 'what is in the log and is to go must not be taken for a write');

    log.isFull = false;
    await refused;
    assert.equal(told, 'shard_full');
    assert.deepEqual([...log.logged], [1, 3]);
    assert.equal(queue.settledSeq, 3);
    await paused;
  });

  test('is not said to be refused when the index is closed before that', async () => {
    const { log, queue, write } = openQueue();
    const outcome = write('bad').catch((error: NearpinError) => error);
    await until(() => log.tries >= 1);
    await queue.close(new NearpinError('closed', 'the index is closed'));
    const error = (await outcome) as NearpinError;
    assert.equal(error.code, 'closed');
    assert.match(error.message, /may be there when the index is opened again/);
    assert.deepEqual([...log.logged], [1]);
  });
});

describe('a write that waits while its target is exchanged', () => {
  test('goes on where the other takes it, and is refused where it was checked for another kind', async () => {
    const { log, queue, write, target } = openQueue();
    await queue.pause();
    const kept = write('kept');
    queue.retarget(target);
    queue.resume();
    await kept;
    await queue.pause();
    const refused = write('refused');
    queue.retarget(target, new NearpinError('overloaded', 'try again'));
    queue.resume();
    await assert.rejects(refused, { code: 'overloaded' });
    assert.equal(queue.waitingPins, 0);
    await write('next');
    assert.deepEqual([...log.logged], [1, 3]);
  });
});
