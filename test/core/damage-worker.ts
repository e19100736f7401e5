/**
 * Works on damaged copies of one shard in a thread of its own, so that a call that never ends can be told and stopped.
 * Posts a message per image; throws when a call ends in anything but a result or a core_trap.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { Shard } from '../../src/core/shard.ts';
import { OP } from '../../src/index/filter-program.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import { Inside, shardToDamage } from './damage.ts';
import { CORE, search } from './shards.ts';

const { seed, images } = workerData as { seed: number; images: number };
const { memory } = shardToDamage();
const inside = new Inside(memory);
const whole = new Uint8Array(memory.buffer).slice();
const random = new Prng(seed);

function damage(): void {
  const count = inside.word(L.H_COUNT);
  for (let n = 1 + random.below(6); n > 0; n--) {
    const value = random.pick([random.below(count + 3), random.u32(), 0xffffffff, random.below(2 ** 20)]);
    const ordinal = random.below(count);
    const node = inside.node(ordinal);
    switch (random.below(7)) {
      case 0:
        inside.links(ordinal)[random.below(8)] = value;
        break;
      case 1:
        node.setUint32(4 * random.below(L.NP_NODE_BYTES / 4), value, true);
        break;
      case 2:
        node.setUint8(L.NODE_LEVEL + random.below(3), value % 256);
        break;
      case 3:
        // A state as reopenShard lets it through: heads of lists that lie inside, and what it does not look at.
        inside.header[random.pick([L.H_FREE, L.H_PENDING, L.H_LIMBO_SWEPT, L.H_LIMBO_NEW])] = ordinal;
        inside.header[L.H_HEAP_FREE + 1 + random.below(6)] = random.below(inside.blocks().length);
        break;
      case 4:
        new Shard(CORE, memory, 2)
          .cells(ordinal, 8 * random.below(2))
          .setUint32(4 * random.below(2), value, true);
        break;
      case 5: {
        const record = node.getUint32(L.NODE_RECORD, true);
        const isInside = record > 0 && record % 4 === 0 && record < inside.blocks().length;
        if (isInside) inside.record(record, 1)[0] = value;
        break;
      }
      default: {
        const blocks = inside.blocks();
        for (let i = 0; i < 20; i++) blocks[random.below(blocks.length)] = random.below(256);
      }
    }
  }
}

/** What one call did; anything but a result and a trap is thrown. */
function outcome(call: () => unknown): 'result' | 'trap' {
  try {
    call();
    return 'result';
  } catch (error) {
    if (error instanceof NearpinError && ['core_trap', 'shard_full'].includes(error.code)) return 'trap';
    throw error;
  }
}

for (let image = 0; image < images; image++) {
  damage();
  const words = new Uint32Array(Float64Array.of(2, 7).buffer);
  const filter = Uint32Array.of(OP.numRange, 0, 3, ...words, OP.kwsAny, 8, 1, 2, OP.and, 2, OP.end);
  const query = Float32Array.from({ length: 6 }, () => random.normal());
  const searches = [{}, { exact: true }, { program: filter }, { budget: 7 }].map(
    (options) => (shard: Shard) => {
      for (const { ordinal } of search(shard, query, 10, 40, options)) {
        shard.id(ordinal);
        shard.holds(ordinal, shard.vector(ordinal));
        shard.list(shard.row(ordinal).getUint32(8, true));
      }
    },
  );
  let found = false;
  const reads = [
    (shard: Shard) => {
      found = shard.validate() !== undefined;
    },
    ...searches,
  ];
  const writes = Array.from({ length: 18 }, (_, i) => (shard: Shard) => {
    const ordinal = random.below(inside.word(L.H_COUNT));
    if (i % 3 === 0) shard.remove(ordinal);
    else if (i % 3 === 1) shard.insert(query, Buffer.from('one more'), undefined, [Uint32Array.of(1)]);
    else
      shard.setRow(ordinal, new Uint8Array(16).fill(i), [Uint32Array.of(i, 1), new Uint32Array(i).fill(2)]);
  });
  // A trap leaves an instance of no more use, so each call has its own.
  const outcomes = [
    ...reads.map((call) => outcome(() => call(new Shard(CORE, memory, 1)))),
    ...writes.map((call) => outcome(() => call(new Shard(CORE, memory, 0)))),
    ...searches.map((call) => outcome(() => call(new Shard(CORE, memory, 1)))),
  ];
  parentPort?.postMessage({ found, traps: outcomes.filter((one) => one === 'trap').length });
  const now = new Uint8Array(memory.buffer);
  now.set(whole);
  now.fill(0, whole.length);
}
