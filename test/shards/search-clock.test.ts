import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { monotonicMs } from '../../src/shards/protocol.ts';
import { SearchClock } from '../../src/shards/search-clock.ts';

const counter = () => new BigInt64Array(new SharedArrayBuffer(8));

/** A file that tells how long a thread has waited, as the system would. */
function toldWaits(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'nearpin-clock-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const schedstat = join(directory, 'schedstat');
  const tell = (waitedNs: number) => writeFileSync(schedstat, `71234567 ${waitedNs} 42\n`);
  return { schedstat, tell };
}

/** Keeps the core busy for some milliseconds by the clock. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** A task of so many searches, each with as much work in it, and more around it. @returns what they took by the clock, ms */
function runTask(clock: SearchClock, searches: number, ms: number, aroundMs = 0): number {
  let takenMs = 0;
  clock.begin(searches);
  for (let i = 0; i < searches; i++) {
    work(aroundMs);
    clock.startSearch();
    work(ms);
    takenMs += clock.endSearch();
  }
  clock.end();
  return takenMs;
}

test('what searches take is counted, and nothing around them', () => {
  const total = counter();
  const clock = new SearchClock(total);
  const takenMs = runTask(clock, 8, 0, 1);
  const around = Number(total[0]);
  assert.ok(around <= takenMs * 1e6 + 1, `${around} ns of ${takenMs} ms, with 8 ms around them`);
  for (let task = 0; task < 3; task++) runTask(clock, 10, 1);
  assert.ok(Number(total[0]) > around);
});

test('a search is told when it began and how long it took by the clock', () => {
  const clock = new SearchClock(counter());
  clock.begin(1);
  const before = monotonicMs();
  const startedMs = clock.startSearch();
  work(2);
  const ms = clock.endSearch();
  assert.ok(startedMs >= before && startedMs + ms <= monotonicMs());
  assert.ok(ms >= 2, `${ms} ms`);
});

test('time without a core is not counted, as much of it as the system tells', (t) => {
  const { schedstat, tell } = toldWaits(t);
  tell(5e9);
  const total = counter();
  const clock = new SearchClock(total, 8, schedstat);
  let takenNs = 0;
  const search = () => {
    clock.startSearch();
    work(1);
    takenNs += clock.endSearch() * 1e6;
  };

  clock.begin(10);
  for (let i = 0; i < 10; i++) search();
  tell(5e9 + 4e6);
  clock.end();
  assert.equal(Number(total[0]), Math.round(takenNs - 4e6), 'a wait within a task');

  tell(7e9);
  const before = Number(total[0]);
  takenNs = 0;
  clock.begin(10);
  for (let i = 0; i < 10; i++) search();
  clock.end();
  assert.equal(Number(total[0]) - before, Math.round(takenNs), 'a wait between tasks');

  const earlier = Number(total[0]);
  clock.begin(10);
  search();
  tell(8e9);
  clock.end();
  assert.equal(Number(total[0]), earlier, 'a wait around the searches of a task is at most all of them');
});

test('a thread that gives way is counted search by search: one that waited long says nothing of those before it', (t) => {
  const { schedstat, tell } = toldWaits(t);
  tell(0);
  const total = counter();
  const clock = new SearchClock(total, 1, schedstat);
  for (const waitedMs of [0, 3, 0, 1, 0, 0, 2, 0, 4]) {
    const before = Number(total[0]);
    clock.begin(1);
    clock.startSearch();
    work(waitedMs + 1);
    tell(waitedMs * 1e6);
    const ranNs = clock.endSearch() * 1e6 - waitedMs * 1e6;
    clock.end();
    assert.equal(Number(total[0]) - before, Math.round(ranNs));
    tell(0);
  }
});

test('where the system does not tell, time by the clock is counted', () => {
  const total = counter();
  const clock = new SearchClock(total, 8, '/nowhere/schedstat');
  clock.begin(8);
  clock.startSearch();
  work(1);
  const ms = clock.endSearch();
  clock.end();
  assert.equal(Number(total[0]), Math.round(ms * 1e6));
});

test('threads add to one total, of tasks of any length', () => {
  const total = counter();
  const clocks = [new SearchClock(total), new SearchClock(total)];
  let last = 0n;
  for (const searches of [1, 3, 9, 1, 1]) {
    // What is taken off for a wait that others had makes up in the tasks that follow
    for (let tries = 0; tries < 100 && total[0] === last; tries++)
      for (const clock of clocks) runTask(clock, searches, 0.2);
    assert.ok(total[0]! > last, `tasks of ${searches}`);
    last = total[0]!;
  }
});
