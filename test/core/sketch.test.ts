/** Sketches of number columns: what a filter accepts by a sketch is what it accepts row by row, whoever changes what. */
import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { LAYOUT as L } from '../../src/core/layout.ts';
import type { Shard } from '../../src/core/shard.ts';
import { OP, runProgram } from '../../src/index/filter-program.ts';
import { Prng } from '../../src/lib/prng.ts';
import { configOf, openShard, search } from './shards.ts';

const COLUMNS = 6;
const ROW = { rowStride: 8 * COLUMNS };
const PINS = 1500;

/** A number of the kind that a column holds. */
function draw(random: Prng, column: number): number {
  const x = random.float();
  if (column === 0) return x * 2 - 1;
  if (column === 1) return Math.floor(x * 30);
  if (column === 2) return x < 0.2 ? Number.NaN : Math.exp(40 * x);
  if (column === 3) return x < 0.1 ? -Infinity : x > 0.9 ? Infinity : (x - 0.5) * 1e308;
  return column === 4 ? (x < 0.5 ? -0 : 0) : x;
}

function rowOf(random: Prng): Uint8Array {
  return new Uint8Array(Float64Array.from({ length: COLUMNS }, (_, column) => draw(random, column)).buffer);
}

/** A range of a column, mostly between numbers that it holds. */
function rangeOf(random: Prng, column: number): Uint32Array {
  const bound = (open: number) => (random.below(5) === 0 ? open : draw(random, column));
  const bounds = Float64Array.of(bound(-Infinity), bound(Infinity));
  return Uint32Array.of(OP.numRange, 8 * column, random.below(4), ...new Uint32Array(bounds.buffer), OP.end);
}

function accepted(shard: Shard, words: Uint32Array): number[] {
  return Array.from({ length: shard.count }, (_, ordinal) => ordinal).filter((ordinal) => {
    return shard.isLive(ordinal) && runProgram(words, shard.row(ordinal), () => new Uint32Array(0));
  });
}

function found(shard: Shard, words: Uint32Array): number[] {
  const hits = search(shard, new Float32Array(2), L.NP_K_MAX, 0, { exact: true, program: words });
  return hits.map(({ ordinal }) => ordinal).sort((a, b) => a - b);
}

describe('a sketch', () => {
  test('accepts what the rows accept, before it is there and after, while pins come, change and go', () => {
    const { writer, reader, memory } = openShard(configOf({ dim: 2, metric: 'l2', ...ROW }));
    const random = new Prng(5);
    const live: number[] = [];
    const insert = () =>
      live.push(writer.insert(Float32Array.of(random.float(), 0), Buffer.from('x'), rowOf(random), []));
    for (let i = 0; i < PINS; i++) insert();
    for (let round = 0; round < 900; round++) {
      const words = rangeOf(random, random.below(COLUMNS));
      assert.deepEqual(found(reader, words), accepted(writer, words), `round ${round}: ${words.join(' ')}`);
      const kind = random.below(4);
      if (kind === 0) insert();
      if (kind === 1 && live.length > PINS / 2) writer.remove(live.splice(random.below(live.length), 1)[0]!);
      if (kind === 2) writer.setRow(random.pick(live), rowOf(random), []);
    }
    const states = Array.from({ length: L.NP_SKETCHES }, (_, slot) => {
      const at = writer.word(L.H_SKETCHES) + slot * writer.word(L.H_SKETCH_STRIDE);
      return new Uint32Array(memory.buffer, at, 1)[0];
    });
    // Valid, all of them
    assert.deepEqual(
      states,
      states.map(() => 3),
    );
  });

  test('is filled in slices, and takes in what changes between them', () => {
    const { writer, reader } = openShard(configOf({ dim: 2, metric: 'l2', ...ROW }));
    const random = new Prng(6);
    for (let i = 0; i < PINS; i++)
      writer.insert(Float32Array.of(random.float(), 0), Buffer.from('x'), rowOf(random), []);
    for (let round = 0; round < 6; round++) {
      const words = rangeOf(random, 0);
      let done = reader.search(new Float32Array(2), 10, 0, true, words, 100);
      while (!done) {
        const ordinal = random.below(PINS);
        if (random.below(3) > 0) writer.setRow(ordinal, rowOf(random), []);
        else if (writer.remove(ordinal))
          writer.insert(Float32Array.of(0, 0), Buffer.from('y'), rowOf(random), []);
        done = reader.resume(100);
      }
      reader.leave();
      for (let i = 0; i < 20; i++) {
        const other = rangeOf(random, 0);
        assert.deepEqual(found(reader, other), accepted(writer, other), `round ${round}`);
      }
    }
  });

  test('that too much has changed under is not filled again by the same search, which ends', () => {
    const { writer, reader } = openShard(configOf({ dim: 2, metric: 'l2', ...ROW }));
    const random = new Prng(7);
    for (let i = 0; i < PINS; i++)
      writer.insert(Float32Array.of(random.float(), 0), Buffer.from('x'), rowOf(random), []);
    const words = rangeOf(random, 0);
    for (let asked = 0; asked < 4; asked++) {
      let done = reader.search(new Float32Array(2), 10, 0, true, words, 10);
      for (let i = 0; i < L.NP_CHANGES_NOTED + 10; i++) writer.setRow(random.below(PINS), rowOf(random), []);
      let slices = 0;
      for (; !done; slices++) {
        assert.ok(slices < PINS, 'the search does not end');
        done = reader.resume(10);
      }
      reader.leave();
    }
    for (let i = 0; i < 20; i++) {
      const other = rangeOf(random, 0);
      assert.deepEqual(found(reader, other), accepted(writer, other));
    }
  });
});
