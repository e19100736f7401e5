import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { shapeOf } from '../../../src/server/telemetry/shape-of.ts';

test('of what a body holds, a shape keeps numbers, switches and known words', () => {
  const body = {
    k: 10,
    exact: true,
    text: 'brass lamp',
    mode: 'dense',
    include: ['payload', 'attributes'],
    vector: [1, 2, 3],
    vectors: [[1], [2]],
    bits: new Uint8Array(7),
    filter: {
      $and: [{ price: { $gte: 10 } }, { colour: { $in: ['red', 'blue'] } }, { $not: { name: 'x' } }],
    },
    groupBy: { field: 'maker', size: 2 },
    nothing: null,
  };
  assert.deepEqual(shapeOf(body), {
    k: 10,
    exact: true,
    text: '10 characters',
    mode: 'dense',
    include: ['payload', 'attributes'],
    vector: '3 numbers',
    vectors: '2 entries',
    bits: '7 numbers',
    filter: {
      $and: [{ price: { $gte: 'number' } }, { colour: { $in: '2 entries' } }, { $not: { name: 'string' } }],
    },
    groupBy: { field: '5 characters', size: 2 },
    nothing: null,
  });
});

test('whatever is sent, a shape is short and says nothing of texts', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 20 }), (value) => {
      const marked = JSON.parse(JSON.stringify(value), (_, each) =>
        typeof each === 'string' ? 'MARK' : each,
      );
      const text = JSON.stringify(shapeOf({ body: marked, filter: marked })) ?? '';
      assert.ok(!text.includes('MARK'));
    }),
    { seed: 5, numRuns: 300 },
  );
  let deep: unknown = 1;
  for (let i = 0; i < 10_000; i++) deep = i % 2 === 0 ? { filter: deep } : { $and: [deep] };
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`.repeat(100), i]));
  assert.ok(JSON.stringify(shapeOf(deep)).length < 500);
  assert.ok(JSON.stringify(shapeOf(wide)).length < 5000);
});
