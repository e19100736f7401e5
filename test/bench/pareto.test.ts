import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { atRecall, type Point, paretoFront } from '../../bench/report/pareto.ts';

const points = fc.array(
  fc.record({
    recall: fc.integer({ min: 0, max: 20 }).map((n) => n / 20),
    qps: fc.integer({ min: 1, max: 50 }),
  }),
  { maxLength: 12 },
);

/** The naive twin: whoever no other beats, one of each kind. */
function frontByDefinition(all: readonly Point[]): Point[] {
  const kept = all.filter(
    (point, i) =>
      !all.some(
        (other, j) =>
          other.recall >= point.recall &&
          other.qps >= point.qps &&
          (other.recall > point.recall || other.qps > point.qps || j < i),
      ),
  );
  return kept.sort((a, b) => a.recall - b.recall);
}

test('the front is what no other point beats', () => {
  fc.assert(
    fc.property(points, (all) => assert.deepEqual(paretoFront(all), frontByDefinition(all))),
    { seed: 1, numRuns: 500 },
  );
});

test('a value at a measured recall is the measured one', () => {
  const all = [
    { recall: 0.9, qps: 1000 },
    { recall: 0.95, qps: 700 },
    { recall: 0.99, qps: 300 },
  ];
  for (const { recall, qps } of all) assert.equal(atRecall(all, recall), qps);
});

test('between two points the logarithm of the value is linear in recall', () => {
  const all = [
    { recall: 0.9, qps: 1000 },
    { recall: 1, qps: 10 },
  ];
  assert.ok(Math.abs(atRecall(all, 0.95)! - 100) < 1e-9);
});

test('a point that is beaten does not bend the line', () => {
  const front = [
    { recall: 0.9, qps: 1000 },
    { recall: 0.99, qps: 100 },
  ];
  assert.equal(atRecall([...front, { recall: 0.94, qps: 50 }], 0.95), atRecall(front, 0.95));
});

test('nothing is said of a recall beyond what was measured', () => {
  assert.equal(atRecall([], 0.5), null);
  fc.assert(
    fc.property(points, fc.double({ min: 0, max: 1, noNaN: true }), (all, recall) => {
      const front = paretoFront(all);
      const value = atRecall(all, recall);
      const isWithin = front.length > 0 && recall >= front[0]!.recall && recall <= front.at(-1)!.recall;
      assert.equal(value !== null, isWithin);
      if (value === null) return;
      assert.ok(value >= front.at(-1)!.qps * (1 - 1e-12) && value <= front[0]!.qps * (1 + 1e-12));
    }),
    { seed: 2, numRuns: 500 },
  );
});
