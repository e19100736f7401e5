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
      admission.ended(atMs, beganMs);
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
  for (const { atMs, beganMs } of endings) admission.ended(atMs, beganMs);
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
    assert.ok(Math.max(...settled) <= 30, `${Math.max(...settled)} ms once the queue stands`);
    assert.ok(Math.min(...settled) > 15, 'and the room is used');
  });

  it('keeps search threads busy however slow requests are, and never takes more than its most', () => {
    const slow = new Admission(BOUNDS);
    simulate(slow, { arrivalsPerMs: 1, workMs: 100, forMs: 2000 });
    assert.equal(slow.limit, 8);
    const fast = new Admission(BOUNDS);
    simulate(fast, { arrivalsPerMs: 90, workMs: 0.01, forMs: 2000 });
    assert.equal(fast.limit, 200);
  });

  it('follows a rate that changes', () => {
    const admission = new Admission(BOUNDS);
    simulate(admission, { arrivalsPerMs: 6, workMs: 0.5, forMs: 1000 });
    const before = admission.limit;
    assert.ok(before >= 45 && before <= 55, String(before));
    simulate(admission, { arrivalsPerMs: 6, workMs: 2, forMs: 3000, startMs: 10_000 });
    assert.ok(admission.limit >= 10 && admission.limit <= 15, String(admission.limit));
  });

  it('has no room for who would have to wait too long, once the threads are busy', () => {
    const admission = new Admission(BOUNDS);
    simulate(admission, { arrivalsPerMs: 6, workMs: 0.5, forMs: 1000 });
    for (let i = 0; i < 40; i++) admission.began(5000);
    const full = [FOR_EVER, 30, 10].map((patienceMs) => admission.isFull(5000, patienceMs));
    assert.deepEqual(full, [false, false, true]);
    for (let i = 0; i < 35; i++) admission.ended(5001, 5000);
    assert.equal(admission.isFull(5001, 1), false, 'what is first in line is tried');
  });

  it('takes a burst in for as long as it may wait, and half as much once the queue stands', () => {
    const admission = new Admission(BOUNDS);
    simulate(admission, { arrivalsPerMs: 6, workMs: 0.5, forMs: 1000 });
    for (let i = 0; i < 75; i++) admission.began(5000);
    assert.ok(admission.limit < 75);
    assert.deepEqual([admission.isFull(5500, FOR_EVER), admission.isFull(5501, FOR_EVER)], [false, true]);
    for (let i = 0; i < 40; i++) admission.began(5050);
    assert.equal(admission.isFull(5050, FOR_EVER), true, 'longer than the bound nothing waits');
  });

  it('takes bursts in again when requests are answered soon again', () => {
    const admission = new Admission(BOUNDS);
    simulate(admission, { arrivalsPerMs: 6, workMs: 0.5, forMs: 2000 });
    const fill = (nowMs: number) => {
      let taken = 0;
      while (!admission.isFull(nowMs, FOR_EVER)) {
        admission.began(nowMs);
        taken++;
      }
      for (let i = 0; i < taken; i++) admission.ended(nowMs, nowMs - BOUNDS.maxWaitMs);
      return taken;
    };
    const whenStanding = fill(2030);
    simulate(admission, { arrivalsPerMs: 1, workMs: 0.5, forMs: 500, startMs: 2040 });
    const afterwards = fill(2545);
    assert.ok(afterwards > 1.8 * whenStanding, `${whenStanding}, then ${afterwards}`);
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
