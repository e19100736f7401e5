/** The shards of one generation, loaded: one shared memory each, searched by the pool, read by this thread. */
import { join } from 'node:path';
import { LAYOUT } from '../core/layout.ts';
import { LIMIT_PAGES_MAX, Shard, type ShardStats, shardStats } from '../core/shard.ts';
import type { WasmModule } from '../core/webassembly.ts';
import type { Manifest } from '../index/manifest.ts';
import type { SearchPool } from './pool.ts';
import type { ShardFailure, ShardHits, ShardQuery } from './protocol.ts';
import { loadShard } from './shard-file.ts';

export interface ShardSetOptions {
  readonly module: WasmModule;
  readonly pool: SearchPool;
  /** Most bytes of one shard's memory. */
  readonly limitBytes?: number;
}

export class ShardSet {
  readonly #name: string;
  readonly #pool: SearchPool;
  #shards: readonly Shard[];

  private constructor(name: string, pool: SearchPool, shards: readonly Shard[]) {
    this.#name = name;
    this.#pool = pool;
    this.#shards = shards;
  }

  /** Loads the segments of a generation's directory. Throws what loadShard throws; nothing stays loaded then. */
  static load(dir: string, manifest: Manifest, options: ShardSetOptions): ShardSet {
    const { module, pool } = options;
    const limitBytes = options.limitBytes ?? LIMIT_PAGES_MAX * LAYOUT.NP_PAGE;
    const memories = manifest.shards.map((entry) =>
      loadShard(join(dir, entry.file), entry, manifest.config, module, { readers: pool.readers, limitBytes }),
    );
    const name = pool.register(memories);
    // The last scratch slot belongs to this thread, which reads vectors and ids but does not search
    return new ShardSet(
      name,
      pool,
      memories.map((memory) => new Shard(module, memory, pool.readers)),
    );
  }

  /** Empty once the set is closed. */
  get shards(): readonly Shard[] {
    return this.#shards;
  }

  stats(): ShardStats[] {
    return this.#shards.map((shard) => shardStats(shard.memory));
  }

  /** One result per shard, in order. Rejects with `closed`. */
  search(query: ShardQuery): Promise<(ShardHits | ShardFailure)[]> {
    return this.#pool.search(this.#name, query);
  }

  /** Refuses further searches, waits for those under way and gives the memory back. Closing twice is fine. */
  close(): Promise<void> {
    this.#shards = [];
    return this.#pool.forget(this.#name);
  }
}
