/** Masks that are kept: always those of the rows as they are, whoever changes what, and whoever dies meanwhile. */
import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { Shard } from '../../src/core/shard.ts';
import { OP, runProgram } from '../../src/index/filter-program.ts';
import { Prng } from '../../src/lib/prng.ts';
import { ACCEPTED, classRow, isClass, type MaskReport, PINS, STABLE } from './masks.ts';
import { CORE, clusteredData, configOf, type Opened, openShard, search, uniformData } from './shards.ts';

const ROW = { rowStride: 24, listsOffset: 12, lists: 1 };
const range = (low: number, high: number, flags = 1) => [
  OP.numRange,
  0,
  flags,
  ...new Uint32Array(Float64Array.of(low, high).buffer),
];
const program = (...words: number[]) => Uint32Array.from([...words, OP.end]);

function rowOf(number: number, keyword: number): Uint8Array {
  const row = new Uint8Array(ROW.rowStride);
  new DataView(row.buffer).setFloat64(0, number, true);
  new DataView(row.buffer).setUint32(8, keyword, true);
  return row;
}

/** What the filter accepts, by the naive twin of the evaluator. */
function accepted(shard: Shard, words: Uint32Array): number[] {
  return Array.from({ length: shard.count }, (_, ordinal) => ordinal).filter((ordinal) => {
    if (!shard.isLive(ordinal)) return false;
    const row = shard.row(ordinal);
    return runProgram(words, row, (offset) => shard.list(row.getUint32(offset, true)));
  });
}

/** What a search of everything that matches finds, by ordinal. */
function found(shard: Shard, words: Uint32Array): number[] {
  const { dim } = shard;
  const hits = search(shard, new Float32Array(dim), L.NP_K_MAX, 0, { exact: true, program: words });
  return hits.map(({ ordinal }) => ordinal).sort((a, b) => a - b);
}

/** More filters than there is room for masks. */
const FILTERS = Array.from({ length: L.NP_MASKS + 6 }, (_, i) => {
  if (i % 3 === 0) return program(...range(i, i + 20));
  if (i % 3 === 1) return program(OP.kwIn, 8, 2, 1 + (i % 5), 7 + (i % 3), OP.not);
  return program(OP.kwsAny, 12, 1, 1 + (i % 4), ...range(0, 3 * i), OP.or, 2);
});

/** The state of each slot. */
function slots({ memory, writer }: Pick<Opened, 'memory' | 'writer'>): Uint32Array[] {
  return Array.from({ length: L.NP_MASKS }, (_, slot) => {
    const at = writer.word(L.H_MASKS) + L.NP_CHANGES_NOTED * 4 + slot * writer.word(L.H_MASK_STRIDE);
    return new Uint32Array(memory.buffer, at, 1);
  });
}

function pinned({ memory }: Pick<Opened, 'memory'>, reader: number): Int32Array {
  return new Int32Array(memory.buffer, L.NP_READER_EPOCHS + reader * L.NP_READER_EPOCH_STRIDE + 4, 1);
}

describe('a kept mask', () => {
  test('follows every change of a row and of what is live', () => {
    const { writer, reader, memory } = openShard(configOf({ dim: 2, metric: 'l2', ...ROW }), 2 ** 24, 3);
    const readers = [reader, new Shard(CORE, memory, 2)];
    const random = new Prng(1);
    const draw = uniformData(random, 'l2', 2);
    const live: number[] = [];
    const row = () => rowOf(random.below(60), random.below(10));
    const lists = () => [Uint32Array.from({ length: random.below(3) }, (_, i) => 1 + i + random.below(3))];
    const insert = () => live.push(writer.insert(draw(), Buffer.from('x'), row(), lists()));
    for (let i = 0; i < 150; i++) insert();
    let cached = 0;
    for (let round = 0; round < 1500; round++) {
      const kind = random.below(6);
      if (kind === 0) insert();
      if (kind === 1 && live.length > 50) writer.remove(live.splice(random.below(live.length), 1)[0]!);
      if (kind === 2) writer.setRow(random.pick(live), row(), lists());
      // Mostly from a few, so that some masks are used again and others make room
      const words = FILTERS[random.below(random.below(3) === 0 ? FILTERS.length : 8)]!;
      const shard = random.pick(readers);
      assert.deepEqual(found(shard, words), accepted(writer, words), `round ${round}`);
      const stats = shard.stats();
      if (stats.mask === 'cached') cached++;
      assert.equal(stats.matching, accepted(writer, words).length);
    }
    assert.ok(cached > 700 && cached < 1450, `${cached} of 1500 searches had their mask`);
  });

  test('is made in slices, and takes in what changes between them', () => {
    const { writer, reader } = openShard(configOf({ dim: 2, metric: 'l2', ...ROW }), 2 ** 24);
    const draw = uniformData(new Prng(2), 'l2', 2);
    for (let i = 0; i < 3000; i++) writer.insert(draw(), Buffer.from('x'), rowOf(i % 50, 1), []);
    const words = program(...range(0, 25));
    for (const changes of [1, 100, 800, L.NP_CHANGES_NOTED]) {
      let done = reader.search(new Float32Array(2), 10, 0, true, words, 40);
      assert.equal(done, false);
      const random = new Prng(changes);
      for (let i = 0; i < changes; i++) {
        const ordinal = random.below(3000);
        if (i % 9 === 0 && writer.remove(ordinal)) writer.insert(draw(), Buffer.from('y'), rowOf(1, 1), []);
        else writer.setRow(ordinal, rowOf(random.below(50), 1), []);
      }
      while (!done) done = reader.resume(40);
      reader.leave();
      assert.deepEqual(found(reader, words), accepted(writer, words).slice(0, L.NP_K_MAX));
      const { mask } = reader.stats();
      assert.equal(mask, changes < L.NP_CHANGES_NOTED ? 'cached' : 'evaluated', `${changes} changes`);
      // Another filter's, so that the next round evaluates this one anew
      for (let i = 0; i < 3 * L.NP_MASKS; i++) found(reader, program(...range(100 + i, 200)));
    }
  });

  test('is given up by nobody who uses it, and taken over from nobody who lives', () => {
    const opened = openShard(configOf({ dim: 2, metric: 'l2', ...ROW }), 2 ** 24, 3);
    const { writer, reader, memory } = opened;
    const other = new Shard(CORE, memory, 2);
    for (let i = 0; i < 500; i++)
      writer.insert(Float32Array.of(i, 0), Buffer.from('x'), rowOf(i % 50, 1), []);
    const words = program(...range(0, 20));
    found(reader, words);
    let done = reader.search(new Float32Array(2), 10, 0, true, words, 1);
    assert.equal(reader.stats().mask, 'cached');
    assert.notEqual(pinned(opened, 1)[0], 0);
    for (let i = 0; i < 5 * L.NP_MASKS; i++) found(other, program(...range(100 + i, 200)));
    while (!done) done = reader.resume(1);
    assert.deepEqual(
      Array.from({ length: reader.hits() }, (_, i) => reader.hitOrdinal(i)),
      accepted(writer, words).slice(0, 10),
    );
    reader.leave();
    assert.equal(pinned(opened, 1)[0], 0);
    found(reader, words);
    assert.equal(reader.stats().mask, 'cached', 'it was not taken while it was used');
  });

  test('of a thread that died while it made it holds nobody up', () => {
    const opened = openShard(configOf({ dim: 2, metric: 'l2', ...ROW }), 2 ** 24, 3);
    const { writer, reader, memory } = opened;
    const heir = new Shard(CORE, memory, 2);
    for (let i = 0; i < 500; i++)
      writer.insert(Float32Array.of(i, 0), Buffer.from('x'), rowOf(i % 50, 1), []);
    const [filling, filled] = [1, 2];
    for (const [i, slot] of slots(opened).entries()) slot[0] = (2 << 2) | (i % 2 === 0 ? filling : filled);
    writer.setRow(3, rowOf(7, 1), []);
    for (let i = 0; i < 4; i++) {
      const words = FILTERS[i]!;
      assert.deepEqual(found(reader, words), accepted(writer, words));
      assert.equal(reader.stats().mask, 'evaluated');
    }
    // The thread that gets the dead one's number takes its slots
    for (let i = 0; i < 4; i++) found(heir, FILTERS[i]!);
    for (let i = 0; i < 4; i++) {
      assert.deepEqual(found(reader, FILTERS[i]!), accepted(writer, FILTERS[i]!));
      assert.equal(reader.stats().mask, 'cached');
    }
    // What a dead thread used stays used until its place is taken
    pinned(opened, 2)[0] = 1;
    for (let i = 0; i < 5 * L.NP_MASKS; i++) {
      const words = program(...range(i, 40));
      assert.deepEqual(found(reader, words), accepted(writer, words));
    }
  });

  test('of a filter too long to keep is evaluated each time', () => {
    const { writer, reader } = openShard(configOf({ dim: 2, metric: 'l2', ...ROW }), 2 ** 24);
    for (let i = 0; i < 100; i++) writer.insert(Float32Array.of(i, 0), Buffer.from('x'), rowOf(i, i), []);
    const codes = Array.from({ length: L.NP_MASK_PROGRAM_BYTES / 4 }, (_, i) => 2 * i + 1);
    const words = program(OP.kwIn, 8, codes.length, ...codes);
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(found(reader, words), accepted(writer, words));
      assert.equal(reader.stats().mask, 'evaluated');
    }
  });
});

describe('filters that accept the same pins', () => {
  const COUNT = 4000;
  const config = configOf({ dim: 8, metric: 'l2', m: 8, blockShift: 8, heapBytes: 2 ** 14, ...ROW });
  const opened = openShard(config, 2 ** 26, 3);
  const { writer, reader, memory } = opened;
  const other = new Shard(CORE, memory, 2);
  const random = new Prng(5);
  const draw = clusteredData(random, 'l2', 8, 16);
  for (let i = 0; i < COUNT; i++) {
    const cluster = random.below(16);
    writer.insert(draw(cluster), Buffer.from('x'), rowOf(i % 1000, 1 + cluster), []);
  }
  for (let i = 0; i < COUNT; i += 40) writer.remove(i);

  /** Ways to say the same: of whole numbers below 1000, and of keywords 1 to 16. */
  const below = (n: number) => [
    range(0, n),
    range(-1, n - 0.5, 2),
    range(0, n - 1, 3),
    [...range(n, 1e9, 1), OP.not],
    [...range(0, n), OP.true, OP.and, 2],
    [...range(0, n), OP.false, OP.or, 2],
    [...range(0, n / 2), ...range(n / 2, n), OP.or, 2],
  ];
  const upTo = (n: number) => {
    const codes = Array.from({ length: n }, (_, i) => i + 1);
    const others = Array.from({ length: 16 - n }, (_, i) => n + i + 1);
    return [
      [OP.kwIn, 8, n, ...codes],
      [OP.kwIn, 8, 16 - n, ...others, OP.not],
      [...codes.flatMap((code) => [OP.kwIn, 8, 1, code]), OP.or, n],
      [OP.kwIn, 8, n, ...codes, OP.exists, 0, 0, OP.and, 2],
    ];
  };

  const filter = fc.oneof(
    fc.integer({ min: 1, max: 1000 }).map(below),
    fc.integer({ min: 1, max: 15 }).map(upTo),
  );

  test('give the same hits by the same plan, whichever masks are kept, in any reader and in slices', () => {
    const plans = new Set<string>();
    fc.assert(
      fc.property(filter, fc.integer({ min: 0, max: 15 }), fc.constantFrom(8, 40), (ways, cluster, ef) => {
        const query = draw(cluster);
        const outcomes = ways.flatMap((words) =>
          [reader, other, reader].map((shard, i) => {
            const budget = i === 1 ? 100 : 0x7fffffff;
            const hits = search(shard, query, 5, ef, { program: program(...words), budget });
            return { hits, plan: shard.stats().plan };
          }),
        );
        for (const outcome of outcomes) assert.deepEqual(outcome, outcomes[0]);
        plans.add(outcomes[0]!.plan);
      }),
      { seed: 6, numRuns: 150 },
    );
    assert.deepEqual([...plans].sort(), ['graph', 'scan', 'two-hop']);
  });

  test('find nothing when what they accept was removed, or is nothing', () => {
    const removed = Array.from({ length: 1000 }, (_, i) => i).filter((i) => i % 40 === 0);
    const words = new Uint32Array(Float64Array.from(removed).buffer);
    const gone = program(OP.numIn, 0, removed.length, ...words);
    const most = program(...range(0, 5000), OP.not, OP.numIn, 0, removed.length, ...words, OP.or, 2);
    for (const nothing of [gone, most, program(OP.false), program(...range(3, 3))]) {
      for (let again = 0; again < 2; again++) {
        assert.deepEqual(search(reader, draw(), 5, 40, { program: nothing }), []);
        assert.deepEqual(search(reader, draw(), 5, 40, { program: nothing, exact: true }), []);
      }
    }
  });
});

test('threads that search while rows change under them find what was there all along, and in the end what is there', async () => {
  const opened = openShard(
    configOf({ dim: 4, metric: 'l2', rowStride: 8, m: 6, efConstruction: 20 }),
    2 ** 26,
    4,
  );
  const { memory, writer, reader } = opened;
  const random = new Prng(9);
  const draw = uniformData(random, 'l2', 4);
  for (let i = 0; i < PINS; i++) writer.insert(draw(), Buffer.from(String(i)), classRow(i % 40));
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const workers = [1, 2, 3].map((slot) => {
    const worker = new Worker(new URL('./masks-reader.js', import.meta.url), {
      workerData: { memory, slot, stop },
    });
    return new Promise<MaskReport>((resolve, reject) => {
      worker.on('message', resolve);
      worker.on('error', reject);
    });
  });
  let changes = 0;
  for (const end = performance.now() + 2000; performance.now() < end; ) {
    for (let i = 0; i < 300; i++, changes++) {
      writer.setRow(STABLE + random.below(PINS - STABLE), classRow(random.below(40)), []);
    }
    await new Promise((resolve) => setTimeout(resolve, random.below(2)));
  }
  Atomics.store(stop, 0, 1);
  let cached = 0;
  for (const report of await Promise.all(workers)) {
    assert.deepEqual(report.faults, []);
    assert.ok(report.searches > 20, `${report.searches} searches beside ${changes} changes`);
    cached += report.cached;
  }
  assert.ok(cached > 0, 'no search ever had a mask that was kept');
  for (let limit = 0; limit < ACCEPTED; limit++) {
    for (let again = 0; again < 2; again++)
      assert.deepEqual(found(reader, isClass(limit)), accepted(writer, isClass(limit)));
  }
});
