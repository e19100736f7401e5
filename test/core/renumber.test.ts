import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { trainBasis } from '../../src/core/basis.ts';
import { renumber } from '../../src/core/renumber.ts';
import type { Shard, ShardConfig } from '../../src/core/shard.ts';
import { Prng } from '../../src/lib/prng.ts';
import { refuses } from '../lib/refuses.ts';
import { clusteredData, configOf, drawMany, openShard, PRECISIONS, search, uniformData } from './shards.ts';

const ROW = { rowStride: 24, listsOffset: 12, lists: 1 };
const id = (i: number) => `pin ${i}`;

/** A shard of as many pins as there are vectors, each with a row and a keyword list of its own. */
function filled(config: ShardConfig, vectors: readonly Float32Array[]) {
  const basis =
    config.dim > 56
      ? trainBasis(Float32Array.from(vectors.flatMap((v) => [...v])), config.dim, config.metric, 1)
      : null;
  const opened = openShard({ ...config, ...ROW }, 2 ** 28, 2, basis);
  for (const [i, vector] of vectors.entries()) {
    const row = new Uint8Array(ROW.rowStride);
    new DataView(row.buffer).setFloat64(0, i, true);
    new DataView(row.buffer).setUint32(16, i + 7, true);
    opened.writer.insert(vector, Buffer.from(id(i)), row, [
      Uint32Array.from({ length: i % 4 }, (_, l) => i + l),
    ]);
  }
  return opened;
}

/** All that a shard holds of an ordinal, but for its links. */
function contentsOf(shard: Shard, ordinal: number) {
  const row = shard.row(ordinal);
  const list = [...shard.list(row.getUint32(ROW.listsOffset, true))];
  row.setUint32(ROW.listsOffset, 0);
  return {
    id: shard.id(ordinal),
    vector: [...shard.vector(ordinal)],
    row: [...new Uint8Array(row.buffer)],
    list,
  };
}

/** The share of links that lead to one of the 64 ordinals of the same page of codes. */
function shareNearby(shard: Shard, count: number): number {
  const links = Array.from({ length: count }, (_, o) =>
    shard.links(o).map((link) => link >>> 6 === o >>> 6),
  ).flat();
  return links.filter(Boolean).length / links.length;
}

describe('a renumbered shard', () => {
  for (const [name, precision] of Object.entries(PRECISIONS)) {
    test(`holds the same and finds the same, ${name}`, () => {
      const random = new Prng(31);
      const config = configOf({ dim: 64, metric: 'cosine', ...precision, blockShift: 6, heapBytes: 2 ** 13 });
      const draw = clusteredData(random, 'cosine', 64, 20);
      const vectors = drawMany(1500, draw);
      const queries = drawMany(40, draw);
      const { memory, writer, reader } = filled(config, vectors);
      const found = (exact: boolean) =>
        queries.map((query) =>
          search(reader, query, 10, 60, { exact }).map(({ ordinal, distance }) => [
            reader.id(ordinal),
            distance,
          ]),
        );
      const before = [found(false), found(true)];
      const contents = vectors.map((_, i) => contentsOf(writer, i));
      const nearby = shareNearby(writer, vectors.length);

      const places = renumber(memory);
      assert.equal(writer.validate(), undefined);
      assert.deepEqual(
        [...places].sort((a, b) => a - b),
        [...vectors.keys()],
      );
      for (const [i, expected] of contents.entries())
        assert.deepEqual(contentsOf(writer, places[i]!), expected);
      assert.deepEqual([found(false), found(true)], before);
      assert.ok(shareNearby(writer, vectors.length) > 2 * nearby);
    });
  }

  test('takes more pins, and lets go of others', () => {
    const random = new Prng(32);
    const draw = uniformData(random, 'l2', 12);
    const { memory, writer, reader } = filled(configOf({ dim: 12, metric: 'l2' }), drawMany(400, draw));
    const places = renumber(memory);
    for (let i = 0; i < 400; i += 2) writer.remove(places[i]!);
    for (let i = 0; i < 200; i++) {
      const vector = draw();
      const ordinal = writer.insert(vector, Buffer.from(`new ${i}`), new Uint8Array(ROW.rowStride), [
        new Uint32Array(0),
      ]);
      assert.equal(search(reader, vector, 1, 40)[0]!.ordinal, ordinal);
    }
    assert.equal(writer.validate(), undefined);
  });

  test('may be empty, or hold one pin', () => {
    for (const count of [0, 1]) {
      const { memory, writer } = filled(
        configOf({ dim: 4, metric: 'l2' }),
        drawMany(count, uniformData(new Prng(1), 'l2', 4)),
      );
      assert.deepEqual(
        [...renumber(memory)],
        Array.from({ length: count }, (_, i) => i),
      );
      assert.equal(writer.validate(), undefined);
    }
  });

  test('is refused once pins were removed', () => {
    const { memory, writer } = filled(
      configOf({ dim: 4, metric: 'l2' }),
      drawMany(20, uniformData(new Prng(1), 'l2', 4)),
    );
    writer.remove(3);
    refuses(() => renumber(memory), 'internal');
    assert.equal(writer.validate(), undefined);
  });
});
