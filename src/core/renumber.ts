/**
 * Renumbering: gives pins that link to each other ordinals close by, so that what a search fetches lies on fewer pages.
 * Where a thousand codes are fetched from all over the memory, looking up where their pages lie takes longer than
 * comparing them.
 *
 * The order grows groups greedily, each next member being the node with the most links from the group, and the next group
 * starts where the last one leads; after Gorder (Wei et al., SIGMOD 2016), with a group in place of its sliding window.
 * Then every column of the blocks is permuted in place, and every link follows.
 */
import { NearpinError } from '../lib/errors.ts';
import { LAYOUT as L } from './layout.ts';
import type { WasmMemory } from './webassembly.ts';

/** Nodes of a group: the codes of two pages. */
const GROUP = 128;
/** Nodes that a group leads to and that are looked at: as many as 128 lists of 32 hold. */
const CANDIDATES_MAX = 4096;

/** Where a shard's parts lie, in words of its memory. */
class Columns {
  readonly words: Uint32Array;
  readonly header: Uint32Array;
  readonly count: number;
  readonly #shift: number;
  readonly #mask: number;
  readonly #base: number;
  readonly #block: number;

  constructor(memory: WasmMemory) {
    this.words = new Uint32Array(memory.buffer);
    this.header = new Uint32Array(memory.buffer, L.NP_HEADER, L.NP_HEADER_BYTES / 4);
    this.count = this.header[L.H_COUNT]!;
    this.#shift = this.header[L.H_BLOCK_SHIFT]!;
    this.#mask = 2 ** this.#shift - 1;
    this.#base = this.header[L.H_BLOCKS_BASE]! / 4;
    this.#block = this.header[L.H_BLOCK_BYTES]! / 4;
  }

  /** Of an ordinal's record in the column at `offset` bytes of a block, whose records have so many words. */
  at(ordinal: number, offset: number, words: number): number {
    const block = this.#base + (ordinal >>> this.#shift) * this.#block;
    return block + offset / 4 + (ordinal & this.#mask) * words;
  }

  /** Offset and words of the records of every column. */
  *all(): Generator<readonly [offset: number, words: number]> {
    const { header } = this;
    yield [0, header[L.H_CODE_STRIDE]! / 4];
    yield [header[L.H_OFF_LINKS]!, header[L.H_M0]!];
    yield [header[L.H_OFF_NODES]!, L.NP_NODE_BYTES / 4];
    for (let cell = 0; cell < header[L.H_ROW_STRIDE]!; cell += L.NP_CELL_STRIDE)
      yield [header[L.H_OFF_ROWS]! + cell * 2 ** this.#shift, L.NP_CELL_STRIDE / 4];
    const fine = header[L.H_FINE_STRIDE]!;
    if (fine > 0) yield [header[L.H_OFF_FINE]!, fine / 4];
  }

  /** First word and room of each list of an ordinal. */
  *lists(ordinal: number): Generator<readonly [first: number, room: number]> {
    const { header, words } = this;
    yield [this.at(ordinal, header[L.H_OFF_LINKS]!, header[L.H_M0]!), header[L.H_M0]!];
    const node = this.at(ordinal, header[L.H_OFF_NODES]!, L.NP_NODE_BYTES / 4);
    const level = new Uint8Array(words.buffer, node * 4, L.NP_NODE_BYTES)[L.NODE_LEVEL]!;
    const upper = this.#base + words[node + L.NODE_RECORD / 4]! / 4;
    const m = header[L.H_M]!;
    for (let l = 0; l < level; l++) yield [upper + l * m, m];
  }
}

/** The ordinals in their new order. */
function orderOf(columns: Columns): Uint32Array {
  const { words, header, count } = columns;
  const room = header[L.H_M0]!;
  const offset = header[L.H_OFF_LINKS]!;
  const order = new Uint32Array(count);
  const isPlaced = new Uint8Array(count);
  const score = new Uint16Array(count);
  const candidates = new Uint32Array(CANDIDATES_MAX);
  let n = 0;
  let placed = 0;
  let unplaced = 0;
  /** Takes the candidate with the most links from the group; -1 when there is none. */
  const takeBest = (): number => {
    let best = -1;
    let most = 0;
    for (let i = 0; i < n; i++) {
      const links = score[candidates[i]!]!;
      if (links <= most) continue;
      best = i;
      most = links;
    }
    if (best < 0) return -1;
    const node = candidates[best]!;
    candidates[best] = candidates[--n]!;
    score[node] = 0;
    return node;
  };
  for (let seed = header[L.H_ENTRY]!; placed < count; ) {
    while (seed < 0 || isPlaced[seed]) seed = unplaced++;
    for (let node = seed, end = Math.min(count, placed + GROUP); ; ) {
      isPlaced[node] = 1;
      order[placed++] = node;
      const first = columns.at(node, offset, room);
      for (let i = first; i < first + room && words[i] !== 0; i++) {
        const link = words[i]! - 1;
        if (isPlaced[link]) continue;
        if (score[link] === 0) {
          if (n === CANDIDATES_MAX) continue;
          candidates[n++] = link;
        }
        score[link]!++;
      }
      const next = takeBest();
      seed = next;
      if (next < 0 || placed === end) break;
      node = next;
    }
    for (let i = 0; i < n; i++) score[candidates[i]!] = 0;
    n = 0;
  }
  return order;
}

/** Moves the records of a column so that record i becomes the one of order[i], along the cycles of the permutation. */
function permute(columns: Columns, offset: number, words: number, order: Uint32Array): void {
  const memory = columns.words;
  const isDone = new Uint8Array(order.length);
  const held = new Uint32Array(words);
  for (let first = 0; first < order.length; first++) {
    if (isDone[first]) continue;
    let target = columns.at(first, offset, words);
    held.set(memory.subarray(target, target + words));
    for (let to = first; ; ) {
      isDone[to] = 1;
      const source = order[to]!;
      if (source === first) break;
      const from = columns.at(source, offset, words);
      for (let w = 0; w < words; w++) memory[target + w] = memory[from + w]!;
      target = from;
      to = source;
    }
    memory.set(held, target);
  }
}

/**
 * Renumbers a shard that no other thread is at work on, and none of whose pins was removed. Searches find the same, but
 * for ties, which go by ordinal. Returns the new ordinal of each old one. Throws `internal` when pins were removed.
 */
export function renumber(memory: WasmMemory): Uint32Array {
  const columns = new Columns(memory);
  const { words, header, count } = columns;
  if (header[L.H_LIVE] !== count)
    throw new NearpinError('internal', 'a shard with gaps cannot be renumbered');
  const order = orderOf(columns);
  const places = new Uint32Array(count);
  for (let i = 0; i < count; i++) places[order[i]!] = i;
  const nodes = header[L.H_OFF_NODES]!;
  for (let ordinal = 0; ordinal < count; ordinal++) {
    const parent = columns.at(ordinal, nodes, L.NP_NODE_BYTES / 4) + L.NODE_PARENT / 4;
    if (words[parent] !== L.NP_NONE) words[parent] = places[words[parent]!]!;
    for (const [first, room] of columns.lists(ordinal))
      for (let i = first; i < first + room && words[i] !== 0; i++) words[i] = places[words[i]! - 1]! + 1;
  }
  for (const [offset, size] of columns.all()) permute(columns, offset, size, order);
  if (count > 0) header[L.H_ENTRY] = places[header[L.H_ENTRY]!]!;
  return places;
}
