import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { monotonicMs } from '../../src/shards/protocol.ts';
import { SearchClock } from '../../src/shards/search-clock.ts';

const counter = () => new BigInt64Array(new SharedArrayBuffer(8));
const isTold = () => {
  try {
    return readFileSync('/proc/thread-self/schedstat').length > 0;
  } catch {
    return false;
  }
};

/** Keeps the core busy for some milliseconds by the clock. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** A task of so many searches, each with as much work in it, and more around it. */
function runTask(clock: SearchClock, searches: number, ms: number, aroundMs = 0): void {
  clock.begin(searches);
  for (let i = 0; i < searches; i++) {
    work(aroundMs);
    clock.startSearch();
    work(ms);
    clock.endSearch();
  }
  clock.end();
}

test('what searches take is counted, and nothing around them', () => {
  const total = counter();
  const clock = new SearchClock(total);
  runTask(clock, 8, 0, 1);
  const around = Number(total[0]);
  assert.ok(around < 4e6, `${around} ns of 8 empty searches with 8 ms around them`);
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

test('time without a core is not counted, where the system tells', (t) => {
  if (!isTold()) return t.skip('the system does not tell how long a thread waits for a core');
  const total = counter();
  const clock = new SearchClock(total);
  const before = process.cpuUsage();
  const start = performance.now();
  for (let task = 0; task < 10; task++) runTask(clock, 10, 2);
  const wallNs = (performance.now() - start) * 1e6;
  const { user, system } = process.cpuUsage(before);
  // All of the work is this thread's; the process has others, and its CPU time is rounded
  assert.ok(Number(total[0]) <= (user + system) * 1e3 + 1e6, `${total[0]} ns of ${user + system} us`);
  assert.ok(Number(total[0]) <= wallNs);
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
