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
  readonly writers: Writers;
  /** Most bytes of one shard's memory. */
  readonly limitBytes?: number;
}

export class ShardSet {
  readonly #name: string;
  readonly #pool: SearchPool;
  #writers: readonly ShardWriter[];
  #shards: readonly Shard[];

  private constructor(
    name: string,
    pool: SearchPool,
    writers: readonly ShardWriter[],
    shards: readonly Shard[],
  ) {
    this.#name = name;
    this.#pool = pool;
    this.#writers = writers;
    this.#shards = shards;
  }

  /** Loads the segments of a generation's directory. Rejects as loadShard throws; nothing stays loaded then. */
  static async load(dir: string, manifest: Manifest, options: ShardSetOptions): Promise<ShardSet> {
    const { module, pool, writers } = options;
    const limitBytes = options.limitBytes ?? LIMIT_PAGES_MAX * LAYOUT.NP_PAGE;
    const loading = await Promise.allSettled(
      manifest.shards.map((entry, number) =>
        writers.load(number, join(dir, entry.file), entry, manifest.config, {
          readers: pool.readers,
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
    // The last scratch slot belongs to this thread, which reads vectors and ids but does not search
    const shards = memories.map((memory) => new Shard(module, memory, pool.readers));
    return new ShardSet(pool.register(memories), pool, loaded, shards);
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

  /** One result per shard, in order, for the query's vector times `scale`. Rejects with `closed` or `overloaded`. */
  search(query: ShardQuery, scale?: number, caller?: SearchCaller): Promise<(ShardHits | ShardFailure)[]> {
    return this.#pool.search(this.#name, query, scale, caller);
  }

  /** Refuses further searches, waits for those under way and gives the memory back. Closing twice is fine. */
  async close(): Promise<void> {
    const writers = this.#writers;
    this.#writers = [];
    this.#shards = [];
    await Promise.all(writers.map((writer) => writer.forget()));
    await this.#pool.forget(this.#name);
  }
}
