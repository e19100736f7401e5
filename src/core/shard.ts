/**
 * One shard: a shared memory and, per thread, an instance of the core on it. Small values cross as numbers; vectors,
 * filters and hits cross through the thread's scratch, which layout.h describes.
 *
 * Slot 0 of the scratch is the writer's; readers take 1 and up. A slot belongs to one thread at a time, whose
 * instances on it take turns.
 */
import type { Checksum } from '../lib/checksum.ts';
import { NearpinError } from '../lib/errors.ts';
import { type Basis, wholeBasis } from './basis.ts';
import { adviseHugePages } from './huge-pages.ts';
import { LAYOUT as L } from './layout.ts';
import type { Metric } from './metric.ts';
import type { CodeI8, TwoLevels, WholeLevels } from './oracle.ts';
import { type WasmMemory, type WasmModule, wasm } from './webassembly.ts';

/** Everything that shapes a shard's memory; the segment holds exactly this beside the state and the blocks. */
export interface ShardConfig {
  readonly dim: number;
  readonly metric: Metric;
  readonly code: 'f32' | 'i8';
  readonly fine: 'f32' | 'i10' | 'i4' | null;
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  /** log2 of the ordinals per block, 4 to 16. */
  readonly blockShift: number;
  /** Bytes of heap that each block brings for ids, keyword lists and upper levels. */
  readonly heapBytes: number;
  /** Attribute row: bytes, where its keyword lists' cells begin, and how many there are. */
  readonly rowStride: number;
  readonly listsOffset: number;
  readonly lists: number;
}

/** The factor of DiskANN's pruning rule. Dot products have no triangle inequality to relax, so 1 there. */
const ALPHA = { cosine: 1.1, l2: 1.1, dot: 1 } as const;
const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2'];
const FINE = { f32: L.NP_FINE_F32, i10: L.NP_FINE_I10, i4: L.NP_FINE_I4 } as const;

/** The largest memory: one page less than 4 GiB, so that the end of the last block is still a u32. */
export const LIMIT_PAGES_MAX = 65535;
const PAGE = L.NP_PAGE;

export interface CoreExports {
  readonly __stack_pointer: { value: number };
  np_layout(): void;
  np_create(): void;
  np_insert(): number;
  np_remove(ordinal: number): number;
  np_set_row(ordinal: number): number;
  np_holds(reader: number, ordinal: number): number;
  np_vector(reader: number, ordinal: number): void;
  np_search(
    reader: number,
    k: number,
    ef: number,
    exact: number,
    filterWords: number,
    budget: number,
    timed: number,
  ): number;
  np_resume(reader: number, budget: number): number;
  np_hits(reader: number): number;
  np_leave(reader: number): void;
  np_validate(reader: number): number;
  np_products(x: number, rows: number, count: number, n: number, out: number): void;
  np_checksum(at: number, bytes: number, soFar: number): number;
  np_filter(program: number, ordinal: number): number;
  np_dot_f32(a: number, b: number, n: number): number;
  np_l2_f32(a: number, b: number, n: number): number;
  np_dot_i8(q: number, c: number, n: number): number;
  np_dots_i8(q: number, codes: number, n: number, length: number, out: number): void;
  np_dot_f32_i8(q: number, c: number, n: number): number;
  np_encode_i8(x: number, dim: number, values: number, squaredNorm: number): number;
  np_encode_query(x: number, dim: number, codeMax: number, values: number, squaredNorm: number): number;
  np_encode_i10(x: number, dim: number, upper: number, lower: number): number;
  np_dot_i10(q: number, upper: number, lower: number, n: number): number;
  np_encode_i12(
    x: number,
    n: number,
    values: number,
    first: number,
    plane: number,
    squaredNorm: number,
  ): number;
  np_dot_i4(q: number, plane: number, n: number): number;
  np_project(directions: number, x: number, lead: number, n: number, out: number): void;
  np_expand(directions: number, y: number, lead: number, n: number, out: number): void;
}

export function instantiate(module: WasmModule, memory: WasmMemory): CoreExports {
  return new wasm.Instance(module, { env: { memory } }).exports as unknown as CoreExports;
}

function header(memory: WasmMemory): Uint32Array {
  return new Uint32Array(memory.buffer, L.NP_HEADER, L.NP_HEADER_BYTES / 4);
}

/**
 * Places of a list on level 0: twice as many as above it. Where vectors are held in as little as an i4 level, links weigh most
 * and half as many again do as well (decision 25).
 */
function linksMax({ m, fine }: ShardConfig): number {
  return fine === 'i4' ? 2 * Math.ceil((3 * m) / 4) : 2 * m;
}

function writeConfig(words: Uint32Array, config: ShardConfig, lead: number): void {
  words[L.H_LAYOUT_VERSION] = L.NP_LAYOUT_VERSION;
  words[L.H_DIM] = config.dim;
  words[L.H_METRIC] = METRICS.indexOf(config.metric);
  words[L.H_CODE] = config.code === 'f32' ? L.NP_CODE_F32 : L.NP_CODE_I8;
  words[L.H_FINE] = config.fine === null ? L.NP_FINE_NONE : FINE[config.fine];
  words[L.H_M] = config.m;
  words[L.H_M0] = linksMax(config);
  words[L.H_EF_CONSTRUCTION] = config.efConstruction;
  new Float32Array(words.buffer, words.byteOffset)[L.H_ALPHA] = ALPHA[config.metric];
  words[L.H_SEED] = config.seed;
  words[L.H_BLOCK_SHIFT] = config.blockShift;
  words[L.H_HEAP_BYTES] = config.heapBytes;
  words[L.H_ROW_STRIDE] = config.rowStride;
  words[L.H_LISTS_OFFSET] = config.listsOffset;
  words[L.H_LISTS] = config.lists;
  words[L.H_LEAD] = lead;
}

export interface MemoryOptions {
  /** Threads that may search at once, 1 to 64. */
  readonly readers: number;
  /** The memory never grows beyond this many bytes; at most 4 GiB less a page. */
  readonly limitBytes?: number;
  /**
   * What codes are made by; null where they are of the whole vector. Only with i8 codes and a fine level. With an i4 level
   * one that has fewer directions than dimensions is completed.
   */
  readonly basis?: Basis | null;
}

/** Makes a memory with room for the scratch and `blocks` blocks; the header holds config and derived words. */
function makeMemory(
  module: WasmModule,
  config: ShardConfig,
  options: MemoryOptions,
  blocks: number,
): WasmMemory {
  const limit = Math.min(LIMIT_PAGES_MAX, Math.floor((options.limitBytes ?? LIMIT_PAGES_MAX * PAGE) / PAGE));
  let memory: WasmMemory;
  try {
    memory = new wasm.Memory({ initial: 1, maximum: Math.max(1, limit), shared: true });
  } catch (cause) {
    throw new NearpinError('shard_full', `a shared memory of up to ${limit} pages was refused`, [], {
      cause,
    });
  }
  const words = header(memory);
  writeConfig(words, config, options.basis?.lead ?? 0);
  words[L.H_READERS] = options.readers + 1;
  words[L.H_LIMIT_PAGES] = limit;
  instantiate(module, memory).np_layout();
  const needed = words[L.H_BLOCKS_BASE]! + blocks * words[L.H_BLOCK_BYTES]!;
  const pages = Math.ceil(needed / PAGE);
  if (words[L.H_BLOCKS_BASE] === 0 || blocks > words[L.H_BLOCKS_MAX]! || pages > limit) {
    throw new NearpinError(
      'shard_full',
      `the shard needs ${needed} bytes of memory and its limit is ${limit * PAGE}`,
    );
  }
  try {
    memory.grow(pages - 1);
  } catch (cause) {
    throw new NearpinError('shard_full', `the memory could not grow to ${needed} bytes`, [], { cause });
  }
  // Not the scratch before the blocks: most of it is never touched, and a huge page is there as a whole or not at all
  adviseHugePages(memory, words[L.H_BLOCKS_BASE]!, limit * PAGE);
  if (options.basis) {
    const basis = config.fine === 'i4' ? wholeBasis(options.basis, config.dim) : options.basis;
    basisValues(memory).set(basis.values);
  }
  return memory;
}

/** Memory of an empty shard. */
export function createShard(module: WasmModule, config: ShardConfig, options: MemoryOptions): WasmMemory {
  const memory = makeMemory(module, config, options, 0);
  instantiate(module, memory).np_create();
  return memory;
}

/** Copies what is not zero into fresh memory, page by page: pages that nothing was written to stay untouched there. */
function copyPages(from: SharedArrayBuffer, to: SharedArrayBuffer, start: number, stop: number): void {
  const words = new Int32Array(from);
  for (let at = start; at < stop; ) {
    const end = Math.min(stop, at - (at % PAGE) + PAGE);
    let word = at / 4;
    while (word < end / 4 && words[word] === 0) word++;
    if (word < end / 4) new Uint8Array(to, at, end - at).set(new Uint8Array(from, at, end - at));
    at = end;
  }
}

/**
 * A copy of a shard, on which no writer may be at work meanwhile, in a memory of its own that nobody searches: all but
 * scratch and masks, whose pages are never touched there. Throws shard_full when no such memory is to be had.
 */
export function copyShard(memory: WasmMemory): WasmMemory {
  const pages = memory.buffer.byteLength / PAGE;
  let copy: WasmMemory;
  try {
    copy = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new NearpinError('shard_full', `a copy of ${pages} pages was refused`, [], { cause });
  }
  const words = header(memory);
  adviseHugePages(copy, words[L.H_BLOCKS_BASE]!, pages * PAGE);
  const end = words[L.H_BLOCKS_BASE]! + words[L.H_BLOCKS]! * words[L.H_BLOCK_BYTES]!;
  for (const [start, stop] of [
    [0, L.NP_READER_EPOCHS],
    [words[L.H_BASIS]!, end],
  ] as const) {
    copyPages(memory.buffer, copy.buffer, start, stop);
  }
  return copy;
}

/** The words of the state that a segment holds, as `exportState` gave them. */
export type ShardState = Uint32Array;

/**
 * Memory for a shard that is read from a segment whose blocks have `bytes` in all: the state is set, the blocks are
 * to be filled (`blockBytes`). Throws corrupt_file when state and bytes contradict each other, before memory is taken.
 */
export function reopenShard(
  module: WasmModule,
  config: ShardConfig,
  state: ShardState,
  bytes: number,
  options: MemoryOptions,
): WasmMemory {
  const blocks = state[L.H_BLOCKS - L.H_STATE]!;
  const bytesPerBlock = blockBytesOf(module, config, options.basis?.lead ?? 0);
  if (blocks * bytesPerBlock !== bytes) {
    throw new NearpinError(
      'corrupt_file',
      `${blocks} blocks of ${bytesPerBlock} bytes are not ${bytes} bytes`,
    );
  }
  const fault = faultOfState(state, config, bytes);
  if (fault !== undefined) throw new NearpinError('corrupt_file', `the state of the shard has ${fault}`);
  const memory = makeMemory(module, config, options, blocks);
  header(memory).set(state, L.H_STATE);
  return memory;
}

/** What no state over `bytes` of blocks can have, whatever the blocks hold; `Shard.validate` looks into those. */
function faultOfState(state: ShardState, config: ShardConfig, bytes: number): string | undefined {
  if (state.length !== L.H_STATE_END - L.H_STATE) return `${state.length} words`;
  const word = (w: number) => state[w - L.H_STATE]!;
  const count = word(L.H_COUNT);
  const blocks = word(L.H_BLOCKS);
  if (count > blocks * 2 ** config.blockShift) return `${count} ordinals in ${blocks} blocks`;
  if (word(L.H_LIVE) > count) return `${word(L.H_LIVE)} live ones of ${count} ordinals`;
  if ((word(L.H_ENTRY) === L.NP_NONE) !== (word(L.H_LIVE) === 0))
    return 'no entry point, or one without pins';
  for (const w of [L.H_ENTRY, L.H_FREE, L.H_PENDING, L.H_LIMBO_SWEPT, L.H_LIMBO_NEW]) {
    if (word(w) !== L.NP_NONE && word(w) >= count) return `an ordinal ${word(w)} of ${count}`;
  }
  if (word(L.H_SWEEP_CURSOR) > count) return `a sweep at ${word(L.H_SWEEP_CURSOR)} of ${count} ordinals`;
  if (word(L.H_MAX_LEVEL) > L.NP_LEVEL_MAX) return `a level ${word(L.H_MAX_LEVEL)}`;
  if (word(L.H_PRNG) === 0) return 'a random generator that stands still';
  if (word(L.H_HEAP_BLOCK) > Math.max(0, blocks - 1) || word(L.H_HEAP_USED) > config.heapBytes) {
    return 'a heap that ends outside the blocks';
  }
  const freed = state.subarray(L.H_HEAP_FREE - L.H_STATE);
  return freed.some((reference) => reference >= Math.max(1, bytes))
    ? 'a freed record outside the blocks'
    : undefined;
}

/** Bytes of one block of a shard of this config, as the core lays it out. */
function blockBytesOf(module: WasmModule, config: ShardConfig, lead: number): number {
  const memory = new wasm.Memory({ initial: 1, maximum: 1, shared: true });
  const words = header(memory);
  writeConfig(words, config, lead);
  instantiate(module, memory).np_layout();
  return words[L.H_BLOCK_BYTES]!;
}

/** A copy of the words of the config, for the segment. */
export function configWords(memory: WasmMemory): Uint32Array {
  return header(memory).slice(0, L.H_CONFIG_WORDS);
}

/** f32 values of the basis of a shard with such a lead: the mean, and each direction. */
export function basisLength({ dim, fine }: Pick<ShardConfig, 'dim' | 'fine'>, lead: number): number {
  if (lead === 0) return 0;
  return (1 + (fine === 'i4' ? dim : lead)) * Math.ceil(dim / 4) * 4;
}

/** The values of the basis, as a view of the memory; empty where there is none. */
export function basisValues(memory: WasmMemory): Float32Array {
  const words = header(memory);
  const fine = words[L.H_FINE] === L.NP_FINE_I4 ? 'i4' : null;
  const length = basisLength({ dim: words[L.H_DIM]!, fine }, words[L.H_LEAD]!);
  return new Float32Array(memory.buffer, words[L.H_BASIS]!, length);
}

/** A copy of the basis that codes are made by; null where they are of whole vectors. */
export function basisOf(memory: WasmMemory): Basis | null {
  const lead = header(memory)[L.H_LEAD]!;
  return lead === 0 ? null : { lead, values: basisValues(memory).slice() };
}

/** One of the values of a residual: its upper eight bits stand in order, the lower two by 16 to a vector (native/layout.h). */
function i10At(upper: Int8Array, lower: Uint8Array, i: number): number {
  const byte = lower[(i >> 6) * 16 + (i & 15)]!;
  return upper[i]! * 4 + ((byte >> (((i & 63) >> 4) * 2)) & 3);
}

/** The 4 further bits of component i: of 16, 8 in the lower halves of 8 bytes and 8 in the upper (native/layout.h). */
function i4At(plane: Uint8Array, i: number): number {
  const byte = plane[(i >> 4) * 8 + (i & 7)]!;
  return ((byte >> (((i & 15) >> 3) * 4)) << 28) >> 28;
}

/** The mean and the directions of the basis, f32[dim] each: where there is none, zero and no directions. */
export function basisParts(memory: WasmMemory): { mean: Float32Array; directions: Float32Array[] } {
  const dim = header(memory)[L.H_DIM]!;
  const padded = Math.ceil(dim / 4) * 4;
  const values = basisValues(memory);
  const rows = Array.from({ length: values.length / padded }, (_, r) =>
    values.subarray(r * padded, r * padded + dim),
  );
  return { mean: rows[0] ?? new Float32Array(dim), directions: rows.slice(1) };
}

/** A copy of the words of the state, for the segment. */
export function exportState(memory: WasmMemory): ShardState {
  return header(memory).slice(L.H_STATE, L.H_STATE_END);
}

/** The bytes of the blocks in use: what the segment holds, and where it is read to. */
export function blockBytes(memory: WasmMemory): Uint8Array {
  const words = header(memory);
  return new Uint8Array(memory.buffer, words[L.H_BLOCKS_BASE]!, words[L.H_BLOCKS]! * words[L.H_BLOCK_BYTES]!);
}

/** The core's checksum, of views of this memory whose length is a multiple of 32, at most 256 KiB at a time. */
export function checksumIn(memory: WasmMemory, module: WasmModule): Checksum {
  const { np_checksum } = instantiate(module, memory);
  return ({ byteOffset, length }, soFar) => np_checksum(byteOffset, length, soFar) >>> 0;
}

/** Bytes of memory that a shard of `count` ordinals will take, before there is one. */
export function estimateBytes(config: ShardConfig, count: number): number {
  const slots = 2 ** config.blockShift;
  const codes = config.code === 'f32' ? config.dim * 4 : config.dim + L.CODE_TAIL_BYTES;
  const fine = { f32: config.dim * 4, i10: config.dim * 1.25 + 64, i4: config.dim * 0.5 + 24, none: 0 }[
    config.fine ?? 'none'
  ];
  const perNode = codes + 16 + linksMax(config) * 4 + L.NP_NODE_BYTES + config.rowStride + fine + 16;
  return Math.ceil(count / slots) * (slots * perNode + config.heapBytes + 4096);
}

export interface ShardStats {
  /** Ordinals in use or waiting to be used again. */
  readonly count: number;
  /** Pins that can be found. */
  readonly live: number;
  readonly blocks: number;
  /** Bytes of the blocks. */
  readonly bytes: number;
  readonly maxLevel: number;
  /** Ordinals that there is room for beside those in use or waiting. */
  readonly room: number;
  /** Bytes that the blocks may grow to. */
  readonly limitBytes: number;
}

export function shardStats(memory: WasmMemory): ShardStats {
  const words = header(memory);
  return {
    count: words[L.H_COUNT]!,
    live: words[L.H_LIVE]!,
    blocks: words[L.H_BLOCKS]!,
    bytes: words[L.H_BLOCKS]! * words[L.H_BLOCK_BYTES]!,
    maxLevel: words[L.H_MAX_LEVEL]!,
    room: words[L.H_BLOCKS_MAX]! * 2 ** words[L.H_BLOCK_SHIFT]! - words[L.H_COUNT]!,
    limitBytes: words[L.H_BLOCKS_MAX]! * words[L.H_BLOCK_BYTES]!,
  };
}

/** By the numbers of the layout. */
const PLANS = ['graph', 'scan', 'two-hop'] as const;

/** How a search went about it, and what it cost. */
export interface SearchStats {
  /** What gave the hits: the graph, a comparison of all that match, or the graph of those that match alone. */
  readonly plan: (typeof PLANS)[number];
  /** Width searched with; 0 for a scan. */
  readonly ef: number;
  /** The share of the live pins that match, as estimated from a sample; undefined where nothing hung on it. */
  readonly selectivity: number | undefined;
  /** Pins that match the filter; undefined where the search had no need to count them. */
  readonly matching: number | undefined;
  /** Where the mask of matching pins came from; `none` where none was needed. */
  readonly mask: 'none' | 'cached' | 'evaluated';
  /** Distances computed. */
  readonly distances: number;
  /** Lists of links read. */
  readonly hops: number;
}

/** What `validate` found wrong: the name of the invariant and the ordinal it concerns. */
export interface Finding {
  readonly invariant: string;
  readonly ordinal: number;
}

const FINDINGS: Readonly<Record<number, string>> = {
  [L.NP_BAD_LINK]: 'a link leads to no ordinal',
  [L.NP_SELF_LINK]: 'a node links to itself',
  [L.NP_DUPLICATE_LINK]: 'a node links twice to another',
  [L.NP_DANGLING_LINK]: 'a link leads to a free slot',
  [L.NP_BAD_ENTRY]: 'the entry point is not a live node of the highest level',
  [L.NP_UNREACHABLE]: 'a node cannot be reached',
  [L.NP_BAD_LEVEL]: 'a node lacks the level on which it is linked',
  [L.NP_BAD_COUNT]: 'the counts contradict the nodes',
  [L.NP_BAD_REFERENCE]: 'a record lies outside the heap',
};

/**
 * An instance of the core on a shard's memory, for one thread and one scratch slot.
 *
 * Every method throws a NearpinError `core_trap` when the core faults; the instance is then no longer to be used.
 */
export class Shard {
  readonly memory: WasmMemory;
  readonly reader: number;
  readonly #core: CoreExports;
  readonly #words: Uint32Array;
  readonly #state: Uint32Array;
  readonly #vector: Float32Array;
  readonly #input: Uint32Array;
  readonly #ordinals: Uint32Array;
  readonly #distances: Float32Array;
  #bytes: Buffer;

  /** @param reader scratch slot: 0 for the shard's one writer, 1 up to the memory's `readers` for the others. */
  constructor(module: WasmModule, memory: WasmMemory, reader: number) {
    this.memory = memory;
    this.reader = reader;
    this.#words = header(memory);
    this.#core = instantiate(module, memory);
    const scratch = L.NP_SCRATCH_BASE + reader * this.word(L.H_SCRATCH_STRIDE);
    this.#core.__stack_pointer.value = scratch + L.NP_STACK_BYTES;
    const { buffer } = memory;
    this.#state = new Uint32Array(buffer, scratch + L.NP_SEARCH_STATE, L.NP_SEARCH_STATE_BYTES / 4);
    this.#vector = new Float32Array(buffer, scratch + this.word(L.H_S_VECTOR), this.word(L.H_DIM));
    this.#input = new Uint32Array(buffer, scratch + this.word(L.H_S_INPUT), L.NP_INPUT_BYTES / 4);
    const hits = scratch + this.word(L.H_S_HITS) + L.NP_K_MAX * 8;
    this.#ordinals = new Uint32Array(buffer, hits, L.NP_K_MAX);
    this.#distances = new Float32Array(buffer, hits + L.NP_K_MAX * 4, L.NP_K_MAX);
    this.#bytes = Buffer.from(buffer as unknown as ArrayBuffer);
  }

  /** Word `w` of the header. */
  word(w: number): number {
    return this.#words[w]!;
  }

  get dim(): number {
    return this.word(L.H_DIM);
  }

  get metric(): Metric {
    return METRICS[this.word(L.H_METRIC)]!;
  }

  get m(): number {
    return this.word(L.H_M);
  }

  get efConstruction(): number {
    return this.word(L.H_EF_CONSTRUCTION);
  }

  get seed(): number {
    return this.word(L.H_SEED);
  }

  /** Ordinals are below this. */
  get count(): number {
    return this.word(L.H_COUNT);
  }

  /** Components that a code has. */
  get codeDim(): number {
    return this.word(L.H_CODE_DIM);
  }

  /** What the finest level is that is stored of a vector. */
  get finest(): 'f32' | 'i8' | 'i10' | 'i4' {
    if (this.word(L.H_FINE) === L.NP_FINE_I10) return 'i10';
    if (this.word(L.H_FINE) === L.NP_FINE_I4) return 'i4';
    return this.word(L.H_FINE) === L.NP_FINE_NONE && this.word(L.H_CODE) === L.NP_CODE_I8 ? 'i8' : 'f32';
  }

  /** The core's exports, for the tests of the kernels. */
  get exports(): CoreExports {
    return this.#core;
  }

  #guard<T>(call: () => T): T {
    try {
      return call();
    } catch (cause) {
      if (!(cause instanceof wasm.RuntimeError)) throw cause;
      throw new NearpinError('core_trap', `the core stopped: ${cause.message}`, [], { cause });
    }
  }

  /**
   * Inserts a pin. @param vector f32[dim], of unit length under cosine. @param id 1..255 UTF-8 bytes.
   * @param row the attribute row @param lists its keyword lists, in column order
   * @returns the ordinal. Throws `shard_full` when the limit is reached; nothing is changed then.
   */
  insert(vector: Float32Array, id: Uint8Array, row?: Uint8Array, lists: readonly Uint32Array[] = []): number {
    this.#vector.set(vector);
    const at = this.#writeRow(row, lists);
    this.#input[at] = id.length;
    new Uint8Array(this.#input.buffer, this.#input.byteOffset).set(id, (at + 1) * 4);
    const ordinal = this.#guard(() => this.#core.np_insert());
    if (ordinal === L.NP_FULL) {
      throw new NearpinError('shard_full', `the shard is full at ${this.word(L.H_LIVE)} pins`);
    }
    return ordinal;
  }

  /** Puts a row and its lists into the input; returns the word after them. */
  #writeRow(row: Uint8Array | undefined, lists: readonly Uint32Array[]): number {
    const stride = this.word(L.H_ROW_STRIDE);
    const bytes = new Uint8Array(this.#input.buffer, this.#input.byteOffset, stride);
    if (row) bytes.set(row.subarray(0, stride));
    else bytes.fill(0);
    let at = stride / 4;
    for (let l = 0; l < this.word(L.H_LISTS); l++) {
      const list = lists[l] ?? new Uint32Array(0);
      this.#input[at] = list.length;
      this.#input.set(list, at + 1);
      at += 1 + list.length;
    }
    return at;
  }

  /**
   * Puts another attribute row in the place of a live ordinal's, cell by cell; the graph is not touched. False when it
   * is not a live one. Throws `shard_full` when there is no room for the lists; nothing is changed then.
   */
  setRow(ordinal: number, row: Uint8Array, lists: readonly Uint32Array[]): boolean {
    this.#writeRow(row, lists);
    const answer = this.#guard(() => this.#core.np_set_row(ordinal));
    if (answer === L.NP_FULL) {
      throw new NearpinError('shard_full', 'the shard has no room for the keywords of the pin');
    }
    return answer >= 0;
  }

  /**
   * Whether a live ordinal holds what a vector is stored as, so that inserting it anew would store the same bytes.
   * @param vector f32[dim], of unit length under cosine
   */
  holds(ordinal: number, vector: Float32Array): boolean {
    this.#vector.set(vector);
    return this.#guard(() => this.#core.np_holds(this.reader, ordinal)) === 1;
  }

  /** Removes an ordinal and repairs the links around it; false when it is not a live one. */
  remove(ordinal: number): boolean {
    return this.#guard(() => this.#core.np_remove(ordinal)) >= 0;
  }

  /**
   * Starts a search and runs it for about `budget` distances, 0 to 2^31 - 1. Each search is ended by `leave`.
   * @param vector f32[dim], of unit length under cosine @param program compiled filter, or null
   * @param timed whether it stops also where another `stage` begins
   * @returns whether the search is done; otherwise `resume` goes on with it
   */
  search(
    vector: Float32Array,
    k: number,
    ef: number,
    exact: boolean,
    program: Uint32Array | null,
    budget: number,
    timed = false,
  ): boolean {
    this.#vector.set(vector);
    if (program) this.#input.set(program);
    const words = program?.length ?? 0;
    return this.#guard(
      () =>
        this.#core.np_search(this.reader, k, ef, exact ? 1 : 0, words, budget, timed ? 1 : 0) === L.NP_DONE,
    );
  }

  resume(budget: number): boolean {
    return this.#guard(() => this.#core.np_resume(this.reader, budget) === L.NP_DONE);
  }

  /** The number of hits of the search so far; `hitOrdinal` and `hitDistance` read them. */
  hits(): number {
    return this.#guard(() => this.#core.np_hits(this.reader));
  }

  hitOrdinal(i: number): number {
    return this.#ordinals[i]!;
  }

  hitDistance(i: number): number {
    return this.#distances[i]!;
  }

  /** Ends a search: the slots that it saw may be used again. */
  leave(): void {
    this.#core.np_leave(this.reader);
  }

  /** Width of the last search; 0 for a scan. */
  get ef(): number {
    return this.#state[L.S_EF]!;
  }

  /** What a search that is not done goes on with: NP_STAGE_SEARCH, NP_STAGE_FILTER or NP_STAGE_RESCORE. */
  get stage(): number {
    return this.#state[L.S_STAGE]!;
  }

  /** Of the last search, as in `stats`: the number of its plan, distances computed, lists of links read. */
  get plan(): number {
    return this.#state[L.S_PLAN]!;
  }

  get compared(): number {
    return this.#state[L.S_DISTANCES]!;
  }

  get visited(): number {
    return this.#state[L.S_HOPS]!;
  }

  /** Numbers of the last search. */
  stats(): SearchStats {
    const word = (w: number) => this.#state[w]!;
    const hasMask = word(L.S_FILTERED) === L.NP_FILTER_MASK;
    return {
      plan: PLANS[word(L.S_PLAN)]!,
      ef: word(L.S_EF),
      selectivity: word(L.S_SAMPLED) === 0 ? undefined : word(L.S_ACCEPTED) / word(L.S_SAMPLED),
      matching: word(L.S_FILTERED) === L.NP_FILTER_ROWS ? undefined : word(L.S_MATCHING),
      mask: !hasMask ? 'none' : word(L.S_MASK_CACHED) === 1 ? 'cached' : 'evaluated',
      distances: word(L.S_DISTANCES),
      hops: word(L.S_HOPS),
    };
  }

  #refresh(): Buffer {
    const { buffer } = this.memory;
    if (this.#bytes.buffer !== (buffer as unknown as ArrayBuffer)) {
      this.#bytes = Buffer.from(buffer as unknown as ArrayBuffer);
    }
    return this.#bytes;
  }

  #partOf(ordinal: number, offset: number, stride: number): number {
    const shift = this.word(L.H_BLOCK_SHIFT);
    const block = this.word(L.H_BLOCKS_BASE) + (ordinal >>> shift) * this.word(L.H_BLOCK_BYTES);
    return block + offset + (ordinal & ((1 << shift) - 1)) * stride;
  }

  #node(ordinal: number): number {
    return this.#partOf(ordinal, this.word(L.H_OFF_NODES), L.NP_NODE_BYTES);
  }

  isLive(ordinal: number): boolean {
    return this.#refresh()[this.#node(ordinal) + L.NODE_STATUS] === L.NODE_LIVE;
  }

  /** The pin id of an ordinal. */
  id(ordinal: number): string {
    const at = this.idsAt([ordinal])[0]!;
    const { bytes } = this;
    return bytes.toString('utf8', at + 1, at + 1 + bytes[at]!);
  }

  /** Where the ids of the first `count` ordinals lie in `bytes`: each a byte of length, then as much UTF-8. */
  idsAt(ordinals: readonly number[], count = ordinals.length): number[] {
    const bytes = this.#refresh();
    const base = this.word(L.H_BLOCKS_BASE);
    const listBytes = this.word(L.H_M) * 4;
    const at = new Array<number>(count);
    for (let i = 0; i < count; i++) {
      const node = this.#node(ordinals[i]!);
      at[i] = base + bytes.readUInt32LE(node + L.NODE_RECORD) + bytes[node + L.NODE_LEVEL]! * listBytes;
    }
    return at;
  }

  /** The whole memory as it is now; one that was taken before the memory grew does not see the rest. */
  get bytes(): Buffer {
    return this.#refresh();
  }

  /** The vector of an ordinal as the finest level holds it: a copy, f32[dim]. Overwrites the reader's own vector. */
  vector(ordinal: number): Float32Array {
    return this.#readVector(ordinal).slice();
  }

  /** As `vector`, of several ordinals: f32[n, dim]. */
  vectors(ordinals: readonly number[]): Float32Array {
    const { dim } = this;
    const vectors = new Float32Array(ordinals.length * dim);
    for (const [i, ordinal] of ordinals.entries()) vectors.set(this.#readVector(ordinal), i * dim);
    return vectors;
  }

  #readVector(ordinal: number): Float32Array {
    this.#guard(() => this.#core.np_vector(this.reader, ordinal));
    return this.#vector;
  }

  /** The i8 code of an ordinal; the shard's codes must be i8. `squaredNorm` is 0 under dot. */
  codeI8(ordinal: number): CodeI8 {
    const code = this.#partOf(ordinal, 0, this.word(L.H_CODE_STRIDE));
    const [scale, squaredNorm] = this.#floats(code + this.word(L.H_CODE_TAIL), 2) as unknown as [
      number,
      number,
    ];
    const values = new Int8Array(this.memory.buffer, code, this.word(L.H_CODE_DIM)).slice();
    return { values, scale, squaredNorm };
  }

  /** Code and residual of an ordinal; the shard's finest level must be i10. `squaredNorm` is 0 under dot. */
  twoLevels(ordinal: number): TwoLevels {
    const { dim } = this;
    const { upper, lower, tail } = this.#residual(ordinal);
    const [scale, squaredNorm] = tail.slice() as unknown as [number, number];
    const values = Int16Array.from({ length: dim }, (_, i) => i10At(upper, lower, i));
    return { code: this.codeI8(ordinal), residual: { values, scale }, squaredNorm };
  }

  /** A residual where it lies: `tail` is its scale and the squared norm of both levels. */
  #residual(ordinal: number): { upper: Int8Array; lower: Uint8Array; tail: Float32Array } {
    const { dim } = this;
    const { buffer } = this.memory;
    const at = this.#partOf(ordinal, this.word(L.H_OFF_FINE), this.word(L.H_FINE_STRIDE));
    const lowerAt = at + Math.ceil(dim / 16) * 16;
    const lowerBytes = Math.ceil(dim / 64) * 16;
    return {
      upper: new Int8Array(buffer, at, dim),
      lower: new Uint8Array(buffer, lowerAt, lowerBytes),
      tail: new Float32Array(buffer, lowerAt + lowerBytes, 2),
    };
  }

  /** Code and i4 level of an ordinal; the shard's finest level must be i4. `squaredNorm` is 0 under dot. */
  wholeLevels(ordinal: number): WholeLevels {
    const { dim } = this;
    const { values, scale } = this.codeI8(ordinal);
    const lead = values.length;
    const at = this.#partOf(ordinal, this.word(L.H_OFF_FINE), this.word(L.H_FINE_STRIDE));
    const planeAt = at + Math.ceil((dim - lead) / 4) * 4;
    const planeBytes = Math.ceil(dim / 16) * 8;
    const plane = new Uint8Array(this.memory.buffer, planeAt, planeBytes);
    const bits = Int8Array.from({ length: dim }, (_, i) => i4At(plane, i));
    const rest = new Int8Array(this.memory.buffer, at, dim - lead).slice();
    const [restScale, squaredNorm] = this.#floats(planeAt + planeBytes, 2) as unknown as [number, number];
    return {
      lead: { values, scale, bits: bits.subarray(0, lead) },
      rest: { values: rest, scale: restScale, bits: bits.subarray(lead) },
      squaredNorm,
    };
  }

  #floats(at: number, n: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, n).slice();
  }

  /** Eight bytes of an ordinal's attribute row, those that hold `offset`, as a view of the memory. */
  cells(ordinal: number, offset: number): DataView {
    const column = (offset - (offset % L.NP_CELL_STRIDE)) * 2 ** this.word(L.H_BLOCK_SHIFT);
    const at = this.#partOf(ordinal, this.word(L.H_OFF_ROWS) + column, L.NP_CELL_STRIDE);
    return new DataView(this.memory.buffer, at, L.NP_CELL_STRIDE);
  }

  /** The attribute row of an ordinal: a copy, as it was when it was inserted but for the references of its lists. */
  row(ordinal: number): DataView {
    const row = new DataView(new ArrayBuffer(this.word(L.H_ROW_STRIDE)));
    for (let at = 0; at < row.byteLength; at += L.NP_CELL_STRIDE) {
      row.setBigUint64(at, this.cells(ordinal, at).getBigUint64(0));
    }
    return row;
  }

  /** The keyword list that a cell of a row refers to. Throws `core_trap` when the reference is damaged. */
  list(reference: number): Uint32Array {
    if (reference === 0) return new Uint32Array(0);
    const at = this.word(L.H_BLOCKS_BASE) + reference;
    const bytes = this.#refresh();
    const length = at % 4 === 0 && at + 4 <= bytes.length ? bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length * 4 > bytes.length) {
      throw new NearpinError('core_trap', `the keyword list at ${reference} does not lie in the memory`);
    }
    return new Uint32Array(this.memory.buffer, at + 4, length).slice();
  }

  /** The ordinals that a node links to on level 0, for tests and inspection. */
  links(ordinal: number): number[] {
    const room = this.word(L.H_M0);
    const words = new Uint32Array(
      this.memory.buffer,
      this.#partOf(ordinal, this.word(L.H_OFF_LINKS), room * 4),
      room,
    );
    const end = words.indexOf(0);
    return Array.from(words.subarray(0, end < 0 ? room : end), (link) => link - 1);
  }

  /** Checks every invariant of the graph; undefined when all hold. Slow: it reads the whole shard. */
  validate(): Finding | undefined {
    const finding = this.#guard(() => this.#core.np_validate(this.reader));
    if (finding === L.NP_VALID) return undefined;
    return { invariant: FINDINGS[finding] ?? `finding ${finding}`, ordinal: this.#state[L.S_CURSOR]! };
  }
}
