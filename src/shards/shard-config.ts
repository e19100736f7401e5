/** From an index's config to the config of each of its shards. */
import { sampleRows } from '../core/basis.ts';
import type { ShardConfig } from '../core/shard.ts';
import { rowLayout } from '../index/attributes.ts';
import type { IndexConfig, Precision } from '../index/config.ts';

const LEVELS: Readonly<Record<Precision, Pick<ShardConfig, 'code' | 'fine'>>> = {
  f32: { code: 'f32', fine: null },
  i8: { code: 'i8', fine: null },
  'i8+f32': { code: 'i8', fine: 'f32' },
  'i8+i10': { code: 'i8', fine: 'i10' },
  'i8+i4': { code: 'i8', fine: 'i4' },
};

/** How a shard's memory is cut into blocks; the same for all ordinals of a shard, and kept in its segment. */
export interface BlockShape {
  /** log2 of the ordinals per block. */
  readonly blockShift: number;
  /** Bytes of heap per block. */
  readonly heapBytes: number;
}

/** Ordinals per block of a large shard: 2^10, so that a step of growth is small. */
const BLOCK_SHIFT = 10;
const BLOCK_SHIFT_MIN = 4;
/** More than the longest record, the links and the id of a node of the highest level with the highest M. */
const HEAP_BYTES_MIN = 8192;
/** Share of heap above what is expected: record sizes are rounded up and a block's last bytes may stay unused. */
const HEAP_MARGIN = 1.1;

/** A shape for a shard of `count` pins whose ids and keyword lists take `recordBytes` of heap in all. */
export function blockShapeFor(config: IndexConfig, count: number, recordBytes: number): BlockShape {
  const wanted = Math.ceil(Math.log2(Math.max(1, count))) - 3;
  const blockShift = Math.max(BLOCK_SHIFT_MIN, Math.min(BLOCK_SHIFT, wanted));
  const blocks = Math.max(1, Math.ceil(count / 2 ** blockShift));
  // A node has a level above 0 with probability 1 / M, each of which takes M links
  const upperBytes = (count * config.m * 4) / (config.m - 1);
  const perBlock = ((recordBytes + upperBytes) / blocks) * HEAP_MARGIN;
  return { blockShift, heapBytes: Math.max(HEAP_BYTES_MIN, Math.ceil(perBlock / 64) * 64) };
}

/** Heap bytes that a record takes. */
export function heapRecordBytes(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** Vectors from which a basis is trained for a shard of `count` pins; 0 where its codes are of whole vectors. */
export function basisRows({ code, fine, dim }: ShardConfig, count: number): number {
  return code === 'i8' && fine !== null ? sampleRows(dim, count) : 0;
}

export function shardConfigOf(config: IndexConfig, shape: BlockShape): ShardConfig {
  const layout = rowLayout(config.attributes);
  return {
    dim: config.dim,
    metric: config.metric,
    ...LEVELS[config.precision],
    m: config.m,
    efConstruction: config.efConstruction,
    seed: config.seed,
    ...shape,
    rowStride: layout.stride,
    listsOffset: layout.lists.offset,
    lists: layout.lists.count,
  };
}
