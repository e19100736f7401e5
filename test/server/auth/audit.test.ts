/** The audit log: in order, on the disk before the answer, and what happens while it cannot be written. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  AuditLog,
  type AuditRecord,
  type DropRecord,
  WAITING_CALLS_MAX,
  WAITING_REFUSED_MAX,
} from '../../../src/server/auth/audit.ts';

const record = (requestId: string, kind: AuditRecord['kind'] = 'call'): AuditRecord => ({
  kind,
  at: 0,
  requestId,
  by: 'key',
  who: 'a',
  from: '127.0.0.1',
  method: 'PUT',
  route: '/',
  status: 200,
});

/** A log over a disk that writes when it is let, or fails. */
function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const disk: (AuditRecord | DropRecord)[] = [];
  const batches: number[] = [];
  const said: (string | undefined)[] = [];
  const state = { isBroken: false, gate: Promise.resolve() };
  const log = new AuditLog({
    write: async (records) => {
      await state.gate;
      if (state.isBroken) throw new Error('no space');
      batches.push(records.length);
      disk.push(...records);
    },
    clock: () => 7,
    onFailure: (error) => said.push((error as Error | undefined)?.message),
  });
  const ids = () => disk.flatMap((one) => (one.kind === 'dropped' ? [] : [one.requestId]));
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const retry = async () => {
    t.mock.timers.tick(1000);
    await settle();
  };
  return { log, disk, batches, said, state, ids, settle, retry };
}

function gate() {
  let open = () => {};
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { closed, open };
}

describe('the audit log', () => {
  it('has a record on the disk when it says so, in the order in which they came', async (t) => {
    const { log, ids } = start(t);
    await Promise.all(
      ['r1', 'r2', 'r3'].map(async (id) => {
        await log.record(record(id));
        assert.ok(ids().includes(id));
      }),
    );
    await log.record(record('r4'));
    assert.deepEqual(ids(), ['r1', 'r2', 'r3', 'r4']);
    assert.equal(await log.flush(), 0);
  });

  it('writes together what comes while it writes, and nobody waits for more than that', async (t) => {
    const { log, batches, state, ids } = start(t);
    const [first, second] = [gate(), gate()];
    state.gate = first.closed;
    const writing = log.record(record('r1'));
    await Promise.resolve();
    const later = ['r2', 'r3', 'r4'].map((id) => log.record(record(id)));
    state.gate = second.closed;
    first.open();
    await writing;
    assert.deepEqual(ids(), ['r1']);
    second.open();
    await Promise.all(later);
    assert.deepEqual(
      [batches, ids()],
      [
        [1, 3],
        ['r1', 'r2', 'r3', 'r4'],
      ],
    );
  });

  it('that cannot be written lets no call go on, keeps what there is, and writes it in order once it can', async (t) => {
    const { log, said, state, ids, settle, retry } = start(t);
    await log.record(record('r1'));
    state.isBroken = true;
    await log.record(record('r2'));
    assert.equal(log.isReady, false);
    // What was under way is answered
    await log.record(record('r3'));
    log.refused(record('r4', 'refused'));
    await retry();
    assert.deepEqual([ids(), log.isReady, log.counts().waiting], [['r1'], false, 3]);
    state.isBroken = false;
    await settle();
    assert.equal(log.isReady, false, 'nobody has tried');
    await retry();
    assert.deepEqual([ids(), log.isReady], [['r1', 'r2', 'r3', 'r4'], true]);
    assert.deepEqual(said, ['no space', undefined]);
    await log.record(record('r5'));
    assert.deepEqual(ids().at(-1), 'r5');
  });

  it('counts refused requests that find no room, and says how many', async (t) => {
    const { log, disk, state, retry } = start(t);
    state.isBroken = true;
    await log.record(record('r0'));
    for (let i = 0; i < WAITING_REFUSED_MAX + 9; i++) log.refused(record(`x${i}`, 'refused'));
    // A call has room all the same
    await log.record(record('r1'));
    state.isBroken = false;
    await retry();
    assert.equal(disk.length, WAITING_REFUSED_MAX + 2);
    assert.deepEqual(disk.at(-1), { kind: 'dropped', at: 7, refused: 10 });
    assert.deepEqual(log.counts(), { written: WAITING_REFUSED_MAX + 1, dropped: 10, waiting: 0 });
    await log.record(record('r2'));
    assert.equal(disk.filter(({ kind }) => kind === 'dropped').length, 1, 'said once');
  });

  it('lets no more calls go on than it can hold', async (t) => {
    const { log, state, ids } = start(t);
    const { closed, open } = gate();
    state.gate = closed;
    const all = Array.from({ length: WAITING_CALLS_MAX + 1 }, (_, i) => log.record(record(`r${i}`)));
    await Promise.resolve();
    assert.equal(log.isReady, true, 'they are being written');
    all.push(...Array.from({ length: WAITING_CALLS_MAX }, (_, i) => log.record(record(`s${i}`))));
    assert.equal(log.isReady, false);
    open();
    await Promise.all(all);
    assert.equal(log.isReady, true);
    assert.equal(ids().length, 2 * WAITING_CALLS_MAX + 1);
  });

  it('writes what waits when it is asked to, and says what still waits', async (t) => {
    const { log, state, ids } = start(t);
    state.isBroken = true;
    await log.record(record('r1'));
    assert.equal(await log.flush(), 1);
    state.isBroken = false;
    assert.equal(await log.flush(), 0);
    assert.deepEqual(ids(), ['r1']);
  });
});
