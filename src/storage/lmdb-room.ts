/**
 * Room on the disk for what LMDB is about to write, taken before it is asked to: its file is made longer with zeros.
 *
 * Where a write of pages is refused outright, lmdb 3.5 puts a message about it into a buffer that is too short for it
 * (`mdb_page_flush` in `mdb.c`), and the process ends a little later. So the file has to hold every page that a
 * transaction can come to before it comes to it. How many that are is bounded from above: LMDB takes free pages first.
 */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { LMDB_PAGE_BYTES, lastLmdbPage } from './lmdb-file.ts';

/** A file grows by so much at least, so that few transactions have to wait for it. */
const STEP_BYTES = 1024 * 1024;
const ZEROS = new Uint8Array(STEP_BYTES);
/** What a page and a node begin with, and the longest node that lies in a page with others (`me_nodemax`). */
const PAGE_HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
const NODE_BYTES_MAX = 2034;
const OFFSET_BYTES = 2;
/** The path to a leaf, and lists of free pages that are written anew. */
const PAGES_MIN = 64;
/** The lists of free pages that a file of this many pages can come to have are one more. */
const PAGES_PER_LIST = 256;

export class LmdbRoom {
  #fd: number | undefined;
  #bytes: number;
  /** Pages that the transaction may end at, without what was added. */
  #pages = 0;
  /** Bytes of nodes that were added. */
  #nodes = 0;

  /** @param file of an environment that is open. Throws as `openSync` does. */
  constructor(file: string) {
    this.#fd = openSync(file, 'r+');
    this.#bytes = fstatSync(this.#fd).size;
  }

  /** Length that the file was given; LMDB makes it no longer. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Makes room for a transaction that puts nothing yet, to be called before it begins. Throws what the disk says.
   * @param leaves that it may change, beside those that it makes: entries that it removes or puts among others
   */
  begin(leaves: number): void {
    const last = lastLmdbPage(this.#fd!);
    const changed = Math.min(leaves, last);
    this.#pages = last + 1 + PAGES_MIN + Math.ceil(last / PAGES_PER_LIST) + Math.ceil(changed * 1.25);
    this.#nodes = 0;
    this.#reserve();
  }

  /** Makes room for an entry, to be called before it is put. Throws what the disk says. */
  add(keyBytes: number, valueBytes: number): void {
    const node = NODE_HEADER_BYTES + keyBytes + valueBytes;
    const isBig = node > NODE_BYTES_MAX;
    if (isBig) this.#pages += Math.ceil((PAGE_HEADER_BYTES + valueBytes) / LMDB_PAGE_BYTES);
    this.#nodes += OFFSET_BYTES + 2 * Math.ceil((isBig ? NODE_HEADER_BYTES + keyBytes + 8 : node) / 2);
    this.#reserve();
  }

  #reserve(): void {
    // A leaf that was split is half full at worst
    const leaves = Math.ceil((2 * this.#nodes) / (LMDB_PAGE_BYTES - PAGE_HEADER_BYTES));
    const needed = (this.#pages + leaves) * LMDB_PAGE_BYTES;
    if (needed <= this.#bytes) return;
    const end = Math.max(needed, this.#bytes + STEP_BYTES);
    try {
      while (this.#bytes < end) {
        this.#bytes += writeSync(this.#fd!, ZEROS, 0, Math.min(STEP_BYTES, end - this.#bytes), this.#bytes);
      }
    } catch (error) {
      if (this.#bytes < needed) throw error;
    }
  }

  /** Closing twice is fine. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
