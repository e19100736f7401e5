/**
 * A shard whose codes do not fit its pins, made anew. Codes are made by the basis that the shard was built with, and it
 * has none when it was made with few pins or none, as the shards of an index are that was created empty; nor does one fit
 * pins that are another kind of thing than those it was trained on. Either costs speed and recall, and no update can mend
 * it, since every code would have to change at once. So a checkpoint, which has a copy of the shard to itself, looks at
 * it, and where it pays inserts every pin into a new shard with a basis of today's pins, as a build would.
 */
import { type Basis, shareKeptBy, trainBasis } from '../core/basis.ts';
import { unitVector } from '../core/metric.ts';
import { renumber } from '../core/renumber.ts';
import { basisOf, createShard, Shard, shardStats } from '../core/shard.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { rowLayout } from '../index/attributes.ts';
import type { IndexConfig } from '../index/config.ts';
import { NearpinError } from '../lib/errors.ts';
import { Prng } from '../lib/prng.ts';
import { basisRows, blockShapeFor, heapRecordBytes, shardConfigOf } from './shard-config.ts';

/** Pins below which a shard is fast anyway: as many as the largest sample has rows. */
const PINS_MIN = 8192;
/** Rows of the sample that a basis is held against at every checkpoint: fewer than are trained on, as it is to cost little. */
const ROWS_CHECKED = 2048;
/** A basis is kept as long as this share of the nearest is found by its codes; one is trained to keep 0.998. */
const SHARE_MIN = 0.98;

/** Whether a shard has come to PINS_MIN pins, or to twice, four times … as many, since it had `before`. */
function hasDoubled(before: number, now: number): boolean {
  let next = PINS_MIN;
  while (next <= before) next *= 2;
  return now >= next;
}

/** The vector of an ordinal, as it is inserted. */
function vectorOf(shard: Shard, ordinal: number): Float32Array {
  const vector = shard.vector(ordinal);
  return shard.metric === 'cosine' ? unitVector(vector) : vector;
}

/** The vectors of so many of the ordinals, drawn evenly: f32[rows][dim]. */
function sampleOf(shard: Shard, ordinals: readonly number[], rows: number): Float32Array {
  const sample = new Float32Array(rows * shard.dim);
  for (let row = 0; row < rows; row++) {
    const ordinal = ordinals[Math.floor((row * ordinals.length) / rows)]!;
    sample.set(vectorOf(shard, ordinal), row * shard.dim);
  }
  return sample;
}

function liveOrdinals(shard: Shard): number[] {
  const ordinals: number[] = [];
  for (let ordinal = 0; ordinal < shard.count; ordinal++) if (shard.isLive(ordinal)) ordinals.push(ordinal);
  return ordinals;
}

/** The basis that the shard is to have, null for codes of whole vectors; undefined when it is to stay as it is. */
function betterBasis(
  shard: Shard,
  config: IndexConfig,
  ordinals: readonly number[],
  countBefore: number,
): Basis | null | undefined {
  const { dim, metric } = config;
  const rows = basisRows(shardConfigOf(config, blockShapeFor(config, 0, 0)), ordinals.length);
  if (rows === 0) return undefined;
  const basis = basisOf(shard.memory);
  if (basis) {
    const sample = sampleOf(shard, ordinals, Math.min(rows, ROWS_CHECKED));
    if (shareKeptBy(basis, sample, dim, metric) >= SHARE_MIN) return undefined;
  } else if (!hasDoubled(countBefore, ordinals.length)) {
    // Training that came to nothing is not tried again before there is much more to train on
    return undefined;
  }
  return trainBasis(sampleOf(shard, ordinals, rows), dim, metric, config.seed) ?? (basis ? null : undefined);
}

/**
 * The shard made anew, in a memory of its own that nobody searches; undefined when it can stay as it is, or when there
 * is no room for another. @param memory no writer may be at work on it @param countBefore pins that it held at the
 * checkpoint before @param limitBytes most bytes of the memory
 */
export function renewShard(
  module: WasmModule,
  memory: WasmMemory,
  config: IndexConfig,
  countBefore: number,
  limitBytes: number,
): WasmMemory | undefined {
  if (shardStats(memory).live < PINS_MIN) return undefined;
  const old = new Shard(module, memory, 0);
  const ordinals = liveOrdinals(old);
  const basis = betterBasis(old, config, ordinals, countBefore);
  if (basis === undefined) return undefined;
  try {
    return insertAnew(module, old, ordinals, config, basis, limitBytes);
  } catch (error) {
    if (error instanceof NearpinError && error.code === 'shard_full') return undefined;
    throw error;
  }
}

function insertAnew(
  module: WasmModule,
  old: Shard,
  ordinals: readonly number[],
  config: IndexConfig,
  basis: Basis | null,
  limitBytes: number,
): WasmMemory {
  const { stride, lists } = rowLayout(config.attributes);
  const listsOf = (row: DataView) =>
    Array.from({ length: lists.count }, (_, l) => old.list(row.getUint32(lists.offset + 4 * l, true)));
  let recordBytes = 0;
  for (const ordinal of ordinals) {
    recordBytes += heapRecordBytes(Buffer.byteLength(old.id(ordinal)) + 1);
    for (const list of listsOf(old.row(ordinal)))
      if (list.length > 0) recordBytes += heapRecordBytes(list.byteLength + 4);
  }
  const shape = blockShapeFor(config, ordinals.length, recordBytes);
  const renewed = createShard(module, shardConfigOf(config, shape), { readers: 0, limitBytes, basis });
  const shard = new Shard(module, renewed, 0);
  // Neighbouring ordinals are neighbours, and inserted in that order they would make a poorer graph
  for (const i of new Prng(config.seed).permutation(ordinals.length)) {
    const ordinal = ordinals[i]!;
    const row = old.row(ordinal);
    const bytes = new Uint8Array(row.buffer, 0, stride);
    shard.insert(vectorOf(old, ordinal), Buffer.from(old.id(ordinal)), bytes, listsOf(row));
  }
  renumber(renewed);
  return renewed;
}
