/** What is believed: held against a list that does the same without cleverness. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Believed } from '../../../src/server/auth/believed.ts';

const MAX = 4;
const step = fc.record({
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
  /** Absent for a look. */
  holds: fc.option(fc.nat(20), { nil: undefined }),
  passes: fc.nat(3),
});

it('what is believed is the newest of so many, until its time has come', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const believed = new Believed<number>(MAX);
      let list: { key: string; value: number; untilMs: number }[] = [];
      let nowMs = 0;
      for (const [value, { key, holds, passes }] of steps.entries()) {
        nowMs += passes;
        if (holds === undefined) {
          const entry = list.find((one) => one.key === key);
          const isOver = entry !== undefined && nowMs >= entry.untilMs;
          // One that is over goes when it is asked for
          if (isOver) list = list.filter((one) => one !== entry);
          assert.equal(believed.get(key, nowMs), isOver ? undefined : entry?.value);
        } else {
          list = [...list.filter((one) => one.key !== key), { key, value, untilMs: nowMs + holds }].slice(
            -MAX,
          );
          believed.set(key, value, nowMs + holds);
        }
      }
    }),
    { seed: 65, numRuns: 500 },
  );
});
