/** Looking into a shard's memory from outside, to damage it. */
import { LAYOUT as L } from '../../src/core/layout.ts';
import type { Shard } from '../../src/core/shard.ts';
import type { WasmMemory } from '../../src/core/webassembly.ts';
import { Prng } from '../../src/lib/prng.ts';
import { configOf, openShard, uniformData } from './shards.ts';

export class Inside {
  readonly memory: WasmMemory;
  readonly header: Uint32Array;

  constructor(memory: WasmMemory) {
    this.memory = memory;
    this.header = new Uint32Array(memory.buffer, L.NP_HEADER, L.NP_HEADER_BYTES / 4);
  }

  word(w: number): number {
    return this.header[w]!;
  }

  #part(ordinal: number, offset: number, stride: number): number {
    const shift = this.word(L.H_BLOCK_SHIFT);
    const block = this.word(L.H_BLOCKS_BASE) + (ordinal >>> shift) * this.word(L.H_BLOCK_BYTES);
    return block + offset + (ordinal % 2 ** shift) * stride;
  }

  /** u32[M0]: ordinals plus 1, then zeros. */
  links(ordinal: number): Uint32Array {
    const room = this.word(L.H_M0);
    return new Uint32Array(this.memory.buffer, this.#part(ordinal, this.word(L.H_OFF_LINKS), room * 4), room);
  }

  node(ordinal: number): DataView {
    const at = this.#part(ordinal, this.word(L.H_OFF_NODES), L.NP_NODE_BYTES);
    return new DataView(this.memory.buffer, at, L.NP_NODE_BYTES);
  }

  parent(ordinal: number): number {
    return this.node(ordinal).getUint32(L.NODE_PARENT, true);
  }

  status(ordinal: number): number {
    return this.node(ordinal).getUint8(L.NODE_STATUS);
  }

  level(ordinal: number): number {
    return this.node(ordinal).getUint8(L.NODE_LEVEL);
  }

  /** u32 from a reference on: a record of the heap. */
  record(reference: number, words: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, this.word(L.H_BLOCKS_BASE) + reference, words);
  }

  blocks(): Uint8Array {
    const length = this.word(L.H_BLOCKS) * this.word(L.H_BLOCK_BYTES);
    return new Uint8Array(this.memory.buffer, this.word(L.H_BLOCKS_BASE), length);
  }

  ordinals(accepts: (ordinal: number) => boolean): number[] {
    return Array.from({ length: this.word(L.H_COUNT) }, (_, i) => i).filter(accepts);
  }
}

/** A shard with pins on several levels, rows, lists, and slots that are free, pending and in limbo. */
export function shardToDamage(): { readonly memory: WasmMemory; readonly writer: Shard } {
  const config = configOf({
    ...{ dim: 6, metric: 'l2', m: 4, efConstruction: 20, heapBytes: 4096 },
    ...{ rowStride: 16, listsOffset: 8, lists: 2 },
  });
  const { memory, writer } = openShard(config, 2 ** 23);
  const draw = uniformData(new Prng(31), 'l2', 6);
  const insert = (i: number) => {
    const row = new Uint8Array(Float64Array.of(i % 10, 0).buffer);
    const lists = [Uint32Array.of(1, 2, 3), new Uint32Array(i % 3).fill(i + 1)];
    writer.insert(draw(), Buffer.from(`pin ${i}`), row, lists);
  };
  for (let i = 0; i < 300; i++) insert(i);
  for (let i = 0; i < 150; i++) writer.remove(i * 2);
  insert(300);
  // Until a round of the sweep has ended, and a little into the next.
  let next = 1;
  for (; writer.word(L.H_PENDING) === L.NP_NONE; next += 4) writer.remove(next);
  for (const end = next + 20; next < end; next += 4) writer.remove(next);
  return { memory, writer };
}
