/** Changing the attribute row of a node while readers may be looking at it. */
import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { shardStats } from '../../src/core/shard.ts';
import { Prng } from '../../src/lib/prng.ts';
import { configOf, openShard, uniformData } from './shards.ts';

/** A number, a keyword, two lists. */
const ROW = { rowStride: 24, listsOffset: 12, lists: 2 };

function rowOf(number: number, keyword: number): Uint8Array {
  const row = new Uint8Array(ROW.rowStride);
  new DataView(row.buffer).setFloat64(0, number, true);
  new DataView(row.buffer).setUint32(8, keyword, true);
  return row;
}

function open(limitBytes = 2 ** 24) {
  const opened = openShard(configOf({ dim: 4, metric: 'l2', ...ROW }), limitBytes);
  const read = (ordinal: number) => {
    const row = opened.reader.row(ordinal);
    const lists = [0, 1].map((l) => [...opened.reader.list(row.getUint32(ROW.listsOffset + 4 * l, true))]);
    return [row.getFloat64(0, true), row.getUint32(8, true), ...lists];
  };
  return { ...opened, read };
}

const codes = (...values: number[]) => Uint32Array.from(values);

describe('a row', () => {
  test('is put in the place of another, and nothing else changes', () => {
    const { writer, reader, memory, read } = open();
    const draw = uniformData(new Prng(1), 'l2', 4);
    const vectors = Array.from({ length: 100 }, draw);
    for (const [i, vector] of vectors.entries()) {
      writer.insert(vector, Buffer.from(`p${i}`), rowOf(i, 1), [codes(i, i + 1), codes()]);
    }
    const before = [7, 8].map((ordinal) => [reader.id(ordinal), reader.links(ordinal)]);
    assert.equal(writer.setRow(7, rowOf(-5, 9), [codes(), codes(3, 4, 5, 6, 7)]), true);
    assert.deepEqual(read(7), [-5, 9, [], [3, 4, 5, 6, 7]]);
    assert.deepEqual(read(8), [8, 1, [8, 9], []]);
    assert.deepEqual(
      [7, 8].map((ordinal) => [reader.id(ordinal), reader.links(ordinal)]),
      before,
    );
    assert.equal(shardStats(memory).live, 100);
    assert.equal(writer.validate(), undefined);
  });

  test('of what is no live node is not set', () => {
    const { writer } = open();
    writer.insert(new Float32Array(4), Buffer.from('a'), rowOf(1, 1), []);
    assert.equal(writer.setRow(5, rowOf(2, 2), []), false);
    writer.remove(0);
    assert.equal(writer.setRow(0, rowOf(2, 2), []), false);
  });

  test('takes no more memory however often it changes', () => {
    const { writer, memory } = open();
    const random = new Prng(2);
    for (let i = 0; i < 50; i++)
      writer.insert(new Float32Array(4).fill(i), Buffer.from(`p${i}`), rowOf(0, 0), []);
    let early = 0;
    for (let round = 0; round < 20_000; round++) {
      const list = Uint32Array.from({ length: random.below(6) * 4 }, (_, i) => i + 1);
      writer.setRow(random.below(50), rowOf(round, 1), [list, codes(1)]);
      if (round === 2000) early = shardStats(memory).bytes;
    }
    // A leak of the smallest record in each change would be ten times as much
    assert.ok(shardStats(memory).bytes <= 2 * early, `${shardStats(memory).bytes} after ${early}`);
    assert.equal(writer.validate(), undefined);
  });

  test('leaves a list to the readers that were searching when it was replaced', () => {
    const { writer, reader, memory } = open();
    writer.insert(new Float32Array(4), Buffer.from('a'), rowOf(1, 1), [codes(11, 12, 13), codes()]);
    const reference = reader.row(0).getUint32(ROW.listsOffset, true);
    reader.search(new Float32Array(4), 1, 8, false, null, 100);
    for (let i = 0; i < 20; i++) {
      writer.setRow(0, rowOf(i, 1), [Uint32Array.from({ length: 3 }, () => i + 100), codes()]);
      assert.deepEqual([...reader.list(reference)], [11, 12, 13]);
    }
    reader.leave();
    const epochs = new Int32Array(memory.buffer, L.NP_READER_EPOCHS + L.NP_READER_EPOCH_STRIDE, 1);
    assert.equal(epochs[0], 0);
    for (let i = 0; i < 3; i++) writer.setRow(0, rowOf(i, 1), [codes(1, 2, 3), codes()]);
    assert.notDeepEqual([...reader.list(reference)], [11, 12, 13]);
  });

  test('for whose lists there is no room is refused, and the old one stays', () => {
    const { writer, read } = open(2 ** 21);
    writer.insert(new Float32Array(4), Buffer.from('a'), rowOf(1, 1), [codes(5), codes(6)]);
    const long = Uint32Array.from({ length: 256 }, (_, i) => i);
    assert.throws(
      () => {
        for (let i = 0; ; i++) {
          writer.insert(new Float32Array(4).fill(i), Buffer.from(`p${i}`), rowOf(1, 1), [long, long]);
        }
      },
      { code: 'shard_full' },
    );
    for (let n = 250; n > 200; n--) {
      try {
        writer.setRow(0, rowOf(9, 9), [long.subarray(0, n), long.subarray(0, n)]);
        assert.equal(read(0)[0], 9);
        return;
      } catch (error) {
        assert.equal((error as { code: string }).code, 'shard_full');
        assert.deepEqual(read(0), [1, 1, [5], [6]]);
      }
    }
  });
});
