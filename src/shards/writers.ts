/**
 * The writer threads of a process, seen from the thread that serves. A shard belongs to one of them as long as it is
 * loaded, which is what makes it the shard's only writer. Threads start when a shard first falls to them.
 */
import type { MemoryOptions } from '../core/shard.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import type { EncodedRow } from '../index/attributes.ts';
import type { IndexConfig } from '../index/config.ts';
import type { ErrorRecord } from '../lib/errors.ts';
import type { SegmentSeal } from '../storage/segment.ts';
import { Thread } from './thread.ts';

/** Pins to insert, packed: a thousand small buffers would cost more to hand over than they hold. */
export interface Inserts {
  readonly ids: readonly string[];
  /** f32[n][dim], of unit length under cosine. */
  readonly vectors: Float32Array;
  /** u8[n][stride]. */
  readonly rows: Uint8Array;
  /** Per pin, where the index has `keyword[]` attributes. */
  readonly lists?: readonly (readonly Uint32Array[])[];
}

/** What is to be done to a shard, in this order. */
export interface ShardChange {
  readonly remove?: readonly number[];
  readonly insert?: Inserts;
  readonly rows?: readonly (EncodedRow & { readonly ordinal: number })[];
}

export interface ChangeAnswer {
  /** Of the inserted pins, in order; empty when one of them could not be inserted. */
  readonly ordinals: readonly number[];
  /** Why none was inserted. */
  readonly error?: ErrorRecord;
}

export type WriterCall =
  | {
      readonly do: 'load';
      readonly shard: string;
      readonly path: string;
      readonly expected: SegmentSeal & { readonly count: number };
      readonly config: IndexConfig;
      readonly options: MemoryOptions;
    }
  | { readonly do: 'change'; readonly shard: string; readonly change: ShardChange }
  | { readonly do: 'forget'; readonly shard: string };

/** The writer of one loaded shard. */
export class ShardWriter {
  readonly memory: WasmMemory;
  readonly #thread: Thread;
  readonly #shard: string;

  constructor(thread: Thread, shard: string, memory: WasmMemory) {
    this.#thread = thread;
    this.#shard = shard;
    this.memory = memory;
  }

  /** Changes are made in the order of the calls. Rejects with core_trap, shard_full (of rows) or closed. */
  change(change: ShardChange): Promise<ChangeAnswer> {
    const { insert } = change;
    const transfer = insert ? [insert.vectors.buffer as ArrayBuffer, insert.rows.buffer as ArrayBuffer] : [];
    return this.#thread.call<ChangeAnswer>(
      { do: 'change', shard: this.#shard, change } satisfies WriterCall,
      transfer,
    );
  }

  /** Lets the thread forget the shard. */
  async forget(): Promise<void> {
    await this.#thread.call({ do: 'forget', shard: this.#shard } satisfies WriterCall);
  }
}

export class Writers {
  readonly #threads: readonly Thread[];
  #loaded = 0;

  /** @param threads at most, 1 or more */
  constructor(module: WasmModule, threads: number) {
    const file = new URL('./writer-worker.js', import.meta.url);
    this.#threads = Array.from({ length: threads }, () => new Thread(file, { module }));
  }

  /** Reads shard number `number` of a generation in the thread that will write to it. Rejects as loadShard throws. */
  async load(
    number: number,
    path: string,
    expected: SegmentSeal & { readonly count: number },
    config: IndexConfig,
    options: MemoryOptions,
  ): Promise<ShardWriter> {
    const thread = this.#threads[number % this.#threads.length]!;
    const shard = String(this.#loaded++);
    const call: WriterCall = { do: 'load', shard, path, expected, config, options };
    return new ShardWriter(thread, shard, await thread.call<WasmMemory>(call));
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}
