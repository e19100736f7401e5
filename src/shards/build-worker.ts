/**
 * Builds one shard: reads its spool, inserts pin by pin, renumbers them, checks the graph, writes the segment. One graph is built by
 * one thread, so the same input gives the same bytes; parallelism is across shards.
 */
import { workerData } from 'node:worker_threads';
import { type Basis, trainBasis } from '../core/basis.ts';
import { renumber } from '../core/renumber.ts';
import { createShard, Shard, type ShardConfig, type ShardStats, shardStats } from '../core/shard.ts';
import type { WasmModule } from '../core/webassembly.ts';
import type { IndexConfig } from '../index/config.ts';
import { type ErrorRecord, NearpinError, toErrorRecord } from '../lib/errors.ts';
import type { SegmentSeal } from '../storage/segment.ts';
import { readSpool } from '../storage/spool.ts';
import { basisRows, blockShapeFor, shardConfigOf } from './shard-config.ts';
import { saveShard } from './shard-file.ts';

export interface BuildStart {
  readonly module: WasmModule;
  /** One counter of inserted pins per shard. */
  readonly progress: Int32Array;
}

export interface BuildTask {
  readonly config: IndexConfig;
  readonly shard: number;
  readonly spool: string;
  /** Pins in the spool. */
  readonly count: number;
  /** Heap bytes that their ids and keyword lists take. */
  readonly recordBytes: number;
  /** The segment to write. */
  readonly segment: string;
  readonly limitBytes: number;
}

export interface BuildResult {
  readonly seal: SegmentSeal;
  readonly stats: ShardStats;
  /** The ordinal of each pin of the spool, in its order. */
  readonly places: Uint32Array;
}

/** Errors lose their class and code between threads, so a failure is a result, too. */
export type BuildOutcome = BuildResult | { readonly error: ErrorRecord };

const { module, progress } = workerData as BuildStart;

export default function run(task: BuildTask): BuildOutcome {
  try {
    return buildShard(task);
  } catch (error) {
    return { error: toErrorRecord(error) };
  }
}

/** The basis of the shard's vectors, trained on some of them; null where codes are of whole vectors. */
function basisFor({ spool, count }: BuildTask, config: ShardConfig): Basis | null {
  const rows = basisRows(config, count);
  if (rows === 0) return null;
  const sample = new Float32Array(rows * config.dim);
  let at = 0;
  let drawn = 0;
  for (const { vector } of readSpool(spool, config)) {
    if (at++ !== Math.floor((drawn * count) / rows)) continue;
    sample.set(vector, drawn++ * config.dim);
    if (drawn === rows) break;
  }
  return trainBasis(sample, config.dim, config.metric, config.seed);
}

function buildShard(task: BuildTask): BuildResult {
  const config = shardConfigOf(task.config, blockShapeFor(task.config, task.count, task.recordBytes));
  const basis = basisFor(task, config);
  const memory = createShard(module, config, { readers: 0, limitBytes: task.limitBytes, basis });
  const shard = new Shard(module, memory, 0);
  for (const { vector, id, row, lists } of readSpool(task.spool, config)) {
    shard.insert(vector, id, row, lists);
    Atomics.add(progress, task.shard, 1);
  }
  const places = renumber(memory);
  const finding = shard.validate();
  if (finding) throw new NearpinError('internal', `${finding.invariant} (ordinal ${finding.ordinal})`);
  return { seal: saveShard(task.segment, memory, module), stats: shardStats(memory), places };
}
