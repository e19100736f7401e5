/**
 * Checkpoints seen from the thread that serves: the calls of checkpoint-worker.ts, in their order. One thread makes all
 * of a process, one after the other, since each holds a copy of its shards as long as it lasts.
 */
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import type { Manifest, PinsEntry, ShardEntry } from '../index/manifest.ts';
import type { KeywordEntry } from '../storage/pin-store.ts';
import { Thread } from './thread.ts';

export interface WriteCall {
  readonly do: 'write';
  readonly indexDir: string;
  /** Where the generation is written. */
  readonly staging: string;
  /** The generation that the shards were loaded from, and where it lies. */
  readonly base: Manifest;
  readonly baseDir: string;
  /** The last update that the copies hold. */
  readonly seq: number;
  /** Keywords that the base generation does not have. */
  readonly keywords: readonly KeywordEntry[];
  /** The most bytes of a shard that is made anew; null where there is no memory to make any. */
  readonly renewBytes: number | null;
}

export type CheckpointCall =
  | { readonly do: 'start' }
  | { readonly do: 'copy'; readonly memories: readonly WasmMemory[] }
  | WriteCall;

/** What the manifest states of the files that were written, and what became of the shards. */
export interface CheckpointResult {
  readonly files: { readonly shards: readonly ShardEntry[]; readonly pins: PinsEntry };
  /** Whether a shard was made anew, so that its pins lie elsewhere than in the memory that was copied. */
  readonly isRenewed: boolean;
}

/** A checkpoint that is being made, with the thread to itself. */
export class Checkpoint {
  readonly #thread: Thread;

  constructor(thread: Thread) {
    this.#thread = thread;
  }

  /** Copies memories on which no writer is at work. Rejects with shard_full when there is no memory for the copies. */
  async copy(memories: readonly WasmMemory[]): Promise<void> {
    await this.#thread.call({ do: 'copy', memories } satisfies CheckpointCall);
  }

  /**
   * Writes the copies and their pin store, and lets go of them.
   * Rejects with io_error, corrupt_file, or internal when a graph is damaged.
   */
  write(call: Omit<WriteCall, 'do'>): Promise<CheckpointResult> {
    return this.#thread.call({ do: 'write', ...call } satisfies CheckpointCall);
  }
}

export class Checkpoints {
  readonly #thread: Thread;
  #last: Promise<unknown> = Promise.resolve();

  constructor(module: WasmModule) {
    this.#thread = new Thread(new URL('./checkpoint-worker.js', import.meta.url), { module });
  }

  /** Has one made, when those before have ended and the thread is ready to copy. Settles as `make` does. */
  run<Result>(make: (checkpoint: Checkpoint) => Promise<Result>): Promise<Result> {
    const made = this.#last.then(async () => {
      await this.#thread.call({ do: 'start' } satisfies CheckpointCall);
      return make(new Checkpoint(this.#thread));
    });
    this.#last = made.catch(() => {});
    return made;
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
