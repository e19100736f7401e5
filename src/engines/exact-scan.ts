/**
 * The oracle's search of a shard: every live, matching ordinal, compared by the naive kernels. Slow and plain; the
 * exact engine is nothing else, and the hnswlib engine uses it where hnswlib has no answer.
 */
import type { Metric } from '../core/metric.ts';
import {
  centre,
  distanceF32,
  distanceToCodeI8,
  distanceToTwoLevels,
  distanceToWholeLevels,
  encodeTwoLevelQuery,
  encodeWholeQuery,
  nearest,
  project,
} from '../core/oracle.ts';
import { basisParts, type Shard } from '../core/shard.ts';
import { runProgram } from '../index/filter-program.ts';
import type { ShardQuery } from '../shards/protocol.ts';
import type { Found } from '../shards/task-runner.ts';

/** Whether an ordinal is live and passes the query's filter, by the naive twin of the core's evaluator. */
export function acceptor(shard: Shard, query: ShardQuery): (ordinal: number) => boolean {
  const { program } = query;
  if (!program) return (ordinal) => shard.isLive(ordinal);
  return (ordinal) => {
    if (!shard.isLive(ordinal)) return false;
    const row = shard.row(ordinal);
    return runProgram(program, row, (offset) => shard.list(row.getUint32(offset, true)));
  };
}

/** Distance of the query to an ordinal by the finest level that the shard holds, bit for bit as the core's. */
export function distanceTo(shard: Shard, metric: Metric, query: Float32Array): (ordinal: number) => number {
  if (shard.finest === 'i8') return (ordinal) => distanceToCodeI8(metric, query, shard.codeI8(ordinal));
  if (shard.finest === 'i10') {
    const { mean, directions } = basisParts(shard.memory);
    const levels = encodeTwoLevelQuery(centre(query, mean), directions);
    return (ordinal) => distanceToTwoLevels(metric, levels, shard.twoLevels(ordinal));
  }
  if (shard.finest === 'i4') {
    const { mean, directions } = basisParts(shard.memory);
    const levels = encodeWholeQuery(project(centre(query, mean), directions), shard.codeDim);
    return (ordinal) => distanceToWholeLevels(metric, levels, shard.wholeLevels(ordinal));
  }
  return (ordinal) => distanceF32(metric, query, shard.vector(ordinal));
}

/** Scans a shard, to its end once it has begun: this engine is for checking others, not for serving. */
export function scanShard(shard: Shard, query: ShardQuery, k: number, isLate: () => boolean): Found {
  if (isLate()) return { ordinals: [], distances: [], ef: 0, complete: false };
  const found = nearest(
    shard.count,
    k,
    distanceTo(shard, shard.metric, query.vector),
    acceptor(shard, query),
  );
  return {
    ordinals: found.map((hit) => hit.ordinal),
    distances: found.map((hit) => hit.distance),
    ef: 0,
    complete: true,
  };
}
