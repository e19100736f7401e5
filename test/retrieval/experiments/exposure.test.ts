/** The buffer of records: bounded, behind the requests, and honest about what it loses. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ExposureLog,
  type ExposureRecord,
  type LogRecord,
  loggedAnswer,
  WAITING_HITS_MAX,
  WAITING_RECORDS_MAX,
} from '../../../src/retrieval/experiments/exposure.ts';

const exposure = (requestId: string, hits = 0): ExposureRecord => ({
  kind: 'exposure',
  at: 0,
  requestId,
  surface: 'related',
  experiment: 'e',
  arm: 'a',
  index: 'i',
  generation: 'g',
  model: null,
  tookMs: 1,
  hits: Array.from({ length: hits }, (_, i) => ({ id: `p${i}` })),
});

/** A sink that holds each batch until it is let go. */
function heldSink() {
  const batches: (readonly LogRecord[])[] = [];
  const release: ((error?: Error) => void)[] = [];
  const write = (records: readonly LogRecord[]) => {
    batches.push(records);
    return new Promise<void>((resolve, reject) => {
      release.push((error) => (error ? reject(error) : resolve()));
    });
  };
  return { batches, release, write };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the exposure log', () => {
  it('writes what comes in one turn together, in order, and nothing while it is being recorded', async () => {
    const { batches, release, write } = heldSink();
    const log = new ExposureLog(write);
    for (const id of ['r1', 'r2', 'r3']) log.record(exposure(id));
    assert.equal(batches.length, 0);
    await turn();
    assert.deepEqual(
      batches.map((batch) => batch.map(({ requestId }) => requestId)),
      [['r1', 'r2', 'r3']],
    );
    log.record(exposure('r4'));
    release[0]!();
    await turn();
    release[1]!();
    await log.flush();
    assert.deepEqual(log.counts(), { written: 4, dropped: 0, failed: 0, waiting: 0 });
    assert.equal(batches[1]![0]!.requestId, 'r4');
  });

  it('drops and counts what finds it full of records, and takes more once there is room', async () => {
    const { release, write } = heldSink();
    const log = new ExposureLog(write);
    log.record(exposure('first'));
    await turn();
    for (let i = 0; i < WAITING_RECORDS_MAX + 7; i++) log.record(exposure(`r${i}`));
    assert.deepEqual(log.counts(), { written: 0, dropped: 7, failed: 0, waiting: WAITING_RECORDS_MAX });
    release[0]!();
    await turn();
    log.record(exposure('after'));
    assert.equal(log.counts().dropped, 7);
    release[1]!();
    await turn();
    release[2]!();
    await log.flush();
    assert.equal(log.counts().written, WAITING_RECORDS_MAX + 2);
  });

  it('drops and counts what finds it full of hits', () => {
    const log = new ExposureLog(heldSink().write);
    const each = WAITING_HITS_MAX / 4;
    for (let i = 0; i < 5; i++) log.record(exposure(`r${i}`, each));
    assert.deepEqual([log.counts().waiting, log.counts().dropped], [4, 1]);
    log.record(exposure('none', 0));
    assert.equal(log.counts().waiting, 5);
  });

  it('counts what cannot be written, says so once, and goes on with the next', async () => {
    const failures: unknown[] = [];
    const { release, write } = heldSink();
    const log = new ExposureLog(write, (error) => failures.push(error));
    const full = new Error('the disk is full');
    for (const [i, error] of [full, full, undefined, full].entries()) {
      log.record(exposure(`r${i}`));
      await turn();
      release[i]!(error);
      await log.flush();
    }
    assert.deepEqual(log.counts(), { written: 1, dropped: 0, failed: 3, waiting: 0 });
    assert.deepEqual(failures, [full, full]);
  });

  it('keeps of an answer what analysis needs, and not its payloads', () => {
    const answer = {
      hits: [
        { id: 'p1', source: 'seeds', team: 'a', score: 1, payload: { big: true } },
        { id: 'p2', score: 0 },
      ],
      tookMs: 2,
      generation: '000001',
      model: 'm@1',
      ef: 64,
    };
    assert.deepEqual(loggedAnswer('demo', answer), {
      index: 'demo',
      generation: '000001',
      model: 'm@1',
      tookMs: 2,
      hits: [{ id: 'p1', source: 'seeds', team: 'a' }, { id: 'p2' }],
    });
  });
});
