/** Seeded pins as an index of pictures holds them: vectors in clusters, attributes of every type, some missing. */

import { scoreOf, unitVector } from '../../src/core/metric.ts';
import {
  distanceF32,
  distanceToCodeI8,
  distanceToTwoLevels,
  distanceToWholeLevels,
  encodeI8,
  encodeTwoLevelQuery,
  encodeTwoLevels,
  encodeWholeLevels,
  encodeWholeQuery,
} from '../../src/core/oracle.ts';
import { type AttributeTypes, type Metric, type Precision, resolveConfig } from '../../src/index/config.ts';
import { matches, parseFilter } from '../../src/index/filter.ts';
import { type ParsedPin, parsePin } from '../../src/index/pin.ts';
import { Prng } from '../../src/lib/prng.ts';

/** `rank` is a permutation of 0 to count - 1 that has nothing to do with the vectors; `cluster` follows them. */
export const TYPES: AttributeTypes = {
  rank: 'number',
  price: 'number',
  cluster: 'keyword',
  category: 'keyword',
  tags: 'keyword[]',
  fresh: 'bool',
  created: 'time',
};

export interface TestPin {
  readonly id: string;
  readonly vector: readonly number[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly payload?: unknown;
}

export interface PinSpec {
  readonly count: number;
  readonly dim: number;
  readonly seed: number;
  readonly clusters?: number;
}

const DAY_MS = 86_400_000;

/** Pins `pin-0`, `pin-1`, … in the order of their numbers. */
export function clusteredPins({ count, dim, seed, clusters = 20 }: PinSpec): TestPin[] {
  const prng = new Prng(seed);
  const centres = Array.from({ length: clusters }, () => Array.from({ length: dim }, () => prng.normal()));
  const ranks = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = prng.below(i + 1);
    [ranks[i], ranks[j]] = [ranks[j]!, ranks[i]!];
  }
  return ranks.map((rank, i) => {
    const c = prng.below(clusters);
    const has = () => prng.float() < 0.9;
    return {
      id: `pin-${i}`,
      vector: centres[c]!.map((x) => Math.fround(x + 0.5 * prng.normal())),
      attributes: {
        rank,
        cluster: `c${c}`,
        ...(has() && { price: prng.below(10_000) / 100 }),
        ...(has() && { category: prng.pick(['lamps', 'chairs', 'shoes', 'cakes']) }),
        ...(has() && { tags: [`t${prng.below(9)}`, `t${prng.below(9)}`, `w${prng.below(300)}`] }),
        ...(has() && { fresh: prng.float() < 0.5 }),
        ...(has() && { created: new Date(prng.below(3000) * DAY_MS).toISOString() }),
      },
      ...(i % 2 === 0 && { payload: { title: `Pin ${i}`, images: [i, { wide: true }], none: null } }),
    };
  });
}

/** Vectors near the clusters of the same spec, as queries. */
export function clusteredQueries(spec: Omit<PinSpec, 'count'>, count: number): Float32Array[] {
  const { dim, seed, clusters = 20 } = spec;
  const prng = new Prng(seed);
  const centres = Array.from({ length: clusters }, () => Array.from({ length: dim }, () => prng.normal()));
  const noise = new Prng(seed + 1000);
  return Array.from({ length: count }, (_, i) =>
    Float32Array.from(centres[i % clusters]!, (x) => x + 0.5 * noise.normal()),
  );
}

export interface OracleQuery {
  readonly vector: Float32Array;
  readonly k: number;
  readonly filter?: Readonly<Record<string, unknown>>;
  readonly exclude?: readonly string[];
  readonly minScore?: number;
}

/** What an index must answer: every pin of a Map, filtered by `matches`, scored by the naive kernels, sorted. */
export class Oracle {
  readonly pins = new Map<string, ParsedPin>();
  readonly #metric: Metric;
  readonly #distances = new Map<string, (query: Float32Array) => number>();

  constructor(pins: readonly TestPin[], dim: number, metric: Metric, precision: Precision) {
    this.#metric = metric;
    const config = resolveConfig({ dim, metric, attributes: TYPES });
    for (const pin of pins) {
      const parsed = parsePin(pin, config, pin.id);
      const vector = metric === 'cosine' ? unitVector(parsed.vector!) : parsed.vector!;
      const code = encodeI8(vector);
      // The shards of the tests are too small for a basis
      const levels = encodeTwoLevels(vector, []);
      const whole = encodeWholeLevels(vector, dim);
      this.pins.set(pin.id, { ...parsed, vector });
      this.#distances.set(pin.id, (query) => {
        if (precision === 'i8') return distanceToCodeI8(metric, query, code);
        if (precision === 'i8+i10')
          return distanceToTwoLevels(metric, encodeTwoLevelQuery(query, []), levels);
        if (precision === 'i8+i4') return distanceToWholeLevels(metric, encodeWholeQuery(query, dim), whole);
        return distanceF32(metric, query, vector);
      });
    }
  }

  /** Ids of the pins that a filter keeps. */
  matching(filter: Readonly<Record<string, unknown>> | undefined): string[] {
    const node = parseFilter(filter ?? {}, TYPES);
    return [...this.pins.values()].filter((pin) => matches(node, pin.attributes)).map(({ id }) => id);
  }

  search({ vector, k, filter, exclude = [], minScore }: OracleQuery): { id: string; score: number }[] {
    const query = this.#metric === 'cosine' ? unitVector(vector) : vector;
    return this.matching(filter)
      .filter((id) => !exclude.includes(id))
      .map((id) => ({ id, score: scoreOf(this.#metric, this.#distances.get(id)!(query)) }))
      .filter(({ score }) => minScore === undefined || score >= minScore)
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
      .slice(0, k);
  }
}

/** Share of the wanted ids that were found. */
export function recall(wanted: readonly { id: string }[], found: readonly { id: string }[]): number {
  const ids = new Set(found.map(({ id }) => id));
  return wanted.length === 0 ? 1 : wanted.filter(({ id }) => ids.has(id)).length / wanted.length;
}
