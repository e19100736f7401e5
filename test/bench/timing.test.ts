import assert from 'node:assert/strict';
import test from 'node:test';
import { isEnough } from '../../bench/runs/timing.ts';

const passes = (...wallS: readonly number[]) => wallS.map((s) => ({ wallS: s }));

test('measures a point until it took a quarter of a minute, and twice however long that takes', () => {
  assert.equal(isEnough([]), false);
  assert.equal(isEnough(passes(100)), false);
  assert.equal(isEnough(passes(100, 100)), true);
  assert.equal(isEnough(passes(5, 5, 4.9)), false);
  assert.equal(isEnough(passes(5, 5, 5)), true);
  assert.equal(isEnough(passes(...Array<number>(500).fill(0.02))), false);
});
