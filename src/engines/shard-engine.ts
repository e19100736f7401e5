/**
 * The engine over a loaded generation: pin ids and filters in, scores out. What searches the shards is the pool's
 * worker; everything around it is the same for all engines.
 */
import { LAYOUT } from '../core/layout.ts';
import { scoreOf, unitScale } from '../core/metric.ts';
import type { Products } from '../core/products.ts';
import { type RowLayout, rowLayout } from '../index/attributes.ts';
import type { IndexConfig } from '../index/config.ts';
import { type FilterNode, matches, parseFilter } from '../index/filter.ts';
import { compileFilter } from '../index/filter-program.ts';
import type { Manifest } from '../index/manifest.ts';
import type { Pin } from '../index/pin.ts';
import { fromErrorRecord, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { Prng } from '../lib/prng.ts';
import { STAGE } from '../lib/watch.ts';
import { mergeHits, type Standing } from '../shards/merge.ts';
import type { ShardFailure, ShardHits, ShardQuery } from '../shards/protocol.ts';
import type { ShardSet } from '../shards/shard-set.ts';
import type {
  Engine,
  EngineAnswer,
  EngineDescription,
  EngineName,
  EngineQuery,
  LexicalEngine,
  PinParts,
  ShardPlan,
} from './engine.ts';
import type { LiveLexical } from './live-lexical.ts';
import type { LivePins } from './live-pins.ts';

/**
 * Width of a search that asks for none. Chosen for recall@10 >= 0.98 on clustered 128-d vectors at 200,000 pins;
 * docs and bench say what it gives elsewhere.
 */
export const DEFAULT_EF = 128;

/** How many more hits are asked for than were missing, when some turned out to be hidden. */
const HIDDEN_MARGIN = 16;

const NONE: ReadonlySet<string> = new Set();

/** How a shard was searched, as far as its searcher tells. */
function planOf({ stats, ef, complete }: ShardHits): ShardPlan {
  if (!stats) return { plan: ef > 0 ? 'graph' : complete ? 'scan' : 'none', ef };
  const { selectivity, matching, ...rest } = stats;
  return {
    ...rest,
    ...(selectivity !== undefined && { selectivity }),
    ...(matching !== undefined && { matching }),
  };
}

/** Throws the first failure. */
function withoutFailures(results: readonly (ShardHits | ShardFailure)[]): readonly ShardHits[] {
  for (const result of results) if ('error' in result) throw fromErrorRecord(result.error);
  return results as readonly ShardHits[];
}

export interface ShardEngineParts {
  readonly name: EngineName;
  readonly manifest: Manifest;
  readonly shards: ShardSet;
  readonly pins: LivePins;
  readonly lexical: LiveLexical;
  readonly products: Products;
}

export class ShardEngine implements Engine {
  #parts: ShardEngineParts;
  readonly #layout: RowLayout;
  /** What `describe` says once the shards are gone. */
  #last: EngineDescription | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: ShardEngineParts) {
    this.#parts = parts;
    this.#layout = rowLayout(parts.manifest.config.attributes);
  }

  get config(): IndexConfig {
    return this.#parts.manifest.config;
  }

  describe(): EngineDescription {
    if (this.#last) return this.#last;
    const { name, manifest, shards, pins } = this.#parts;
    const stats = shards.stats();
    return {
      engine: name,
      config: manifest.config,
      generation: manifest.generation,
      seq: pins.seq,
      count: pins.count,
      shards: stats.map(({ live, bytes }) => ({ count: live, bytes })),
      bytes: stats.reduce((sum, { bytes }) => sum + bytes, 0),
      defaultEf: DEFAULT_EF,
    };
  }

  get lexical(): LexicalEngine {
    return this.#parts.lexical;
  }

  /** Goes on under the name of a generation that holds what this one has become. */
  rename(manifest: Manifest): void {
    this.#parts = { ...this.#parts, manifest };
  }

  async search(query: EngineQuery): Promise<EngineAnswer> {
    this.#checkOpen();
    const { pins, manifest, shards } = this.#parts;
    const { metric, attributes } = manifest.config;
    const { watch } = query;
    const filter = query.filter === undefined ? undefined : parseFilter(query.filter, attributes);
    const exclude = query.exclude?.length ? new Set(query.exclude) : NONE;
    const minScore = query.minScore ?? Number.NEGATIVE_INFINITY;
    const program = filter
      ? compileFilter(filter, this.#layout, (name, value) => pins.keywordCode(name, value))
      : null;
    const scale = metric === 'cosine' ? unitScale(query.vector) : 1;
    const since = pins.beginSearch();
    const standingOf = (id: string, shard: number, ordinal: number): Standing => {
      if (exclude.size > 0 && exclude.has(id)) return 'hidden';
      // Its row may have changed while the filter was evaluated
      if (filter && pins.isRecent(id, since) && !this.#fits(id, filter)) return 'hidden';
      return pins.standingOf(id, shard, ordinal, since);
    };
    try {
      // Each excluded pin can take one place of the hits, so as many more are asked for
      for (let k = Math.min(query.k + exclude.size, LAYOUT.NP_K_MAX); ; ) {
        const asked: ShardQuery = {
          vector: query.vector,
          k,
          ef: Math.max(query.ef ?? DEFAULT_EF, k),
          exact: query.exact ?? false,
          program,
          deadlineAtMs: query.deadlineAtMs ?? Number.POSITIVE_INFINITY,
          withVectors: query.withVectors ?? false,
          explain: query.explain ?? false,
        };
        const searching = shards.search(asked, scale, query.caller, query.background);
        const answered = withoutFailures(await searching);
        const mergedFromMs = watch ? watch.now() : 0;
        const { hits, leftOut } = mergeHits(answered, metric, query.k, standingOf, minScore);
        let ef = 0;
        let complete = 0;
        let mayHoldMore = false;
        for (const found of answered) {
          ef = Math.max(ef, found.ef);
          if (found.complete) complete++;
          const { distances } = found;
          mayHoldMore ||= distances.length >= k && scoreOf(metric, distances[k - 1]!) >= minScore;
        }
        const isComplete = complete === answered.length;
        watch?.took(STAGE.merge, mergedFromMs);
        watch?.searched(query, { shards: answered, isComplete });
        const isShort = hits.length < query.k && mayHoldMore && leftOut > exclude.size;
        if (isShort && isComplete && k < LAYOUT.NP_K_MAX) {
          k = Math.min(k + 2 * leftOut + HIDDEN_MARGIN, LAYOUT.NP_K_MAX);
          continue;
        }
        const coverage = { shards: answered.length, answered: complete };
        const answer = {
          hits,
          ef,
          generation: this.#parts.manifest.generation,
          coverage: isComplete ? coverage : { ...coverage, degraded: 'deadline' as const },
          exhausted: isComplete && hits.length < query.k && !mayHoldMore,
        };
        return query.explain ? { ...answer, explain: answered.map(planOf) } : answer;
      }
    } finally {
      pins.endSearch(since);
    }
  }

  /** Whether a pin, as it can be seen, passes a filter. */
  #fits(id: string, filter: FilterNode): boolean {
    const pin = this.#parts.pins.get(id);
    return pin !== undefined && matches(filter, pin.attributes);
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

  productsWith(vectors: readonly Float32Array[]): (x: Float32Array) => Float32Array {
    return this.#parts.products.of(vectors);
  }

  async sample(count: number, seed: number): Promise<string[]> {
    this.#checkOpen();
    const { pins } = this.#parts;
    const { shards } = this.#parts.shards;
    const wanted = Math.min(count, LIMITS.recallSamplesMax, pins.count);
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
      if (!shards[s]!.isLive(ordinal)) continue;
      const id = shards[s]!.id(ordinal);
      if (pins.standingOf(id, s, ordinal, pins.seq) === 'current') ids.push(id);
    }
    return ids;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    this.#last = this.describe();
    await this.#parts.lexical.close();
    await this.#parts.shards.close();
    await this.#parts.pins.close();
  }
}
