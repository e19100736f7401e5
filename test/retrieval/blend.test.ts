/** Turns by quotas: the promise of the divisor method, for every length of the answer. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nextTurn } from '../../src/retrieval/blend.ts';

/** The lists that give one hit after the other, until all are empty. */
function turns(quotas: readonly number[], lengths: readonly number[]): number[] {
  const given = new Uint32Array(quotas.length);
  const order: number[] = [];
  for (;;) {
    const isEmpty = lengths.map((length, i) => given[i]! >= length);
    const next = nextTurn(quotas, given, isEmpty);
    if (next < 0) return order;
    given[next]!++;
    order.push(next);
  }
}

const lists = fc.array(
  fc.record({
    quota: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.double({ min: 0.01, max: 1000, noNaN: true })),
    length: fc.integer({ min: 0, max: 30 }),
  }),
  { minLength: 1, maxLength: 6 },
);

describe('turns', () => {
  it('never give a list less than its share rounded down, while no list is empty', () => {
    fc.assert(
      fc.property(lists, (drawn) => {
        const quotas = drawn.map(({ quota }) => quota);
        const total = quotas.reduce((sum, quota) => sum + quota, 0);
        const endless = quotas.map(() => 40);
        const order = turns(quotas, endless);
        for (let length = 1; length <= 40; length++)
          for (const [list, quota] of quotas.entries()) {
            const share = Math.floor((length * quota) / total - 1e-9);
            assert.ok(order.slice(0, length).filter((turn) => turn === list).length >= share);
          }
      }),
      { seed: 31, numRuns: 300 },
    );
  });

  it('take all that there is, and leave the room of a short list to the others', () => {
    fc.assert(
      fc.property(lists, (drawn) => {
        const order = turns(
          drawn.map(({ quota }) => quota),
          drawn.map(({ length }) => length),
        );
        for (const [list, { length }] of drawn.entries())
          assert.equal(order.filter((turn) => turn === list).length, length);
      }),
      { seed: 32, numRuns: 300 },
    );
  });

  it('are in the order of the lists where quotas are equal, and follow unequal ones', () => {
    assert.deepEqual(turns([1, 1, 1], [2, 1, 2]), [0, 1, 2, 0, 2]);
    assert.deepEqual(turns([3, 1], [6, 2]), [0, 0, 0, 1, 0, 0, 0, 1]);
  });
});
