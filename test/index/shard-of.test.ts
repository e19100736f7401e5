import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { shardOf } from '../../src/index/shard-of.ts';

describe('the shard of a pin', () => {
  // Computed once; they are part of the file format.
  test('never changes', () => {
    const ids = ['', '0', '1', 'pin-17', 'ä😀', 'a'.repeat(128)];
    assert.deepEqual(
      ids.map((id) => shardOf(id, 2 ** 32)),
      [2872998923, 1693486945, 1428125071, 3678539338, 4172838722, 803760171],
    );
  });

  test('is the same from the id and from its UTF-8 bytes', () => {
    for (const id of ['x', 'ä😀', '123']) assert.equal(shardOf(id, 61), shardOf(Buffer.from(id), 61));
  });

  test('is always the one shard there is', () => assert.equal(shardOf('x', 1), 0));

  for (const shards of [2, 3, 8, 64]) {
    test(`spreads numbered pins over ${shards} shards`, () => {
      const pins = 64_000;
      const counts = new Array<number>(shards).fill(0);
      for (let i = 0; i < pins; i++) counts[shardOf(String(i), shards)]!++;
      const mean = pins / shards;
      // Five standard deviations of a fair draw.
      for (const count of counts) assert.ok(Math.abs(count - mean) < 5 * Math.sqrt(mean), String(counts));
    });
  }
});
