/**
 * A shard's memory as a segment: four sections, read straight to where they will live. The blocks, which are nearly all of
 * it, are checked where they lie by the core, four times as fast as by CRC-32. indexes/README.md gives the
 * bytes. Nothing of the file is believed: its config must be the one that the manifest's config makes, and its sizes
 * are held against the file's before memory is taken.
 */
import type { Basis } from '../core/basis.ts';
import { LAYOUT as L } from '../core/layout.ts';
import {
  basisLength,
  basisValues,
  blockBytes,
  checksumIn,
  configWords,
  exportState,
  type MemoryOptions,
  reopenShard,
  type ShardConfig,
  shardStats,
} from '../core/shard.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import type { IndexConfig } from '../index/config.ts';
import { NearpinError } from '../lib/errors.ts';
import { corruptFile } from '../storage/file-error.ts';
import { openSegment, type Segment, type SegmentSeal, writeSegment } from '../storage/segment.ts';
import { shardConfigOf } from './shard-config.ts';

const CONFIG = 1;
const STATE = 2;
const BLOCKS = 3;
const BASIS = 4;
export const SECTION_NAMES = {
  [CONFIG]: 'config',
  [STATE]: 'state',
  [BLOCKS]: 'blocks',
  [BASIS]: 'basis',
} as const;

const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** Writes a shard to a new file. No writer may be at work on the memory. */
export function saveShard(path: string, memory: WasmMemory, module: WasmModule): SegmentSeal {
  const config = bytesOf(configWords(memory));
  const state = bytesOf(exportState(memory));
  const blocks = blockBytes(memory);
  const basis = bytesOf(basisValues(memory));
  return writeSegment(path, [
    { kind: CONFIG, bytes: config.length, chunks: [config] },
    { kind: STATE, bytes: state.length, chunks: [state] },
    { kind: BASIS, bytes: basis.length, chunks: [basis] },
    { kind: BLOCKS, bytes: blocks.length, chunks: [blocks], checksum: checksumIn(memory, module) },
  ]);
}

/** The basis of a shard whose config says that its codes are of a lead. Throws corrupt_file. */
function readBasis(segment: Segment, config: ShardConfig, lead: number): Basis | null {
  if (lead >= config.dim || (lead > 0 && (config.code !== 'i8' || config.fine === null))) {
    throw corruptFile(segment.path, 'has a config of impossible codes');
  }
  const values = new Float32Array(basisLength(config, lead));
  segment.readInto(BASIS, bytesOf(values));
  if (values.some((value) => !Number.isFinite(value))) {
    throw corruptFile(segment.path, 'has a basis that is not finite');
  }
  return lead === 0 ? null : { lead, values };
}

/**
 * Reads a shard of `count` pins into a memory of its own.
 * Throws missing_file, corrupt_file, unsupported_version, or shard_full when it does not fit the limit.
 */
export function loadShard(
  path: string,
  expected: SegmentSeal & { readonly count: number },
  config: IndexConfig,
  module: WasmModule,
  options: MemoryOptions,
): WasmMemory {
  const segment = openSegment(path, SECTION_NAMES, expected);
  try {
    const stored = new Uint32Array(L.H_CONFIG_WORDS);
    segment.readInto(CONFIG, bytesOf(stored));
    if (stored[L.H_LAYOUT_VERSION] !== L.NP_LAYOUT_VERSION) {
      const age = stored[L.H_LAYOUT_VERSION]! > L.NP_LAYOUT_VERSION ? 'a newer' : 'an older';
      throw new NearpinError('unsupported_version', `${path} was written by ${age} version of the core`);
    }
    const shape = { blockShift: stored[L.H_BLOCK_SHIFT]!, heapBytes: stored[L.H_HEAP_BYTES]! };
    if (shape.blockShift > 16 || shape.heapBytes % 64 !== 0 || shape.heapBytes > 2 ** 26) {
      throw corruptFile(path, 'has a config of impossible blocks');
    }
    const shardConfig = shardConfigOf(config, shape);
    const state = new Uint32Array(L.H_STATE_END - L.H_STATE);
    segment.readInto(STATE, bytesOf(state));
    const basis = readBasis(segment, shardConfig, stored[L.H_LEAD]!);
    const memory = reopenShard(module, shardConfig, state, segment.lengthOf(BLOCKS), { ...options, basis });
    if (configWords(memory).some((word, i) => word !== stored[i])) {
      throw corruptFile(path, 'has another config than its manifest');
    }
    if (shardStats(memory).live !== expected.count) {
      throw corruptFile(
        path,
        `holds ${shardStats(memory).live} pins where its manifest says ${expected.count}`,
      );
    }
    segment.readInto(BLOCKS, blockBytes(memory), checksumIn(memory, module));
    return memory;
  } catch (error) {
    if (error instanceof NearpinError && error.details.length === 0 && error.code === 'corrupt_file') {
      throw corruptFile(path, error.message);
    }
    throw error;
  } finally {
    segment.close();
  }
}
