/**
 * A shard beside a plain map of what it must hold, through random work. That every pin can be reached is checked
 * twice, by the core's own account and by walking the links from here, which trusts no spanning tree.
 */
import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { LAYOUT as L } from '../../src/core/layout.ts';
import type { Metric } from '../../src/core/metric.ts';
import { nearest } from '../../src/core/oracle.ts';
import { type Shard, type ShardConfig, shardStats } from '../../src/core/shard.ts';
import { Prng } from '../../src/lib/prng.ts';
import {
  clusteredData,
  configOf,
  type Draw,
  drawMany,
  fill,
  type Opened,
  openShard,
  oracleOf,
  PRECISIONS,
  reachable,
  recallOf,
  search,
  uniformData,
} from './shards.ts';

type Step =
  | { readonly do: 'insert'; readonly count: number }
  | { readonly do: 'insert copies' | 'remove'; readonly count: number; readonly which: number }
  | { readonly do: 'remove neighbourhood'; readonly count: number; readonly which: number }
  | { readonly do: 'remove entry point' }
  | { readonly do: 'remove all' }
  | { readonly do: 'search'; readonly k: number; readonly ef: number; readonly exact: boolean };

const which = fc.nat(10_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('insert'), count: fc.integer({ min: 1, max: 25 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('insert copies'), count: fc.nat(20), which }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('remove'), count: fc.nat(15), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove neighbourhood'), count: fc.nat(30), which }) },
  { weight: 2, arbitrary: fc.constant({ do: 'remove entry point' }) },
  { weight: 1, arbitrary: fc.constant({ do: 'remove all' }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('search'),
      k: fc.integer({ min: 1, max: 30 }),
      ef: fc.nat(60),
      exact: fc.boolean(),
    }),
  },
);

class Model {
  readonly #config: ShardConfig;
  readonly #opened: Opened;
  readonly #draw: Draw;
  /** What must be live: vector and id by ordinal. */
  readonly #pins = new Map<number, { vector: Float32Array; id: string }>();
  #inserted = 0;

  constructor(config: ShardConfig, draw: Draw) {
    this.#config = config;
    this.#opened = openShard(config, 2 ** 25);
    this.#draw = draw;
  }

  run(step: Step): void {
    const { writer } = this.#opened;
    const ordinals = [...this.#pins.keys()];
    const pick = (which: number) => ordinals[which % ordinals.length]!;
    switch (step.do) {
      case 'insert':
        for (let i = 0; i < step.count; i++) this.#insert(this.#draw());
        break;
      case 'insert copies':
        if (ordinals.length === 0) break;
        for (let i = 0; i < step.count; i++) this.#insert(this.#pins.get(pick(step.which))!.vector);
        break;
      case 'remove':
        for (let i = 0; i < step.count && this.#pins.size > 0; i++) this.#remove(pick(step.which + i * 7));
        break;
      case 'remove neighbourhood':
        if (ordinals.length === 0) break;
        for (const { ordinal } of this.#exact(this.#pins.get(pick(step.which))!.vector, step.count)) {
          this.#remove(ordinal);
        }
        break;
      case 'remove entry point':
        if (ordinals.length > 0) this.#remove(writer.word(L.H_ENTRY));
        break;
      case 'remove all':
        for (const ordinal of ordinals) this.#remove(ordinal);
        break;
      case 'search':
        this.#search(step);
    }
    this.check();
  }

  #insert(vector: Float32Array): void {
    const id = `pin ${this.#inserted++}`;
    const ordinal = this.#opened.writer.insert(vector, Buffer.from(id));
    assert.ok(!this.#pins.has(ordinal), 'a slot in use was given away');
    this.#pins.set(ordinal, { vector, id });
  }

  #remove(ordinal: number): void {
    assert.equal(this.#opened.writer.remove(ordinal), this.#pins.delete(ordinal));
  }

  #exact(query: Float32Array, k: number) {
    const { writer } = this.#opened;
    const count = shardStats(writer.memory).count;
    const oracle = oracleOf(this.#config);
    const distance = (i: number) => oracle(query, this.#pins.get(i)!.vector);
    return nearest(count, k, distance, (i) => this.#pins.has(i));
  }

  #search({ k, ef, exact }: Step & { do: 'search' }): void {
    const query = this.#draw();
    const all = this.#exact(query, Number.POSITIVE_INFINITY);
    const hits = search(this.#opened.reader, query, k, ef, { exact });
    if (exact) assert.deepEqual(hits, all.slice(0, k));
    assert.equal(hits.length, Math.min(k, all.length));
    const distances = new Map(all.map(({ ordinal, distance }) => [ordinal, distance]));
    for (const [i, { ordinal, distance }] of hits.entries()) {
      assert.equal(distance, distances.get(ordinal));
      const before = hits[i - 1];
      if (before) assert.ok((before.distance - distance || before.ordinal - ordinal) < 0, 'in order');
    }
  }

  check(): void {
    const { memory, writer, reader } = this.#opened;
    assert.equal(writer.validate(), undefined);
    assert.equal(shardStats(memory).live, this.#pins.size);
    const reached = reachable(reader);
    assert.equal(reached.size, this.#pins.size, 'every pin can be reached');
    for (const [ordinal, { id }] of this.#pins) {
      assert.ok(reached.has(ordinal));
      assert.equal(reader.id(ordinal), id);
    }
  }
}

describe('random work', () => {
  const kinds: Record<string, [config: ShardConfig, draw: (random: Prng) => Draw]> = {
    'l2 f32': [
      configOf({ dim: 2, metric: 'l2', ...PRECISIONS.f32, m: 4, efConstruction: 10 }),
      (random) => uniformData(random, 'l2', 2),
    ],
    'cosine i8+f32, clustered': [
      configOf({ dim: 5, metric: 'cosine', m: 4, efConstruction: 16 }),
      (random) => clusteredData(random, 'cosine', 5, 4, 0.1),
    ],
    'cosine i8+i10': [
      configOf({ dim: 70, metric: 'cosine', ...PRECISIONS['i8+i10'], m: 4, efConstruction: 16 }),
      (random) => uniformData(random, 'cosine', 70),
    ],
    'l2 i8+i4': [
      configOf({ dim: 40, metric: 'l2', ...PRECISIONS['i8+i4'], m: 4, efConstruction: 16 }),
      (random) => uniformData(random, 'l2', 40),
    ],
    'dot i8': [
      configOf({ dim: 17, metric: 'dot', ...PRECISIONS.i8, m: 4, efConstruction: 16 }),
      (random) => uniformData(random, 'dot', 17),
    ],
    'l2 i8+f32, on a coarse grid': [
      configOf({ dim: 3, metric: 'l2', m: 5, efConstruction: 20 }),
      (random) => () => Float32Array.from({ length: 3 }, () => random.below(4)),
    ],
  };
  for (const [name, [config, draw]] of Object.entries(kinds)) {
    test(`leaves the shard as the model says: ${name}`, () => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), which, (steps, seed) => {
          const model = new Model({ ...config, seed }, draw(new Prng(seed)));
          for (const one of steps) model.run(one);
        }),
        { seed: 17, numRuns: 150, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
      );
    });
  }
});

/** Replaces a share of the pins again and again, the oldest or any, by new ones. */
function churn(writer: Shard, live: number[], rounds: number, share: number, random: Prng, draw: Draw): void {
  for (let round = 0; round < rounds; round++) {
    const replaced = Math.round(live.length * share);
    for (let i = 0; i < replaced; i++) {
      const at = random.below(live.length);
      assert.equal(writer.remove(live[at]!), true);
      live[at] = live.at(-1)!;
      live.pop();
    }
    for (let i = 0; i < replaced; i++) live.push(writer.insert(draw(), Buffer.from(`pin ${random.u32()}`)));
  }
}

/** A shard built anew of the pins that another one holds. */
function rebuilt(shard: Shard, config: ShardConfig, live: readonly number[]): Opened {
  const opened = openShard(config);
  fill(
    opened.writer,
    live.map((ordinal) => shard.vector(ordinal)),
  );
  return opened;
}

describe('churn', () => {
  test('does not let the memory grow', () => {
    const random = new Prng(21);
    const draw = uniformData(random, 'l2', 8);
    const { memory, writer } = openShard(configOf({ dim: 8, metric: 'l2', m: 6, efConstruction: 30 }));
    const live = drawMany(1000, draw).map((vector) => writer.insert(vector, Buffer.from('pin 4294967295')));
    churn(writer, live, 10, 0.1, random, draw);
    const early = shardStats(memory);
    churn(writer, live, 50, 0.1, random, draw);
    const late = shardStats(memory);
    assert.ok(late.blocks <= early.blocks * 1.02, `${early.blocks} and then ${late.blocks} blocks`);
    assert.ok(late.count <= 1000 * 1.3, `${late.count} slots for 1000 pins`);
    assert.equal(writer.validate(), undefined);
    assert.equal(reachable(writer).size, 1000);
  });

  for (const metric of ['cosine', 'l2', 'dot'] as const satisfies readonly Metric[]) {
    test(`of half the shard two and a half times over loses no recall: ${metric}`, () => {
      const random = new Prng(22);
      const draw = clusteredData(random, metric, 24, 40, 1);
      const config = configOf({ dim: 24, metric, blockShift: 8, heapBytes: 2 ** 14 });
      const { writer, reader } = openShard(config);
      const live = drawMany(2000, () => draw()).map((vector) => writer.insert(vector, Buffer.from('x')));
      churn(writer, live, 50, 0.05, random, () => draw());
      assert.equal(writer.validate(), undefined);
      const queries = drawMany(200, () => draw());
      const anew = rebuilt(reader, config, live);
      const [before, after] = [recallOf(anew.reader, queries, 10, 24), recallOf(reader, queries, 10, 24)];
      assert.ok(after >= before - 0.01, `recall ${after} after churn, ${before} built anew`);
    });

    test(`that removes half of all clusters loses little recall on the others: ${metric}`, () => {
      const random = new Prng(23);
      const draw = clusteredData(random, metric, 24, 40, 1);
      const config = configOf({ dim: 24, metric, blockShift: 8, heapBytes: 2 ** 14 });
      const { writer, reader } = openShard(config);
      for (let i = 0; i < 3000; i++) writer.insert(draw(i % 40), Buffer.from('x'));
      const live: number[] = [];
      for (let i = 0; i < 3000; i++) {
        if (i % 40 < 20) writer.remove(i);
        else live.push(i);
      }
      assert.equal(writer.validate(), undefined);
      assert.equal(reachable(reader).size, live.length);
      const queries = drawMany(200, () => draw(20 + random.below(20)));
      const anew = rebuilt(reader, config, live);
      const [before, after] = [recallOf(anew.reader, queries, 10, 24), recallOf(reader, queries, 10, 24)];
      assert.ok(after >= before - 0.02, `recall ${after} after the removal, ${before} built anew`);
    });
  }
});
