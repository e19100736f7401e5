/** The pins with the greatest values against sorting all of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PinInput } from '../../src/index/pin.ts';
import { Prng } from '../../src/lib/prng.ts';
import { greatestBy } from '../../src/retrieval/greatest.ts';
import { memoryEngine } from '../support/memory-engine.ts';

const ATTRIBUTES = { saves: 'number', at: 'time', topic: 'keyword' } as const;

function indexOf(pins: readonly PinInput[]) {
  const engine = memoryEngine({ dim: 4, attributes: ATTRIBUTES, pins });
  return { engine, index: { name: 'test', model: null, engine } };
}

function drawPins(seed: number, n: number, distinct: number): PinInput[] {
  const prng = new Prng(seed);
  return Array.from({ length: n }, (_, i) => ({
    id: `p${i}`,
    vector: [prng.normal(), prng.normal(), prng.normal(), prng.normal()],
    attributes: {
      topic: prng.pick(['red', 'blue']),
      // Every tenth has none
      ...(prng.below(10) > 0 && { saves: prng.below(distinct) }),
    },
  }));
}

const valuesOf = (pins: readonly PinInput[], topic?: string) =>
  pins
    .filter(({ attributes }) => topic === undefined || attributes!.topic === topic)
    .flatMap(({ id, attributes }) =>
      attributes!.saves === undefined ? [] : [{ id, value: attributes!.saves as number }],
    )
    .sort((a, b) => b.value - a.value || (a.id < b.id ? -1 : 1));

describe('greatestBy', () => {
  it('finds the greatest values, however many pins share one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 0, max: 600 }),
        fc.constantFrom(1, 2, 30, 1e6),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(undefined, 'red'),
        async (seed, n, distinct, wanted, topic) => {
          const pins = drawPins(seed, n, distinct);
          const { index } = indexOf(pins);
          const filter = topic === undefined ? undefined : { topic };
          const found = await greatestBy(index, { field: 'saves', wanted, filter });
          const expected = valuesOf(pins, topic).slice(0, wanted);
          assert.deepEqual(
            found.map(({ value }) => value),
            expected.map(({ value }) => value),
          );
          assert.equal(new Set(found.map(({ id }) => id)).size, found.length);
          if (distinct === 1e6) assert.deepEqual(found, expected);
        },
      ),
      { seed: 1, numRuns: 120 },
    );
  });

  it('needs few rounds where values differ', async () => {
    const { engine, index } = indexOf(drawPins(3, 20_000, 1e9));
    const found = await greatestBy(index, { field: 'saves', wanted: 10 });
    assert.deepEqual(found, valuesOf(drawPins(3, 20_000, 1e9)).slice(0, 10));
    assert.ok(engine.queries.length <= 12, `${engine.queries.length} searches`);
  });

  it('leaves out what is excluded or below the least value', async () => {
    const pins = [5, 4, 3, 2].map((saves, i) => ({
      id: `p${i}`,
      vector: [1, 0, 0, i],
      attributes: { saves },
    }));
    const { index } = indexOf(pins);
    const query = { field: 'saves', wanted: 10, exclude: ['p0'], least: 3 };
    assert.deepEqual(await greatestBy(index, query), [
      { id: 'p1', value: 4 },
      { id: 'p2', value: 3 },
    ]);
  });

  it('answers with what it has when the deadline passes', async () => {
    const engine = memoryEngine({
      dim: 4,
      attributes: ATTRIBUTES,
      pins: drawPins(1, 50, 9),
      clock: () => 10,
    });
    const index = { name: 'test', model: null, engine };
    assert.deepEqual(await greatestBy(index, { field: 'saves', wanted: 5, deadlineAtMs: 5 }), []);
    assert.equal(engine.queries.length, 1);
  });
});
