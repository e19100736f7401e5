/** Shards, data and searches for the tests of the core. */
import { readFileSync } from 'node:fs';
import { type Basis, wholeBasis } from '../../src/core/basis.ts';
import { LAYOUT as L } from '../../src/core/layout.ts';
import type { Metric } from '../../src/core/metric.ts';
import { unitVector } from '../../src/core/metric.ts';
import {
  centre,
  distanceF32,
  distanceToCodeI8,
  distanceToTwoLevels,
  distanceToWholeLevels,
  encodeI8,
  encodeTwoLevelQuery,
  encodeTwoLevels,
  encodeWholeLevels,
  encodeWholeQuery,
  project,
} from '../../src/core/oracle.ts';
import { createShard, Shard, type ShardConfig } from '../../src/core/shard.ts';
import { type WasmMemory, type WasmModule, wasm } from '../../src/core/webassembly.ts';
import type { Prng } from '../../src/lib/prng.ts';

/** A file of native/, seen from the compiled test. */
export function nativeFile(name: string): URL {
  return new URL(`../../../native/${name}`, import.meta.url);
}

export const CORE: WasmModule = new wasm.Module(readFileSync(nativeFile('core.wasm')));

/** How vectors are held, in the names of the index config. */
export const PRECISIONS = {
  f32: { code: 'f32', fine: null },
  i8: { code: 'i8', fine: null },
  'i8+f32': { code: 'i8', fine: 'f32' },
  'i8+i10': { code: 'i8', fine: 'i10' },
  'i8+i4': { code: 'i8', fine: 'i4' },
} as const;

/** A small config; blocks of 2^4 ordinals, so that a few hundred pins cross many blocks. */
export function configOf(part: Partial<ShardConfig> & Pick<ShardConfig, 'dim' | 'metric'>): ShardConfig {
  return {
    ...PRECISIONS['i8+f32'],
    m: 16,
    efConstruction: 100,
    seed: 1,
    blockShift: 4,
    heapBytes: 2048,
    rowStride: 0,
    listsOffset: 0,
    lists: 0,
    ...part,
  };
}

export interface Opened {
  readonly memory: WasmMemory;
  readonly writer: Shard;
  /** The instance of scratch slot 1. */
  readonly reader: Shard;
}

/** An empty shard with its writer and one reader. */
export function openShard(
  config: ShardConfig,
  limitBytes = 2 ** 28,
  readers = 2,
  basis: Basis | null = null,
): Opened {
  const memory = createShard(CORE, config, { readers, limitBytes, basis });
  return { memory, writer: new Shard(CORE, memory, 0), reader: new Shard(CORE, memory, 1) };
}

export function fill(writer: Shard, vectors: readonly Float32Array[]): void {
  for (const [i, vector] of vectors.entries()) writer.insert(vector, Buffer.from(`p${i}`));
}

export interface Hit {
  readonly ordinal: number;
  readonly distance: number;
}

export interface SearchOptions {
  readonly exact?: boolean;
  readonly program?: Uint32Array | null;
  /** Distances per slice; one slice when absent. */
  readonly budget?: number;
  /** Whether slices also end with stages, and who hears which one follows. */
  readonly onStage?: (stage: number) => void;
}

export function hitsOf(shard: Shard): Hit[] {
  return Array.from({ length: shard.hits() }, (_, i) => ({
    ordinal: shard.hitOrdinal(i),
    distance: shard.hitDistance(i),
  }));
}

/** One search from its start to its end. */
export function search(
  shard: Shard,
  vector: Float32Array,
  k: number,
  ef: number,
  { exact = false, program = null, budget = 0x7fffffff, onStage }: SearchOptions = {},
): Hit[] {
  let done = shard.search(vector, k, ef, exact, program, onStage ? 0 : budget, onStage !== undefined);
  while (!done) {
    onStage?.(shard.stage);
    done = shard.resume(budget);
  }
  const hits = hitsOf(shard);
  shard.leave();
  return hits;
}

/** The mean and the directions of a basis, as its twins take them. */
export function basisRows(
  basis: Basis | null,
  dim: number,
): { mean: Float32Array; directions: Float32Array[] } {
  const padded = Math.ceil(dim / 4) * 4;
  const row = (r: number) => basis!.values.slice(r * padded, r * padded + dim);
  if (basis === null) return { mean: new Float32Array(dim), directions: [] };
  return {
    mean: row(0),
    directions: Array.from({ length: basis.values.length / padded - 1 }, (_, l) => row(1 + l)),
  };
}

/**
 * The distance that the finest level of a shard must give from each query to each stored vector. What a vector is
 * stored as is worked out once.
 */
export function oracleOf(
  config: ShardConfig,
  basis: Basis | null = null,
): (query: Float32Array, vector: Float32Array) => number {
  const { metric } = config;
  const whole = basis && config.fine === 'i4' ? wholeBasis(basis, config.dim) : basis;
  const { mean, directions } = basisRows(whole, config.dim);
  const lead = basis?.lead ?? config.dim;
  const componentsOf = (vector: Float32Array) => project(centre(vector, mean), directions);
  const stored = new WeakMap<Float32Array, (query: Float32Array) => number>();
  const storeAs = (vector: Float32Array): ((query: Float32Array) => number) => {
    if (config.code === 'f32' || config.fine === 'f32') return (query) => distanceF32(metric, query, vector);
    if (config.fine === null) {
      const code = encodeI8(vector);
      return (query) => distanceToCodeI8(metric, query, code);
    }
    if (config.fine === 'i4') {
      const levels = encodeWholeLevels(componentsOf(vector), lead);
      return (query) => distanceToWholeLevels(metric, encodeWholeQuery(componentsOf(query), lead), levels);
    }
    const levels = encodeTwoLevels(centre(vector, mean), directions);
    return (query) => {
      return distanceToTwoLevels(metric, encodeTwoLevelQuery(centre(query, mean), directions), levels);
    };
  };
  return (query, vector) => {
    const distance = stored.get(vector) ?? storeAs(vector);
    stored.set(vector, distance);
    return distance(query);
  };
}

export type Draw = () => Float32Array;

function fit(metric: Metric, vector: Float32Array): Float32Array {
  return metric === 'cosine' ? unitVector(vector) : vector;
}

/** Vectors of independent normal components. */
export function uniformData(random: Prng, metric: Metric, dim: number): Draw {
  return () =>
    fit(
      metric,
      Float32Array.from({ length: dim }, () => random.normal()),
    );
}

/** Vectors around `centres` points: around a random one, or around the one that is asked for. */
export function clusteredData(
  random: Prng,
  metric: Metric,
  dim: number,
  centres = 20,
  spread = 0.4,
): (cluster?: number) => Float32Array {
  const points = Array.from({ length: centres }, () =>
    Float32Array.from({ length: dim }, () => random.normal()),
  );
  return (cluster = random.below(centres)) =>
    fit(
      metric,
      points[cluster]!.map((x) => x + spread * random.normal()),
    );
}

export function drawMany(count: number, draw: Draw): Float32Array[] {
  return Array.from({ length: count }, () => draw());
}

/**
 * Share of the exact top k, by distance, that the searches find: a hit as near as the last of the exact ones counts,
 * so that ties are no loss.
 */
export function recallOf(
  shard: Shard,
  queries: readonly Float32Array[],
  k: number,
  ef: number,
  program: Uint32Array | null = null,
): number {
  let found = 0;
  let wanted = 0;
  for (const query of queries) {
    const exact = search(shard, query, k, 0, { exact: true, program });
    const last = exact.at(-1)?.distance ?? 0;
    found += search(shard, query, k, ef, { program }).filter(({ distance }) => distance <= last).length;
    wanted += exact.length;
  }
  return wanted === 0 ? 1 : found / wanted;
}

/**
 * The live ordinals that level 0 leads to from the entry point by way of live ones alone, each with its number of
 * links from there.
 */
export function reachable(shard: Shard): Map<number, number> {
  const entry = shard.word(L.H_ENTRY);
  const steps = new Map<number, number>(entry === L.NP_NONE ? [] : [[entry, 0]]);
  // A Map may grow while it is walked, and gives its entries in the order in which they came.
  for (const [ordinal, n] of steps) {
    for (const link of shard.links(ordinal))
      if (!steps.has(link) && shard.isLive(link)) steps.set(link, n + 1);
  }
  return steps;
}
