/** The shards of one generation, loaded: one shared memory each, searched by the pool, changed by their writers. */
import { join } from 'node:path';
import { LAYOUT } from '../core/layout.ts';
import { LIMIT_PAGES_MAX, Shard, type ShardStats, shardStats } from '../core/shard.ts';
import type { WasmModule } from '../core/webassembly.ts';
import type { Manifest } from '../index/manifest.ts';
import type { SearchPool } from './pool.ts';
import type { SearchCaller, ShardFailure, ShardHits, ShardQuery } from './protocol.ts';
import type { ShardWriter, Writers } from './writers.ts';

export interface ShardSetOptions {
  readonly module: WasmModule;
  readonly pool: SearchPool;
  /** Searches what nobody waits for; its scratch slots come after those of the pool. */
  readonly background?: SearchPool | undefined;
  readonly writers: Writers;
  /** Most bytes of one shard's memory. */
  readonly limitBytes?: number;
}

/** A pool, and the name that it knows the shards by. */
interface Searched {
  readonly pool: SearchPool;
  readonly name: string;
}

export class ShardSet {
  readonly #front: Searched;
  /** The same as in front where there is no pool of its own. */
  readonly #back: Searched;
  #writers: readonly ShardWriter[];
  #shards: readonly Shard[];

  private constructor(
    front: Searched,
    back: Searched,
    writers: readonly ShardWriter[],
    shards: readonly Shard[],
  ) {
    this.#front = front;
    this.#back = back;
    this.#writers = writers;
    this.#shards = shards;
  }

  /** Loads the segments of a generation's directory. Rejects as loadShard throws; nothing stays loaded then. */
  static async load(dir: string, manifest: Manifest, options: ShardSetOptions): Promise<ShardSet> {
    const { module, pool, background, writers } = options;
    const { readers } = background ?? pool;
    const limitBytes = options.limitBytes ?? LIMIT_PAGES_MAX * LAYOUT.NP_PAGE;
    const loading = await Promise.allSettled(
      manifest.shards.map((entry, number) =>
        writers.load(number, join(dir, entry.file), entry, manifest.config, {
          readers,
          limitBytes,
        }),
      ),
    );
    const loaded = loading.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const failed = loading.find((each) => each.status === 'rejected');
    if (failed) {
      await Promise.all(loaded.map((writer) => writer.forget()));
      throw failed.reason;
    }
    const memories = loaded.map(({ memory }) => memory);
    // The last scratch slot belongs to this thread, which reads vectors and ids, and searches what comes alone
    const shards = memories.map((memory) => new Shard(module, memory, readers));
    const front = { pool, name: pool.register(memories) };
    const back = background ? { pool: background, name: background.register(memories) } : front;
    return new ShardSet(front, back, loaded, shards);
  }

  /** Empty once the set is closed. */
  get shards(): readonly Shard[] {
    return this.#shards;
  }

  /** One per shard; empty once the set is closed. */
  get writers(): readonly ShardWriter[] {
    return this.#writers;
  }

  stats(): ShardStats[] {
    return this.#shards.map((shard) => shardStats(shard.memory));
  }

  /**
   * One result per shard, in order, for the query's vector times `scale`. Rejects with `closed` or `overloaded`.
   * @param background whether the search may be late
   */
  search(
    query: ShardQuery,
    scale?: number,
    caller?: SearchCaller,
    background = false,
  ): Promise<(ShardHits | ShardFailure)[]> {
    const { pool, name } = background ? this.#back : this.#front;
    return pool.search(name, query, scale, caller);
  }

  /** Refuses further searches, waits for those under way and gives the memory back. Closing twice is fine. */
  async close(): Promise<void> {
    const writers = this.#writers;
    this.#writers = [];
    this.#shards = [];
    await Promise.all(writers.map((writer) => writer.forget()));
    await Promise.all([this.#front, this.#back].map(({ pool, name }) => pool.forget(name)));
  }
}
