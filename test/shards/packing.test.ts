import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import type { ShardWork } from '../../src/lib/watch.ts';
import {
  AnswerPacker,
  type Asked,
  QueryQueue,
  unpackAnswers,
  unpackQueries,
} from '../../src/shards/packing.ts';
import type { ShardHits, ShardQuery } from '../../src/shards/protocol.ts';
import { ask } from '../support/one-pin.ts';

const RUNS = { seed: 7, numRuns: 300 };
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const PLAIN = { noNullPrototype: true };
const asked: fc.Arbitrary<Asked> = fc.record(
  {
    query: fc.record(
      {
        vector: fc.float32Array({ minLength: 1, maxLength: 40, noNaN: true }),
        k: u32,
        ef: u32,
        exact: fc.boolean(),
        program: fc.option(fc.uint32Array({ maxLength: 20 })),
        deadlineAtMs: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.double({ noNaN: true })),
        withVectors: fc.boolean(),
        explain: fc.boolean(),
      },
      PLAIN,
    ),
    shard: u32,
    askedMs: fc.double({ noNaN: true }),
  },
  PLAIN,
);
const WORK: ShardWork = {
  plan: 0,
  compared: 0,
  visited: 0,
  thread: 0,
  startedAtMs: 0,
  queuedMs: 0,
  searchMs: 0,
  filterMs: 0,
  rescoreMs: 0,
};

describe('queries', () => {
  test('come out in the order in which they went in, as many at once as are taken', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(asked, fc.nat(4)), { maxLength: 30 }), (steps) => {
        const queue = new QueryQueue();
        const waiting: Asked[] = [];
        const take = (count: number) => {
          // What travels, as a thread receives it
          const buffer = queue.shift(count);
          const moved = structuredClone(buffer, { transfer: [buffer] });
          assert.deepEqual(unpackQueries(moved), waiting.splice(0, count));
        };
        for (const [each, taken] of steps) {
          queue.push(each.query, each.shard, 1, each.askedMs);
          waiting.push(each);
          take(Math.min(taken, waiting.length));
        }
        take(waiting.length);
      }),
      RUNS,
    );
  });

  test('wait in whatever room they need, and come out whole', () => {
    const queue = new QueryQueue();
    const query = (i: number): ShardQuery => ({
      ...ask(1),
      vector: Float32Array.from({ length: 1000 }, (_, c) => i + c),
      k: i,
    });
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    for (const round of [0, 1]) {
      for (const i of numbers) {
        queue.push(query(i), round, 1, i);
        if (i % 3 === 2) queue.shift(1);
      }
      const left = unpackQueries(queue.shift(67));
      assert.deepEqual(
        left,
        numbers.slice(33).map((i) => ({ query: query(i), shard: round, askedMs: i })),
      );
    }
  });

  test('have each component multiplied, in f64 and rounded once', () => {
    const queue = new QueryQueue();
    const vector = Float32Array.of(3, -4, 1e-3);
    queue.push({ ...ask(1), vector }, 0, 1 / 3, 0);
    vector.fill(0);
    const [only] = unpackQueries(queue.shift(1));
    assert.deepEqual([...only!.query.vector], [3 / 3, -4 / 3, Math.fround(1e-3) / 3].map(Math.fround));
  });
});

describe('answers', () => {
  const hit = fc.record({
    // Of any width, so that some are longer in UTF-8 than in characters, and in any mixture
    id: fc.string({ unit: 'binary', maxLength: 60 }).filter((id) => Buffer.byteLength(id) < 256),
    ordinal: u32,
    distance: fc.double({ noNaN: true }),
  });
  const work = fc.record(
    {
      plan: u32,
      compared: u32,
      visited: u32,
      thread: u32,
      startedAtMs: fc.double(),
      queuedMs: fc.double(),
      searchMs: fc.double(),
      filterMs: fc.double(),
      rescoreMs: fc.double(),
    },
    PLAIN,
  );
  const answer = fc.record({
    hits: fc.array(hit, { maxLength: 12 }),
    ef: u32,
    complete: fc.boolean(),
    work,
  });
  const hitsOf = ({
    hits,
    ef,
    complete,
    work,
  }: {
    hits: { id: string; ordinal: number; distance: number }[];
    ef: number;
    complete: boolean;
    work: ShardWork;
  }): ShardHits => ({
    ids: hits.map(({ id }) => id),
    ordinals: hits.map(({ ordinal }) => ordinal),
    distances: hits.map(({ distance }) => distance),
    ef,
    complete,
    work,
  });
  /** Ids as a shard's memory holds them, and where. */
  const memoryOf = (ids: readonly string[]) => {
    const records = ids.map((id) => Buffer.concat([Buffer.of(Buffer.byteLength(id)), Buffer.from(id)]));
    // Not at its start, where a place of 0 might pass for one
    const memory = Buffer.concat([Buffer.alloc(3), ...records]);
    const idsAt = records.map((_, i) => 3 + Buffer.concat(records.slice(0, i)).length);
    return { memory, idsAt };
  };

  test('come out as they went in, whatever room they were thought to need', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 6 }), fc.nat(2000), (answers, bytes) => {
        const packer = new AnswerPacker(bytes);
        const expected = answers.map(hitsOf);
        for (const hits of expected) {
          const { memory, idsAt } = memoryOf(hits.ids);
          packer.add({ ...hits, idsAt }, memory);
        }
        const buffer = packer.end();
        assert.deepEqual(
          unpackAnswers(structuredClone(buffer, { transfer: [buffer] }), answers.length),
          expected,
        );
      }),
      RUNS,
    );
  });

  test('need no more room than they have when that was enough', () => {
    const { memory, idsAt } = memoryOf(['a', 'b']);
    const hits = { idsAt, ordinals: [0, 1], distances: [0, 1], ef: 9, complete: true, work: WORK };
    const first = new AnswerPacker(0);
    first.add(hits, memory);
    const second = new AnswerPacker(first.used);
    second.add(hits, memory);
    assert.equal(second.end().byteLength, first.used);
  });

  test('whose ids lie outside the memory are refused, and leave the others as they are', () => {
    const { memory, idsAt } = memoryOf(['first', 'second']);
    const packer = new AnswerPacker(0);
    const one = (at: number) => ({
      idsAt: [at],
      ordinals: [1],
      distances: [2],
      ef: 3,
      complete: true,
      work: WORK,
    });
    packer.add(one(idsAt[0]!), memory);
    for (const at of [memory.length, 2 ** 32, idsAt[1]!]) {
      assert.throws(() => packer.add(one(at), at === idsAt[1] ? memory.subarray(0, -1) : memory), RangeError);
    }
    packer.add(one(idsAt[1]!), memory);
    assert.deepEqual(
      unpackAnswers(packer.end(), 2).map(({ ids }) => ids),
      [['first'], ['second']],
    );
  });
});
