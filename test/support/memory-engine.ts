/** The Engine interface by brute force over a Map: slow, obvious, and the oracle for everything above engines. */
import type {
  Engine,
  EngineAnswer,
  EngineDescription,
  EngineHit,
  EngineQuery,
  PinParts,
} from '../../src/engines/engine.ts';
import type { AttributeTypes, IndexConfig, Metric } from '../../src/index/config.ts';
import { matches, parseFilter } from '../../src/index/filter.ts';
import { type Pin, type PinInput, parsePin } from '../../src/index/pin.ts';
import { wordsOf } from '../../src/index/words.ts';
import { Prng } from '../../src/lib/prng.ts';
import { similarity } from '../../src/retrieval/similarity.ts';
import { naiveBm25 } from '../lexical/naive-bm25.ts';

export interface MemoryEngineOptions {
  readonly dim: number;
  readonly metric?: Metric;
  readonly attributes?: AttributeTypes;
  readonly model?: string | null;
  readonly pins: readonly PinInput[];
  /** Read against `deadlineAtMs`. */
  readonly clock?: () => number;
  /** Awaited before each search answers: tests hold searches with it. */
  readonly beforeAnswer?: () => Promise<void>;
  /** Leaves out every n-th best hit of searches that are not exact, so that recall is below 1. */
  readonly missEvery?: number;
}

/** A MemoryEngine counts how its searches came in: `turns[i]` searches in the i-th turn of the event loop. */
export interface MemoryEngine extends Engine {
  readonly turns: readonly number[];
  readonly queries: readonly EngineQuery[];
}

/** As a product in single precision: f32[n]. */
export function productsWith(vectors: readonly Float32Array[]): (x: Float32Array) => Float32Array {
  return (x) => Float32Array.from(vectors, (vector) => similarity('dot', vector, x));
}

/** Refuses bad pins as parsePin does. Under cosine the stored vectors are unit length. */
export function memoryEngine(options: MemoryEngineOptions): MemoryEngine {
  const { dim, metric = 'cosine', attributes = {}, model = null, clock = () => 0 } = options;
  const config: IndexConfig = {
    dim,
    metric,
    attributes,
    model,
    shards: 1,
    m: 16,
    efConstruction: 200,
    precision: 'f32',
    seed: 1,
  };
  const stored = new Map<string, Required<Pin>>();
  for (const [i, input] of options.pins.entries()) {
    const pin = parsePin(input, config, `pins[${i}]`);
    const vector = metric === 'cosine' ? unit(pin.vector!) : pin.vector!;
    stored.set(pin.id, { id: pin.id, seq: i + 1, vector, attributes: pin.attributes, payload: pin.payload });
  }
  const turns: number[] = [];
  const queries: EngineQuery[] = [];
  let inTurn = false;

  function countTurn(): void {
    if (!inTurn) {
      inTurn = true;
      turns.push(0);
      setImmediate(() => {
        inTurn = false;
      });
    }
    turns[turns.length - 1]!++;
  }

  return {
    turns,
    queries,
    config,

    describe(): EngineDescription {
      const count = stored.size;
      const bytes = count * dim * 4;
      return {
        engine: 'exact',
        config,
        generation: 'gen-1',
        seq: count,
        count,
        shards: [{ count, bytes }],
        bytes,
        defaultEf: 64,
      };
    },

    async search(query: EngineQuery): Promise<EngineAnswer> {
      countTurn();
      queries.push(query);
      const filter = query.filter === undefined ? undefined : parseFilter(query.filter, attributes);
      await options.beforeAnswer?.();
      const ef = query.exact ? 0 : Math.max(query.ef ?? 64, query.k);
      if (query.deadlineAtMs !== undefined && clock() >= query.deadlineAtMs)
        return {
          hits: [],
          ef,
          generation: 'gen-1',
          coverage: { shards: 1, answered: 0, degraded: 'deadline' },
          exhausted: false,
        };
      const excluded = new Set(query.exclude);
      const vector = metric === 'cosine' ? unit(query.vector) : query.vector;
      let found: EngineHit[] = [...stored.values()]
        .filter((pin) => !excluded.has(pin.id) && (filter === undefined || matches(filter, pin.attributes)))
        .map((pin) => ({ id: pin.id, score: score(metric, vector, pin.vector), vector: pin.vector }))
        .filter((hit) => query.minScore === undefined || hit.score >= query.minScore)
        .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
      if (!query.exact && options.missEvery !== undefined)
        found = found.filter((_, i) => (i + 1) % options.missEvery! !== 0);
      const hits = found.slice(0, query.k);
      return {
        hits: query.withVectors ? hits : hits.map(({ id, score }) => ({ id, score })),
        ...(query.explain && { explain: [{ plan: 'scan' as const, ef: 0 }] }),
        ef,
        generation: 'gen-1',
        coverage: { shards: 1, answered: 1 },
        exhausted: found.length < query.k,
      };
    },

    lexical: {
      describe: () => ({
        pins: [...stored.values()].filter(({ payload }) => wordsOf(undefined, payload) !== '').length,
        isReady: true,
      }),
      search: async ({ text, k, filter: wanted, exclude = [], minScore = Number.NEGATIVE_INFINITY }) => {
        const filter = wanted === undefined ? undefined : parseFilter(wanted, attributes);
        const plain = (words: string) =>
          words
            .toLowerCase()
            .replace(/[^a-z0-9]+/g, ' ')
            .trim();
        const words = new Map(
          [...stored.values()].map(({ id, payload }) => [id, plain(wordsOf(undefined, payload))]),
        );
        const found = naiveBm25(words, plain(text)).filter(
          ({ id, score }) =>
            score >= minScore &&
            !exclude.includes(id) &&
            (filter === undefined || matches(filter, stored.get(id)!.attributes)),
        );
        return {
          hits: found.slice(0, k),
          ef: 0,
          generation: 'gen-1',
          coverage: { shards: 1, answered: 1 },
          exhausted: found.length < k,
        };
      },
    },

    async pins(ids: readonly string[], parts: PinParts): Promise<(Pin | undefined)[]> {
      return ids.map((id) => {
        const pin = stored.get(id);
        if (pin === undefined) return undefined;
        return {
          id,
          seq: pin.seq,
          ...(parts.attributes && { attributes: pin.attributes }),
          ...(parts.payload && pin.payload !== undefined && { payload: pin.payload }),
          ...(parts.vector && { vector: pin.vector }),
        };
      });
    },

    productsWith,

    async sample(count: number, seed: number): Promise<string[]> {
      const random = new Prng(seed);
      const ids = [...stored.keys()];
      return Array.from(
        { length: Math.min(count, ids.length) },
        () => ids.splice(random.below(ids.length), 1)[0]!,
      );
    },

    async close(): Promise<void> {},
  };
}

/** Larger is better: what the API calls score. */
export function score(metric: Metric, a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += metric === 'l2' ? -((a[i]! - b[i]!) ** 2) : a[i]! * b[i]!;
  return Math.fround(sum);
}

export function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((x) => x / length);
}
