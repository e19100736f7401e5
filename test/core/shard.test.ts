import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { LAYOUT as L } from '../../src/core/layout.ts';
import type { Metric } from '../../src/core/metric.ts';
import { nearest } from '../../src/core/oracle.ts';
import {
  blockBytes,
  copyShard,
  createShard,
  estimateBytes,
  exportState,
  LIMIT_PAGES_MAX,
  reopenShard,
  Shard,
  type ShardConfig,
  shardStats,
} from '../../src/core/shard.ts';
import { OP } from '../../src/index/filter-program.ts';
import { Prng } from '../../src/lib/prng.ts';
import { refuses } from '../lib/refuses.ts';
import {
  CORE,
  clusteredData,
  configOf,
  drawMany,
  fill,
  hitsOf,
  openShard,
  oracleOf,
  PRECISIONS,
  reachable,
  recallOf,
  type SearchOptions,
  search,
  uniformData,
} from './shards.ts';

const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2'];
const PRECISION_NAMES = Object.keys(PRECISIONS) as (keyof typeof PRECISIONS)[];
const DIMS = [2, 3, 7, 16, 17, 100, 784, 4096];

const id = (text: string | number) => Buffer.from(String(text));

function eachConfig(check: (config: ShardConfig, name: string) => void): void {
  for (const metric of METRICS) {
    for (const precision of PRECISION_NAMES) {
      for (const dim of DIMS) {
        check(configOf({ dim, metric, ...PRECISIONS[precision] }), `${metric} ${precision} dim ${dim}`);
      }
    }
  }
}

describe('an exact scan', () => {
  test('gives the ordinals and the bits of the oracle, in every metric, precision and dim', () => {
    eachConfig((config, name) => {
      const random = new Prng(config.dim);
      const draw = uniformData(random, config.metric, config.dim);
      const vectors = drawMany(config.dim > 500 ? 40 : 150, draw);
      const { writer, reader } = openShard(config);
      fill(writer, vectors);
      for (let i = 0; i < vectors.length; i += 7) writer.remove(i);
      const distance = oracleOf(config);
      for (const query of [draw(), draw(), vectors[3]!, vectors[7]!]) {
        const expected = nearest(
          vectors.length,
          12,
          (i) => distance(query, vectors[i]!),
          (i) => i % 7 !== 0,
        );
        assert.deepEqual(search(reader, query, 12, 0, { exact: true }), expected, name);
      }
    });
  });

  test('breaks ties by ordinal', () => {
    const { writer, reader } = openShard(configOf({ dim: 2, metric: 'dot', ...PRECISIONS.f32 }));
    for (let i = 0; i < 40; i++) writer.insert(Float32Array.of(i % 2, 0), id(i));
    const hits = search(reader, Float32Array.of(0, 1), 40, 0, { exact: true });
    assert.deepEqual(
      hits,
      Array.from({ length: 40 }, (_, ordinal) => ({ ordinal, distance: 0 })),
    );
  });
});

describe('a graph search', () => {
  test('finds nearly all of the exact nearest, in every metric, precision and dim', () => {
    eachConfig((config, name) => {
      const count = config.dim > 500 ? 250 : config.dim > 50 ? 500 : 1200;
      for (const kind of ['uniform', 'clustered']) {
        const random = new Prng(config.dim + 1);
        const draw =
          kind === 'uniform'
            ? uniformData(random, config.metric, config.dim)
            : clusteredData(random, config.metric, config.dim);
        const { writer, reader } = openShard({ ...config, m: 8, efConstruction: 80 });
        fill(
          writer,
          drawMany(count, () => draw()),
        );
        const queries = drawMany(25, () => draw());
        const recall = recallOf(reader, queries, 10, 64);
        assert.ok(recall >= (config.metric === 'dot' ? 0.9 : 0.95), `${name} ${kind}: recall ${recall}`);
        assert.equal(writer.validate(), undefined);
      }
    });
  });
});

describe('k and ef', () => {
  const random = new Prng(5);
  const draw = uniformData(random, 'cosine', 7);
  const { writer, reader } = openShard(configOf({ dim: 7, metric: 'cosine' }));
  fill(writer, drawMany(60, draw));
  for (let i = 0; i < 20; i++) writer.remove(i);

  test('of as many and of more than there are pins give every live pin', () => {
    for (const k of [40, 41, 1000]) {
      for (const exact of [true, false]) {
        const hits = search(reader, draw(), k, 1, { exact });
        assert.deepEqual(
          hits.map(({ ordinal }) => ordinal).sort((a, b) => a - b),
          Array.from({ length: 40 }, (_, i) => i + 20),
        );
      }
    }
  });

  test('an ef below k is raised to k, one over the limit lowered to it', () => {
    for (const [k, ef, used] of [
      [10, 1, 10],
      [10, 0, 10],
      [10, 64, 64],
      [10, 100_000, L.NP_EF_MAX],
    ] as const) {
      assert.equal(search(reader, draw(), k, ef).length, 10);
      assert.equal(reader.stats().ef, used);
    }
    search(reader, draw(), 10, 64, { exact: true });
    assert.equal(reader.stats().ef, 0);
  });

  test('an empty shard has no hits, one pin is found by every query', () => {
    eachConfig((config, name) => {
      if (config.dim > 100) return;
      const { writer, reader } = openShard(config, 2 ** 24);
      const query = uniformData(new Prng(1), config.metric, config.dim);
      for (const exact of [true, false])
        assert.deepEqual(search(reader, query(), 10, 10, { exact }), [], name);
      const none = Uint32Array.of(OP.true, OP.end);
      assert.deepEqual(search(reader, query(), 10, 10, { program: none }), []);
      assert.equal(writer.validate(), undefined);
      writer.insert(query(), id('alone'));
      for (const exact of [true, false]) {
        assert.deepEqual(
          search(reader, query(), 10, 10, { exact }).map(({ ordinal }) => reader.id(ordinal)),
          ['alone'],
        );
      }
      assert.equal(writer.remove(0), true);
      assert.equal(writer.remove(0), false);
      assert.equal(writer.remove(1), false);
      assert.equal(writer.remove(0xffffffff), false);
      assert.deepEqual(search(reader, query(), 10, 10), []);
      assert.equal(writer.validate(), undefined);
    });
  });
});

describe('equal vectors', () => {
  test('ten thousand of them are all reachable, in few steps, and found beside others', () => {
    for (const metric of METRICS) {
      const config = configOf({
        dim: 8,
        metric,
        m: 8,
        efConstruction: 50,
        blockShift: 10,
        heapBytes: 2 ** 16,
      });
      const { writer, reader } = openShard(config);
      const random = new Prng(2);
      const draw = uniformData(random, metric, 8);
      const crowd = draw();
      const others = drawMany(300, draw);
      fill(writer, [
        ...others.slice(0, 150),
        ...Array<Float32Array>(10_000).fill(crowd),
        ...others.slice(150),
      ]);
      assert.equal(writer.validate(), undefined);
      const steps = reachable(reader);
      assert.equal(steps.size, 10_300, metric);
      // A tree of fan-out 8 over 10,000 is 5 deep; a chain would be hundreds.
      assert.ok(Math.max(...steps.values()) <= 24, `${metric}: ${Math.max(...steps.values())} steps`);
      const recall = recallOf(reader, [crowd, ...others.slice(100, 200)], 10, 100);
      assert.ok(recall >= 0.95, `${metric}: recall ${recall}`);
      for (let i = 150; i < 10_000; i++) writer.remove(i);
      assert.equal(writer.validate(), undefined);
      assert.equal(reachable(reader).size, 450);
    }
  });

  test('a fifth of the pins being copies costs no recall', () => {
    for (const metric of METRICS) {
      const random = new Prng(4);
      const draw = clusteredData(random, metric, 16);
      const vectors = drawMany(2000, () => draw());
      for (let i = 0; i < 400; i++) vectors.push(vectors[random.below(40)]!);
      const { writer, reader } = openShard(configOf({ dim: 16, metric }));
      fill(writer, vectors);
      assert.equal(writer.validate(), undefined);
      assert.equal(reachable(reader).size, vectors.length);
      const recall = recallOf(
        reader,
        drawMany(50, () => draw()),
        10,
        64,
      );
      assert.ok(recall >= (metric === 'dot' ? 0.93 : 0.97), `${metric}: recall ${recall}`);
    }
  });
});

describe('a pin', () => {
  test('comes back as it was put: id, row, lists and vector', () => {
    const random = new Prng(6);
    const config = configOf({ dim: 5, metric: 'l2', rowStride: 24, listsOffset: 12, lists: 2 });
    const { writer, reader } = openShard(config);
    const pins = Array.from({ length: 300 }, (_, i) => ({
      // 1..128 bytes of UTF-8, in characters of 1 to 4 bytes
      id: ['a', 'é', '桜', '🪴', 'x'][i % 5]!.repeat(1 + (i % 32)),
      row: Uint8Array.from({ length: 24 }, (_, byte) => (byte >= 12 && byte < 20 ? 0 : random.below(256))),
      lists: [0, 1].map(() =>
        Uint32Array.from({ length: random.below(4) === 0 ? 256 : random.below(5) }, () => random.u32()),
      ),
      vector: Float32Array.from({ length: 5 }, () => random.normal()),
    }));
    const put = (i: number) => {
      const pin = pins[i]!;
      return writer.insert(pin.vector, id(pin.id), pin.row, pin.lists);
    };
    const at = new Map(pins.map((_, i) => [put(i), i]));
    // Slots and records that were in use before must not show through.
    for (let round = 0; round < 400; round++) {
      const ordinal = [...at.keys()][random.below(at.size)]!;
      const i = at.get(ordinal)!;
      assert.equal(writer.remove(ordinal), true);
      at.delete(ordinal);
      at.set(put(i), i);
    }
    assert.equal(writer.validate(), undefined);
    assert.ok(shardStats(reader.memory).count < 400, 'slots were used again');
    for (const [ordinal, i] of at) {
      const pin = pins[i]!;
      assert.equal(reader.id(ordinal), pin.id);
      assert.deepEqual(reader.vector(ordinal), pin.vector);
      const row = reader.row(ordinal);
      const plain = (bytes: Uint8Array) => [...bytes.subarray(0, 12), ...bytes.subarray(20)];
      assert.deepEqual(plain(new Uint8Array(row.buffer, row.byteOffset, 24)), plain(pin.row));
      for (const [l, list] of pin.lists.entries()) {
        assert.deepEqual(reader.list(row.getUint32(12 + 4 * l, true)), list);
      }
    }
  });

  test('of the longest id is found under it', () => {
    const { writer, reader } = openShard(configOf({ dim: 2, metric: 'l2' }));
    for (const length of [1, 14, 15, 16, 31, 32, 127, 128]) {
      const ordinal = writer.insert(Float32Array.of(length, 0), id('i'.repeat(length)));
      assert.equal(reader.id(ordinal), 'i'.repeat(length));
    }
    const multibyte = '🪴'.repeat(32);
    assert.equal(reader.id(writer.insert(Float32Array.of(0, 0), id(multibyte))), multibyte);
  });

  test('that is held by codes alone comes back as near as its scale allows', () => {
    const { writer } = openShard(configOf({ dim: 33, metric: 'l2', ...PRECISIONS.i8 }));
    const vector = uniformData(new Prng(9), 'l2', 33)();
    const ordinal = writer.insert(vector, id('x'));
    const { scale } = writer.codeI8(ordinal);
    assert.equal(scale, Math.fround(Math.max(...vector.map(Math.abs)) / 127));
    for (const [i, x] of writer.vector(ordinal).entries()) {
      assert.ok(Math.abs(x - vector[i]!) <= scale * 0.5001);
    }
  });
});

/** Random insertions and removals that follow from the seed alone. */
function work(writer: Shard, steps: number, seed: number): void {
  const random = new Prng(seed);
  const draw = clusteredData(random, 'cosine', writer.dim);
  for (let i = 0; i < steps; i++) {
    if (random.below(3) === 0) writer.remove(random.below(i + 1));
    else writer.insert(draw(), id(`pin ${random.u32()}`));
  }
}

describe('a shard', () => {
  const config = configOf({ dim: 16, metric: 'cosine', m: 6, efConstruction: 40 });

  test('has the same bytes after the same work', () => {
    const [a, b] = [openShard(config), openShard(config, 2 ** 27, 5)];
    work(a.writer, 900, 1);
    work(b.writer, 900, 1);
    assert.ok(shardStats(a.memory).blocks >= 20, 'many blocks');
    assert.deepEqual(exportState(a.memory), exportState(b.memory));
    assert.ok(Buffer.from(blockBytes(a.memory)).equals(Buffer.from(blockBytes(b.memory))));
  });

  test('has other bytes under another seed', () => {
    const [a, b] = [openShard(config), openShard({ ...config, seed: 2 })];
    for (const { writer } of [a, b]) work(writer, 100, 1);
    assert.ok(!Buffer.from(blockBytes(a.memory)).equals(Buffer.from(blockBytes(b.memory))));
  });

  test('goes on from its copy as if it had never stopped', () => {
    const { memory, writer, reader } = openShard(config);
    work(writer, 700, 3);
    const bytes = blockBytes(memory);
    const copy = reopenShard(CORE, config, exportState(memory), bytes.length, {
      readers: 1,
      limitBytes: 2 ** 26,
    });
    blockBytes(copy).set(bytes);
    const twin = new Shard(CORE, copy, 0);
    assert.equal(twin.validate(), undefined);
    const query = uniformData(new Prng(1), 'cosine', 16)();
    assert.deepEqual(search(new Shard(CORE, copy, 1), query, 20, 50), search(reader, query, 20, 50));
    for (const shard of [writer, twin]) work(shard, 300, 4);
    assert.equal(twin.validate(), undefined);
    assert.deepEqual(exportState(copy), exportState(memory));
    assert.ok(Buffer.from(blockBytes(copy)).equals(Buffer.from(blockBytes(memory))));
  });

  test('is copied byte by byte, pages that nothing was written to among them', () => {
    // Blocks of several pages, most of whose slots are free
    const roomy = { ...config, blockShift: 12, heapBytes: 65536 };
    for (const count of [1, 900, 5000]) {
      const { memory, writer } = openShard(roomy);
      work(writer, count, count);
      const copy = copyShard(memory);
      assert.deepEqual(exportState(copy), exportState(memory));
      assert.ok(Buffer.from(blockBytes(copy)).equals(Buffer.from(blockBytes(memory))));
      assert.equal(new Shard(CORE, copy, 0).validate(), undefined);
    }
  });

  test('is seen alike by two instances, across growth', () => {
    const { memory, writer, reader } = openShard(config, 2 ** 28, 3);
    const other = new Shard(CORE, memory, 2);
    const pages = memory.buffer.byteLength;
    const query = uniformData(new Prng(2), 'cosine', 16)();
    for (let round = 0; round < 10; round++) {
      work(writer, 200, round);
      for (const exact of [true, false]) {
        const hits = search(reader, query, 10, 40, { exact });
        assert.deepEqual(search(other, query, 10, 40, { exact }), hits);
        for (const { ordinal } of hits) {
          assert.equal(other.id(ordinal), reader.id(ordinal));
          assert.equal(reader.isLive(ordinal), true);
        }
      }
    }
    assert.ok(memory.buffer.byteLength > pages);
  });

  test('takes about the bytes that were estimated', () => {
    for (const precision of PRECISION_NAMES) {
      const wide = configOf({
        dim: 100,
        metric: 'l2',
        ...PRECISIONS[precision],
        blockShift: 8,
        heapBytes: 2 ** 14,
      });
      const { memory, writer } = openShard(wide);
      fill(writer, drawMany(1000, uniformData(new Prng(1), 'l2', 100)));
      const { bytes } = shardStats(memory);
      const estimated = estimateBytes(wide, 1000);
      assert.ok(estimated >= bytes && estimated < bytes * 1.2, `${estimated} for ${bytes}`);
    }
  });
});

describe('a state from a file', () => {
  const config = configOf({ dim: 4, metric: 'l2' });
  const { memory, writer } = openShard(config);
  fill(writer, drawMany(50, uniformData(new Prng(1), 'l2', 4)));
  writer.remove(7);
  const bytes = blockBytes(memory).length;
  const reopen = (state: Uint32Array, length = bytes) =>
    reopenShard(CORE, config, state, length, { readers: 1, limitBytes: 2 ** 24 });

  test('is refused when it contradicts itself', () => {
    assert.doesNotThrow(() => reopen(exportState(memory)));
    const faults: [word: number, value: number][] = [
      [L.H_COUNT, 65],
      [L.H_COUNT, 0xffffffff],
      [L.H_LIVE, 51],
      [L.H_LIVE, 0],
      [L.H_BLOCKS, 3],
      [L.H_BLOCKS, 0xffffffff],
      [L.H_ENTRY, 50],
      [L.H_ENTRY, L.NP_NONE],
      [L.H_MAX_LEVEL, 16],
      [L.H_PRNG, 0],
      [L.H_FREE, 50],
      [L.H_PENDING, 50],
      [L.H_LIMBO_SWEPT, 50],
      [L.H_LIMBO_NEW, 0xfffffffe],
      [L.H_SWEEP_CURSOR, 51],
      [L.H_HEAP_BLOCK, 4],
      [L.H_HEAP_USED, config.heapBytes + 1],
      [L.H_HEAP_FREE + 1, bytes],
      [L.H_HEAP_FREE + L.NP_HEAP_CLASSES - 1, 0xffffffff],
    ];
    for (const [word, value] of faults) {
      const state = exportState(memory);
      state[word - L.H_STATE] = value;
      refuses(() => reopen(state), 'corrupt_file');
    }
    refuses(() => reopen(exportState(memory).subarray(1)), 'corrupt_file');
    refuses(() => reopen(exportState(memory), bytes + 4096), 'corrupt_file');
  });
});

describe('a full shard', () => {
  test('refuses a pin and stays as it is, whether slots or records ran out', () => {
    const random = new Prng(8);
    for (const [what, part, idBytes, listLength] of [
      ['slots', {}, 8, 0],
      ['records', { heapBytes: 1024 }, 128, 0],
      ['lists', { heapBytes: 2048, rowStride: 8, lists: 2 }, 16, 100],
    ] as const) {
      const config = configOf({ dim: 16, metric: 'l2', m: 4, ...part });
      const needed = createShard(CORE, config, { readers: 2, limitBytes: 2 ** 24 });
      const { writer, memory, reader } = openShard(config, needed.buffer.byteLength + 8 * 2 ** 16);
      const draw = uniformData(random, 'l2', 16);
      const lists = [0, 1].map(() => new Uint32Array(listLength).fill(7));
      const insert = () => writer.insert(draw(), Buffer.alloc(idBytes, 'x'), undefined, lists);
      const fillUp = (): number => {
        for (let n = 0; ; n++) {
          try {
            insert();
          } catch {
            return n;
          }
        }
      };
      assert.ok(fillUp() > 30, what);
      const query = draw();
      const before = [exportState(memory), search(reader, query, 10, 50), memory.buffer.byteLength] as const;
      for (let i = 0; i < 5; i++) refuses(insert, 'shard_full');
      assert.deepEqual(exportState(memory), before[0], what);
      assert.deepEqual(search(reader, query, 10, 50), before[1], what);
      assert.equal(memory.buffer.byteLength, before[2]);
      assert.equal(writer.validate(), undefined);

      const { live } = shardStats(memory);
      for (let i = 0; i < live; i += 2) writer.remove(i);
      assert.ok(fillUp() > live / 8, `${what}: what was removed makes room`);
      assert.equal(writer.validate(), undefined);
    }
  });

  test('cannot be made where its scratch alone is over the limit', () => {
    const config = configOf({ dim: 4096, metric: 'l2' });
    refuses(() => createShard(CORE, config, { readers: 2, limitBytes: 2 ** 18 }), 'shard_full');
    refuses(() => createShard(CORE, config, { readers: 64, limitBytes: 2 ** 21 }), 'shard_full');
  });

  test('takes no record that would not fit the heap of one block', () => {
    const config = configOf({ dim: 2, metric: 'l2', heapBytes: 512, rowStride: 8, lists: 1 });
    const { writer, memory } = openShard(config);
    fill(writer, drawMany(20, uniformData(new Prng(1), 'l2', 2)));
    const state = exportState(memory);
    const long = [new Uint32Array(256)];
    refuses(() => writer.insert(Float32Array.of(1, 1), id('x'), undefined, long), 'shard_full');
    assert.deepEqual(exportState(memory), state);
    assert.equal(writer.validate(), undefined);
  });
});

describe('addresses above 2 GiB', () => {
  test('hold pins that are inserted, found, removed and read like others', () => {
    // Blocks of 256 MiB, nearly all of which is heap that nobody touches.
    const config = configOf({ dim: 16, metric: 'l2', heapBytes: 2 ** 28 - 2 ** 16 });
    const { memory, writer, reader } = openShard(config, LIMIT_PAGES_MAX * L.NP_PAGE);
    const header = new Uint32Array(memory.buffer, L.NP_HEADER, L.NP_HEADER_BYTES / 4);
    const random = new Prng(10);
    const draw = clusteredData(random, 'l2', 16);
    const vectors = drawMany(200, () => draw());
    for (const [i, vector] of vectors.entries()) {
      // As if the heap of all blocks but the newest were full.
      header[L.H_HEAP_BLOCK] = Math.max(0, header[L.H_BLOCKS]! - 1);
      header[L.H_HEAP_USED] = 0x1000 * i;
      writer.insert(vector, id(`p${i}`));
    }
    assert.ok(writer.cells(199, 0).byteOffset > 3 * 2 ** 30);
    const query = draw();
    const oracle = oracleOf(config);
    const exact = search(reader, query, 50, 0, { exact: true });
    assert.deepEqual(
      exact,
      nearest(200, 50, (i) => oracle(query, vectors[i]!)),
    );
    assert.deepEqual(search(reader, query, 50, 200), exact);
    for (const [i, vector] of vectors.entries()) {
      assert.equal(reader.id(i), `p${i}`);
      assert.deepEqual(reader.vector(i), vector);
    }
    assert.equal(writer.validate(), undefined);
    for (let i = 100; i < 200; i += 2) writer.remove(i);
    assert.equal(writer.validate(), undefined);
    assert.equal(search(reader, query, 200, 200).length, 150);
    refuses(() => {
      for (;;) writer.insert(draw(), id('more'));
    }, 'shard_full');
    assert.equal(writer.validate(), undefined);
  });
});

describe('a search in slices', () => {
  const config = configOf({ dim: 16, metric: 'cosine', rowStride: 16 });
  const random = new Prng(12);
  const draw = clusteredData(random, 'cosine', 16);
  const { writer, reader } = openShard(config);
  for (let i = 0; i < 3000; i++) {
    writer.insert(draw(i % 20), id(i), new Uint8Array(Float64Array.of((i * 37) % 100, i % 20).buffer));
  }
  for (let i = 0; i < 3000; i += 11) writer.remove(i);
  const below = (limit: number, offset = 0) =>
    Uint32Array.of(OP.numRange, offset, 1, ...new Uint32Array(Float64Array.of(0, limit).buffer), OP.end);
  interface Kind extends SearchOptions {
    readonly plan: string;
    readonly ef: number;
    readonly cluster?: number;
  }
  /** The filters by cluster keep only what is far from the query: they are searched for in vain at first. */
  const all: Readonly<Record<string, Kind>> = {
    graph: { plan: 'graph', ef: 40 },
    scan: { plan: 'scan', ef: 40, exact: true },
    'filtered graph': { plan: 'graph', ef: 40, program: below(70) },
    'fine scan of few': { plan: 'scan', ef: 40, program: below(4) },
    'fine scan of few, after the graph': { plan: 'scan', ef: 40, program: below(3, 8), cluster: 19 },
    'scan by codes, after the graph': { plan: 'scan', ef: 40, program: below(5, 8), cluster: 19 },
    'two-hop, after the graph': { plan: 'two-hop', ef: 10, program: below(12, 8), cluster: 19 },
  };

  test('gives exactly the hits of one run', () => {
    for (const [kind, options] of Object.entries(all)) {
      for (const budget of [1, 2, 3, 7, 13, 29, 50]) {
        const { ef } = options;
        const query = draw(options.cluster);
        const whole = search(reader, query, 10, ef, options);
        const { plan, distances, hops } = reader.stats();
        assert.equal(plan, options.plan, kind);
        assert.deepEqual(search(reader, query, 10, ef, { ...options, budget }), whole, `${kind}, ${budget}`);
        const sliced = reader.stats();
        assert.deepEqual([sliced.distances, sliced.hops], [distances, hops], kind);
      }
    }
  });

  test('gives them also when it stops between its stages, and says which one follows', () => {
    const names = ['search', 'filter', 'rescore'];
    assert.deepEqual([L.NP_STAGE_SEARCH, L.NP_STAGE_FILTER, L.NP_STAGE_RESCORE], [0, 1, 2]);
    for (const [kind, options] of Object.entries(all)) {
      for (const budget of [1, 5, 50, 0x7fffffff]) {
        const { ef } = options;
        const query = draw(options.cluster);
        const whole = search(reader, query, 10, ef, options);
        const { distances, hops } = reader.stats();
        const stages: string[] = [];
        const onStage = (stage: number) => stages.push(names[stage]!);
        assert.deepEqual(search(reader, query, 10, ef, { ...options, budget, onStage }), whole, kind);
        const timed = reader.stats();
        assert.deepEqual([timed.distances, timed.hops], [distances, hops], kind);
        // What is compared by the finest level needs no rescoring
        assert.equal(stages.at(-1), kind === 'scan' || kind.startsWith('fine') ? 'search' : 'rescore', kind);
        assert.equal(stages.filter((stage) => stage === 'rescore').length <= 2, true, stages.join(' '));
      }
    }
  });

  test('evaluates its filter in a stage of its own', () => {
    const stages: number[] = [];
    // A program that no search before has had
    const program = below(11, 8);
    search(reader, draw(19), 10, 10, { program, onStage: (stage) => stages.push(stage) });
    const { NP_STAGE_SEARCH: graph, NP_STAGE_FILTER: filter, NP_STAGE_RESCORE: rescore } = L;
    assert.deepEqual(
      stages.filter((stage, i) => stage !== stages[i - 1]),
      // What the graph gives is rescored before it is given up
      [graph, rescore, filter, graph, rescore],
    );
  });

  test('may stop after any slice with the best of what it has found', () => {
    for (const [kind, options] of Object.entries(all)) {
      const { ef, program = null, exact: scan = false } = options;
      const query = draw(options.cluster);
      const exact = search(reader, query, L.NP_K_MAX, 0, { ...options, exact: true });
      const distanceOf = new Map(exact.map(({ ordinal, distance }) => [ordinal, distance]));
      let [slices, last] = [0, Number.POSITIVE_INFINITY];
      for (let done = reader.search(query, 10, ef, scan, program, 20); !done; done = reader.resume(20)) {
        slices++;
        const hits = hitsOf(reader);
        for (const [i, { ordinal, distance }] of hits.entries()) {
          assert.equal(distance, distanceOf.get(ordinal), kind);
          assert.ok(i === 0 || distance >= hits[i - 1]!.distance);
        }
        const best = hits[0]?.distance ?? Number.POSITIVE_INFINITY;
        // Far ones that match give way to near ones that do not, until the graph is given up
        const mayGetWorse = options.cluster !== undefined;
        assert.ok(mayGetWorse || best <= last, `${kind}: the best hit never gets worse`);
        last = best;
      }
      reader.leave();
      assert.ok(slices >= 2, kind);
    }
  });
});

describe('a filtered search', () => {
  const COUNT = 6000;
  const CLUSTERS = 20;
  const config = configOf({ dim: 8, metric: 'l2', m: 8, blockShift: 8, heapBytes: 2 ** 14, rowStride: 16 });
  const random = new Prng(13);
  const draw = clusteredData(random, 'l2', 8, CLUSTERS);
  const { writer, reader } = openShard(config);
  const clusters: number[] = [];
  const ranks: number[] = [];
  const vectors: Float32Array[] = [];
  for (let i = 0; i < COUNT; i++) {
    clusters.push(random.below(CLUSTERS));
    ranks.push(i);
    vectors.push(draw(clusters[i]!));
  }
  for (let i = COUNT - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [ranks[i], ranks[j]] = [ranks[j]!, ranks[i]!];
  }
  for (let i = 0; i < COUNT; i++) {
    writer.insert(vectors[i]!, id(i), new Uint8Array(Float64Array.of(ranks[i]!, clusters[i]!).buffer));
  }
  const removed = (i: number) => i % 50 === 0;
  for (let i = 0; i < COUNT; i += 50) writer.remove(i);
  const from0 = (offset: number, high: number) =>
    Uint32Array.of(OP.numRange, offset, 1, ...new Uint32Array(Float64Array.of(0, high).buffer), OP.end);

  function check(program: Uint32Array, accepts: (i: number) => boolean, what: string, ef = 64): Set<string> {
    const queries = drawMany(20, () => draw());
    const oracle = oracleOf(config);
    let found = 0;
    let wanted = 0;
    const plans = new Set<string>();
    for (const query of queries) {
      const distance = (i: number) => oracle(query, vectors[i]!);
      const expected = nearest(COUNT, 10, distance, (i) => accepts(i) && !removed(i));
      assert.deepEqual(search(reader, query, 10, 0, { exact: true, program }), expected, what);
      const hits = search(reader, query, 10, ef, { program });
      assert.ok(hits.every(({ ordinal }) => accepts(ordinal) && !removed(ordinal)));
      assert.equal(hits.length, expected.length, what);
      const { plan, matching } = reader.stats();
      const live = ranks.filter((_, i) => accepts(i) && !removed(i)).length;
      // The graph knows it only where the filter's mask was kept.
      if (plan !== 'graph' || matching !== undefined) assert.equal(matching, live, what);
      plans.add(plan);
      const wantedOnes = new Set(expected.map(({ ordinal }) => ordinal));
      const hit = hits.filter(({ ordinal }) => wantedOnes.has(ordinal)).length;
      if (plan === 'scan') assert.equal(hit, expected.length, `${what}: a scan is exact`);
      found += hit;
      wanted += expected.length;
    }
    const recall = wanted === 0 ? 1 : found / wanted;
    assert.ok(recall >= 0.95, `${what}: recall ${recall}`);
    return plans;
  }

  test('is right at every selectivity, by a scan where few match and by the graph where many do', () => {
    const plans = [0, 1, 2, 60, 600, 1000, 1200, 1500, 2000, 3000, 4500, 5900, 6000].map((high) => {
      return check(from0(0, high), (i) => ranks[i]! < high, `${high} of ${COUNT}`);
    });
    assert.deepEqual([...plans[0]!], ['scan']);
    for (const many of plans.slice(-4)) assert.deepEqual([...many], ['graph']);
  });

  test('is right when the filter follows the clusters, also for queries from outside', () => {
    const plans = [1, 4, 8, 14].flatMap((high) =>
      [64, 20].flatMap((ef) => [
        ...check(from0(8, high), (i) => clusters[i]! < high, `${high} of ${CLUSTERS} clusters, ef ${ef}`, ef),
      ]),
    );
    assert.deepEqual([...new Set(plans)].sort(), ['graph', 'scan', 'two-hop']);
  });
});

describe('a slot', () => {
  const config = configOf({ dim: 4, metric: 'l2', m: 4, efConstruction: 20 });

  /** A shard of 100 pins named old, and a writer that replaces pins so often that slots would be used again. */
  function setUp(readers = 2) {
    const { memory, writer, reader } = openShard(config, 2 ** 26, readers);
    const draw = uniformData(new Prng(14), 'l2', 4);
    const live: number[] = [];
    for (let i = 0; i < 100; i++) live.push(writer.insert(draw(), id(`old ${i}`)));
    const replace = (times: number, name: string) => {
      for (let i = 0; i < times; i++) {
        writer.remove(live.shift()!);
        live.push(writer.insert(draw(), id(`${name} ${i}`)));
      }
    };
    return { memory, writer, reader, draw, replace };
  }

  test('is not used again while a reader that may know it is inside its search', () => {
    const { memory, writer, reader, draw, replace } = setUp();
    const query = draw();
    const expected = search(reader, query, 30, 0, { exact: true }).map((hit) => ({
      ...hit,
      id: reader.id(hit.ordinal),
      vector: reader.vector(hit.ordinal),
    }));
    assert.equal(reader.search(query, 30, 0, true, null, 0x7fffffff), true);
    assert.equal(reader.hits(), 30);
    replace(500, 'new');
    assert.equal(shardStats(memory).count, 600, 'every insertion took a new slot');
    for (const [i, hit] of expected.entries()) {
      const ordinal = reader.hitOrdinal(i);
      assert.equal(ordinal, hit.ordinal);
      assert.equal(reader.isLive(ordinal), false);
      assert.equal(reader.id(ordinal), hit.id);
      assert.deepEqual(reader.vector(ordinal), hit.vector);
    }
    assert.equal(writer.validate(), undefined);

    reader.leave();
    replace(1000, 'newer');
    assert.equal(shardStats(memory).count, 600, 'now the old slots serve');
    assert.ok(
      expected.some(({ ordinal }) => reader.isLive(ordinal) && reader.id(ordinal).startsWith('newer')),
    );
    assert.equal(writer.validate(), undefined);
  });

  test('is walked to its end by a search that began before its removal', () => {
    for (const budget of [1, 5, 20]) {
      const { reader, draw, replace } = setUp();
      const query = draw();
      let done = reader.search(query, 30, 100, false, null, budget);
      replace(300, 'new');
      for (let slices = 0; !done; slices++) {
        assert.ok(slices < 10_000);
        done = reader.resume(budget);
      }
      for (const { ordinal, distance } of hitsOf(reader)) {
        assert.equal(reader.isLive(ordinal), true);
        assert.equal(distance, oracleOf(config)(query, reader.vector(ordinal)));
      }
      reader.leave();
      const names = search(reader, query, 200, 200).map(({ ordinal }) => reader.id(ordinal));
      assert.equal(names.length, 100);
      assert.ok(names.every((name) => name.startsWith('new')));
    }
  });

  test('is used again though there is always some reader inside, when each of them leaves in time', () => {
    const { memory, writer, reader, draw, replace } = setUp(2);
    const other = new Shard(CORE, memory, 2);
    const pair = [reader, other] as const;
    pair[0].search(draw(), 10, 10, false, null, 1);
    for (let round = 0; round < 60; round++) {
      pair[(round + 1) % 2]!.search(draw(), 10, 10, false, null, 1);
      replace(10, `round ${round}`);
      pair[round % 2]!.leave();
    }
    assert.ok(shardStats(memory).count < 250, `${shardStats(memory).count} slots for 100 pins`);
    assert.equal(writer.validate(), undefined);
  });
});

describe('the width of a search', () => {
  const config = configOf({ dim: 24, metric: 'l2', blockShift: 10, heapBytes: 2 ** 16 });

  test('is less than ef where all but the nearest are clearly further', () => {
    const random = new Prng(21);
    const draw = uniformData(random, 'l2', 24);
    const { writer, reader } = openShard(config);
    const centres = drawMany(20, draw);
    const near = (centre: Float32Array) => centre.map((x) => x + 0.01 * random.normal());
    for (let i = 0; i < 4000; i++)
      writer.insert(i % 10 === 0 ? near(centres[(i / 10) % 20]!) : draw(), id(i));
    for (const centre of centres) {
      const query = near(centre);
      const exact = search(reader, query, 10, 0, { exact: true });
      const hits = search(reader, query, 10, 128);
      assert.ok(reader.stats().hops < 64, `${reader.stats().hops} of 128 expanded`);
      assert.deepEqual(
        hits.map(({ ordinal }) => ordinal),
        exact.map(({ ordinal }) => ordinal),
      );
    }
  });

  test('is more than ef, but not more than twice, where all are about as near', () => {
    const random = new Prng(22);
    const draw = uniformData(random, 'l2', 96);
    const { writer, reader } = openShard({ ...config, dim: 96 });
    for (let i = 0; i < 4000; i++) writer.insert(draw(), id(i));
    for (let i = 0; i < 50; i++) {
      search(reader, draw(), 10, 128);
      const { hops } = reader.stats();
      assert.ok(hops > 128 && hops < 2 * 128 + 32, `${hops} expanded`);
    }
  });
});

describe('a region that was removed', () => {
  test('does not hold up the searches near it', () => {
    const config = configOf({ dim: 16, metric: 'cosine', blockShift: 10, heapBytes: 2 ** 16 });
    const random = new Prng(15);
    const draw = clusteredData(random, 'cosine', 16, 10);
    const { writer, reader } = openShard(config);
    for (let i = 0; i < 6000; i++) writer.insert(draw(i % 10), id(i));
    const before = drawMany(50, () => draw(random.below(5) + 5)).map((query) => {
      search(reader, query, 10, 50);
      return reader.stats().distances;
    });
    for (let i = 0; i < 6000; i++) if (i % 10 < 5) writer.remove(i);
    assert.equal(writer.validate(), undefined);
    // twice for the way in limbo, and what lies that far is all about as near, so up to twice ef are expanded
    const most = Math.max(...before) * 3;
    for (let i = 0; i < 200; i++) {
      assert.equal(search(reader, draw(i % 5), 10, 50).length, 10);
      const { plan, ef, distances } = reader.stats();
      assert.deepEqual([plan, ef], ['graph', 50], 'neither widened nor turned into a scan');
      assert.ok(distances <= most, `${distances} distances`);
    }
  });

  test('is not searched through even before the sweep has come by', () => {
    const random = new Prng(16);
    const draw = uniformData(random, 'l2', 12);
    const config = configOf({ dim: 12, metric: 'l2', blockShift: 10, heapBytes: 2 ** 16 });
    const { writer, reader } = openShard(config);
    const centre = draw();
    const near = () => centre.map((x) => x + 0.05 * random.normal());
    const crowd: number[] = [];
    for (let i = 0; i < 5000; i++) {
      if (i % 50 === 0) crowd.push(writer.insert(near(), id(i)));
      else writer.insert(draw(), id(i));
    }
    for (const ordinal of crowd) writer.remove(ordinal);
    assert.equal(writer.word(L.H_PENDING), L.NP_NONE, 'all of them are still in limbo');
    for (let i = 0; i < 50; i++) {
      const query = near();
      const exact = search(reader, query, 10, 0, { exact: true });
      const hits = search(reader, query, 10, 60);
      const { plan, ef, hops } = reader.stats();
      assert.deepEqual([plan, ef], ['graph', 60]);
      assert.ok(hops < 75, `${hops} hops for an ef of 60 beside ${crowd.length} removed pins`);
      assert.ok(hits.filter((hit) => exact.some(({ ordinal }) => ordinal === hit.ordinal)).length >= 8);
    }
  });
});
