/**
 * The engine over a loaded generation: pin ids and filters in, scores out. What searches the shards is the pool's
 * worker; everything around it is the same for all engines.
 */
import { LAYOUT } from '../core/layout.ts';
import { scoreOf, unitVector } from '../core/metric.ts';
import { type RowLayout, rowLayout } from '../index/attributes.ts';
import { parseFilter } from '../index/filter.ts';
import { compileFilter } from '../index/filter-program.ts';
import type { Manifest } from '../index/manifest.ts';
import type { Pin } from '../index/pin.ts';
import { fromErrorRecord, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { Prng } from '../lib/prng.ts';
import { mergeHits } from '../shards/merge.ts';
import type { ShardHits, ShardQuery } from '../shards/protocol.ts';
import type { ShardSet } from '../shards/shard-set.ts';
import type { PinStore } from '../storage/pin-store.ts';
import type { Engine, EngineAnswer, EngineDescription, EngineName, EngineQuery, PinParts } from './engine.ts';

/**
 * Width of a search that asks for none. Chosen for recall@10 >= 0.98 on clustered 128-d vectors at 200,000 pins;
 * docs and bench say what it gives elsewhere.
 */
export const DEFAULT_EF = 128;

export interface ShardEngineParts {
  readonly name: EngineName;
  readonly manifest: Manifest;
  readonly shards: ShardSet;
  readonly pins: PinStore;
}

export class ShardEngine implements Engine {
  readonly #parts: ShardEngineParts;
  readonly #layout: RowLayout;
  /** What `describe` says once the shards are gone. */
  #last: EngineDescription | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: ShardEngineParts) {
    this.#parts = parts;
    this.#layout = rowLayout(parts.manifest.config.attributes);
  }

  describe(): EngineDescription {
    if (this.#last) return this.#last;
    const { name, manifest, shards } = this.#parts;
    const stats = shards.stats();
    return {
      engine: name,
      config: manifest.config,
      generation: manifest.generation,
      seq: manifest.seq,
      count: stats.reduce((sum, { live }) => sum + live, 0),
      shards: stats.map(({ live, bytes }) => ({ count: live, bytes })),
      bytes: stats.reduce((sum, { bytes }) => sum + bytes, 0),
      defaultEf: DEFAULT_EF,
    };
  }

  async search(query: EngineQuery): Promise<EngineAnswer> {
    this.#checkOpen();
    const { metric } = this.#parts.manifest.config;
    const exclude = new Set(query.exclude);
    const minScore = query.minScore ?? Number.NEGATIVE_INFINITY;
    // Each excluded pin can take one place of the hits, so as many more are asked for
    const k = Math.min(query.k + exclude.size, LAYOUT.NP_K_MAX);
    const shardQuery: ShardQuery = {
      // A copy in any case: it travels later in this turn, and a view would travel with the whole of its buffer
      vector: metric === 'cosine' ? unitVector(query.vector) : query.vector.slice(),
      k,
      ef: Math.max(query.ef ?? DEFAULT_EF, k),
      exact: query.exact ?? false,
      program: this.#compile(query.filter),
      deadlineAtMs: query.deadlineAtMs ?? Number.POSITIVE_INFINITY,
      withVectors: query.withVectors ?? false,
    };
    const results = await this.#parts.shards.search(shardQuery);
    const answered: ShardHits[] = [];
    for (const result of results) {
      if ('error' in result) throw fromErrorRecord(result.error);
      answered.push(result);
    }
    const complete = answered.filter((hits) => hits.complete).length;
    const hits = mergeHits(answered, metric, query.k, exclude, minScore);
    const mayHoldMore = answered.some(
      ({ distances }) => distances.length === k && scoreOf(metric, distances[k - 1]!) >= minScore,
    );
    return {
      hits,
      ef: answered.reduce((ef, hits) => Math.max(ef, hits.ef), 0),
      coverage: {
        shards: results.length,
        answered: complete,
        ...(complete < results.length && { degraded: 'deadline' as const }),
      },
      exhausted: complete === results.length && hits.length < query.k && !mayHoldMore,
    };
  }

  #compile(filter: EngineQuery['filter']): Uint32Array | null {
    if (filter === undefined) return null;
    const node = parseFilter(filter, this.#parts.manifest.config.attributes);
    return compileFilter(node, this.#layout, (attribute, value) =>
      this.#parts.pins.keywordCode(attribute, value),
    );
  }

  #checkOpen(): void {
    if (this.#closing) throw new NearpinError('closed', 'the index is closed');
  }

  async pins(ids: readonly string[], parts: PinParts): Promise<(Pin | undefined)[]> {
    this.#checkOpen();
    return ids.map((id) => {
      const stored = this.#parts.pins.get(id);
      if (stored === undefined) return undefined;
      return {
        id,
        seq: stored.seq,
        ...(parts.attributes && { attributes: stored.attributes }),
        ...(parts.payload && stored.payload !== undefined && { payload: stored.payload }),
        ...(parts.vector && { vector: this.#parts.shards.shards[stored.shard]!.vector(stored.ordinal) }),
      };
    });
  }

  async sample(count: number, seed: number): Promise<string[]> {
    this.#checkOpen();
    const { shards } = this.#parts.shards;
    const wanted = Math.min(count, LIMITS.recallSamplesMax, this.describe().count);
    const total = shards.reduce((sum, shard) => sum + shard.count, 0);
    const prng = new Prng(seed);
    const drawn = new Set<number>();
    const ids: string[] = [];
    while (ids.length < wanted) {
      let ordinal = prng.below(total);
      if (drawn.has(ordinal)) continue;
      drawn.add(ordinal);
      let s = 0;
      while (ordinal >= shards[s]!.count) ordinal -= shards[s++]!.count;
      if (shards[s]!.isLive(ordinal)) ids.push(shards[s]!.id(ordinal));
    }
    return ids;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    this.#last = this.describe();
    await this.#parts.shards.close();
    await this.#parts.pins.close();
  }
}
