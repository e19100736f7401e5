import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownTurn } from '../../src/lib/own-turn.ts';

test('each has a turn of the event loop of its own, in order, and the first does not wait', async () => {
  const log: string[] = [];
  let turn = 0;
  const count = () => {
    turn++;
    if (log.length < 4) setImmediate(count);
  };
  setImmediate(count);
  const works = ['a', 'b', 'c', 'd'].map(async (name) => {
    await ownTurn();
    log.push(`${name}${turn}`);
  });
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(log, ['a0']);
  await Promise.all(works);
  const turns = log.map((entry) => Number(entry.slice(1)));
  assert.equal(log.map((entry) => entry[0]).join(''), 'abcd');
  assert.deepEqual([...new Set(turns)], turns, String(log));

  // Nobody has a turn now
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  let isLate = false;
  setImmediate(() => {
    isLate = true;
  });
  await ownTurn();
  assert.equal(isLate, false);
});
