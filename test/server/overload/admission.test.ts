import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Admission } from '../../../src/server/overload/admission.ts';

const BOUNDS = { maxWaitMs: 50, minInFlight: 8, maxInFlight: 200 };
const FOR_EVER = Number.POSITIVE_INFINITY;

/**
 * Requests come at a fixed rate for a while and are worked off one after the other; those for which there is no room are
 * refused. Returns what became of them.
 */
function simulate(admission: Admission, { arrivalsPerMs, workMs, forMs, startMs = 0 }: Load) {
  const began: number[] = [];
  let freeAtMs = startMs;
  let refused = 0;
  const waits: number[] = [];
  const endings: { readonly atMs: number; readonly beganMs: number }[] = [];
  for (let i = 0; i < forMs * arrivalsPerMs; i++) {
    const nowMs = startMs + i / arrivalsPerMs;
    while (endings.length > 0 && endings[0]!.atMs <= nowMs) {
      const { atMs, beganMs } = endings.shift()!;
      admission.ended(atMs);
      waits.push(atMs - beganMs);
    }
    if (admission.isFull(nowMs, FOR_EVER)) {
      refused++;
      continue;
    }
    began.push(nowMs);
    admission.began(nowMs);
    freeAtMs = Math.max(freeAtMs, nowMs) + workMs;
    endings.push({ atMs: freeAtMs, beganMs: nowMs });
  }
  for (const { atMs } of endings) admission.ended(atMs);
  return { taken: began.length, refused, waits };
}

interface Load {
  readonly arrivalsPerMs: number;
  readonly workMs: number;
  readonly forMs: number;
  readonly startMs?: number;
}

describe('admission', () => {
  it('takes everything in while there is less than can be done', () => {
    const admission = new Admission(BOUNDS);
    const { refused, taken } = simulate(admission, { arrivalsPerMs: 5, workMs: 0.1, forMs: 2000 });
    assert.deepEqual([taken, refused], [10_000, 0]);
    assert.equal(admission.inFlight, 0);
  });

  it('under three times what can be done answers as much as can be done, and nobody waits much longer than the bound', () => {
    const admission = new Admission(BOUNDS);
    const { refused, taken, waits } = simulate(admission, { arrivalsPerMs: 6, workMs: 0.5, forMs: 4000 });
    assert.ok(taken > 0.99 * 8000, `${taken} of 8000 that could be answered`);
    assert.equal(taken + refused, 24_000);
    assert.ok(Math.max(...waits.slice(waits.length / 8)) <= 55, `${Math.max(...waits)} ms`);
    const settled = waits.slice(waits.length / 2);
    assert.ok(Math.max(...settled) <= 18, `${Math.max(...settled)} ms once the queue stands`);
    assert.ok(Math.min(...settled) > 12, 'and the room is used');
  });

  it('keeps search threads busy however slow requests are, and never takes more than its most', () => {
    const slow = new Admission(BOUNDS);
    simulate(slow, { arrivalsPerMs: 1, workMs: 100, forMs: 2000 });
    assert.equal(slow.limit, 8);
    const fast = new Admission(BOUNDS);
    simulate(fast, { arrivalsPerMs: 90, workMs: 0.01, forMs: 2000 });
    assert.equal(fast.limit, 200);
  });

  it('takes in what fills the threads however little is answered, where it is answered within the bound', () => {
    const admission = new Admission(BOUNDS);
    // Who answers comes by every 20 ms, and then answers all that is there
    let taken = 0;
    for (let turn = 0; turn < 200; turn++) {
      const nowMs = 20 * turn;
      for (; admission.inFlight > 0; taken++) admission.ended(nowMs);
      for (let i = 0; i < 120 && !admission.isFull(nowMs, FOR_EVER); i++) admission.began(nowMs);
    }
    assert.ok(taken >= 190 * 32, `${taken}`);
  });

  it('follows a rate that changes', () => {
    const admission = new Admission(BOUNDS);
    simulate(admission, { arrivalsPerMs: 30, workMs: 0.1, forMs: 1000 });
    const before = admission.limit;
    assert.ok(before >= 90 && before <= 110, String(before));
    simulate(admission, { arrivalsPerMs: 6, workMs: 2, forMs: 3000, startMs: 10_000 });
    assert.ok(admission.limit >= 20 && admission.limit <= 30, String(admission.limit));
  });

  it('has no room for who would have to wait too long, once the threads are busy', () => {
    const admission = new Admission(BOUNDS);
    simulate(admission, { arrivalsPerMs: 6, workMs: 0.5, forMs: 1000 });
    for (let i = 0; i < 40; i++) admission.began(5000);
    const full = [FOR_EVER, 30, 10].map((patienceMs) => admission.isFull(5000, patienceMs));
    assert.deepEqual(full, [false, false, true]);
    for (let i = 0; i < 35; i++) admission.ended(5001);
    assert.equal(admission.isFull(5001, 1), false, 'what is first in line is tried');
  });

  it('takes a burst in for as long as it may wait, and less for half a second after it was full', () => {
    const admission = new Admission(BOUNDS);
    simulate(admission, { arrivalsPerMs: 6, workMs: 0.5, forMs: 1000 });
    for (let i = 0; i < 75; i++) admission.began(5000);
    assert.ok(admission.limit < 55);
    assert.equal(admission.isFull(5010, FOR_EVER), false);
    for (let i = 0; i < 40; i++) admission.began(5010);
    assert.equal(admission.isFull(5010, FOR_EVER), true, 'longer than the bound nothing waits');
    for (let i = 0; i < 60; i++) admission.ended(5030);
    assert.deepEqual([admission.isFull(5030, FOR_EVER), admission.isFull(5529, FOR_EVER)], [true, true]);
    assert.equal(admission.isFull(6029, FOR_EVER), false);
  });

  it('is not full for others when one would have to wait too long', () => {
    const admission = new Admission(BOUNDS);
    simulate(admission, { arrivalsPerMs: 6, workMs: 0.5, forMs: 1000 });
    for (let i = 0; i < 75; i++) admission.began(5000);
    assert.deepEqual([admission.isFull(5001, 5), admission.isFull(5002, FOR_EVER)], [true, false]);
  });

  it('counts what fails as ended', async () => {
    const admission = new Admission(BOUNDS);
    const failing = admission.during(
      () => 0,
      async () => {
        assert.equal(admission.inFlight, 1);
        throw new Error('no');
      },
    );
    await assert.rejects(failing, /no/);
    assert.equal(admission.inFlight, 0);
  });
});
