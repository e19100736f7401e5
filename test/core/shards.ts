/** Shards, data and searches for the tests of the core. */
import { readFileSync } from 'node:fs';
import { LAYOUT as L } from '../../src/core/layout.ts';
import type { Metric } from '../../src/core/metric.ts';
import { unitVector } from '../../src/core/metric.ts';
import { type CodeI8, distanceF32, distanceToCodeI8 } from '../../src/core/oracle.ts';
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
export function openShard(config: ShardConfig, limitBytes = 2 ** 28, readers = 2): Opened {
  const memory = createShard(CORE, config, { readers, limitBytes });
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
  { exact = false, program = null, budget = 0x7fffffff }: SearchOptions = {},
): Hit[] {
  let done = shard.search(vector, k, ef, exact, program, budget);
  while (!done) done = shard.resume(budget);
  const hits = hitsOf(shard);
  shard.leave();
  return hits;
}

/** The distance that the finest level of a shard must give from a query to a stored pin. */
export function oracleDistance(
  config: ShardConfig,
  query: Float32Array,
  vector: Float32Array,
  code: CodeI8,
): number {
  if (config.code === 'i8' && config.fine === null) return distanceToCodeI8(config.metric, query, code);
  return distanceF32(config.metric, query, vector);
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
