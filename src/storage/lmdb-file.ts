/**
 * Whether an LMDB file may be opened. LMDB trusts the pages that it maps: a damaged one ends the process by a signal or
 * an assertion. So the pages of a file that is written to, for which there can be no checksum of the whole, are walked
 * first: every page that the newest meta page leads to is what its place says, lies in the file and is used once, and
 * free pages lie in it. What values hold is their owner's business.
 *
 * The format is LMDB's data format 2 as the npm package lmdb 3 writes it (`mdb.c`: MDB_page, MDB_node, MDB_meta, MDB_db;
 * lists of free pages there also hold blocks, as minus their length before their first page, and zeros).
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { corruptFile } from './file-error.ts';

/** The page size that every environment of an index has. */
export const LMDB_PAGE_BYTES = 4096;
const MAGIC = 0xbeefc0de;
const HEADER_BYTES = 24;
const NODE_BYTES = 8;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const META = 8;
/** Flag of a leaf's node whose value lies on pages of its own. */
const BIG_VALUE = 1;
const DEPTH_MAX = 32;
/** No root: the tree is empty. */
const NO_PAGE = 0xffffffffffffffffn;
const DATA_VERSION = 2;
const VERSION_AT = 28;
const ADDRESS_AT = 32;
const MAP_BYTES_AT = 40;
const MAP_BYTES_MAX = 2n ** 46n;
/** Flags of the tree of free pages; the main one has none. */
const INTEGER_KEYS = 8;
const FREE_TREE_AT = 48;
const MAIN_TREE_AT = 96;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;

/** Throws corrupt_file when the file is not one that LMDB can be trusted with. `isKey` says which keys it may hold. */
export function checkLmdbFile(path: string, isKey: (key: Buffer) => boolean): void {
  const fd = openSync(path, 'r');
  try {
    new Check(path, fd).run(isKey);
  } finally {
    closeSync(fd);
  }
}

/** The last page that the newest transaction in an LMDB file has used, or has freed. The file must be a sound one. */
export function lastLmdbPage(fd: number): number {
  const bytes = Buffer.alloc(2 * LMDB_PAGE_BYTES);
  readSync(fd, bytes, 0, bytes.length, 0);
  const [first, second] = [0, LMDB_PAGE_BYTES].map((at) => ({
    page: Number(bytes.readBigUInt64LE(at + LAST_PAGE_AT)),
    transaction: bytes.readBigUInt64LE(at + TRANSACTION_AT),
  })) as [{ page: number; transaction: bigint }, { page: number; transaction: bigint }];
  return first.transaction > second.transaction ? first.page : second.page;
}

class Check {
  readonly #path: string;
  readonly #fd: number;
  readonly #pages: number;
  /** One byte a page: whether it has been seen. */
  readonly #seen: Uint8Array;
  #last = 0;

  constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
    this.#pages = Math.floor(fstatSync(fd).size / LMDB_PAGE_BYTES);
    this.#seen = new Uint8Array(this.#pages);
  }

  run(isKey: (key: Buffer) => boolean): void {
    const metas = [0, 1].map((number) => this.#meta(number));
    const [older, newer] = metas.sort((a, b) =>
      Number(a.readBigUInt64LE(TRANSACTION_AT) - b.readBigUInt64LE(TRANSACTION_AT)),
    );
    // Both count: until the next commit LMDB may fall back on the older one
    for (const meta of [older!, newer!]) {
      this.#last = this.#number(meta.readBigUInt64LE(LAST_PAGE_AT), 'a last page');
      this.#that(this.#last < this.#pages, `has ${this.#pages} pages of ${this.#last + 1}`);
    }
    let before = Buffer.alloc(0);
    this.#tree(newer!, MAIN_TREE_AT, (key) => {
      this.#that(isKey(key) && Buffer.compare(before, key) < 0, 'has a key that cannot be there');
      before = Buffer.from(key);
    });
    const free: Buffer[] = [];
    this.#tree(newer!, FREE_TREE_AT, (key, value) => {
      this.#that(key.length === 8, 'has a list of free pages of no transaction');
      free.push(value());
    });
    for (const list of free) this.#freeList(list);
  }

  #that(condition: boolean, message: string): void {
    if (!condition) throw corruptFile(this.#path, message);
  }

  #number(value: bigint, what: string): number {
    this.#that(value >= 0n && value < 2n ** 40n, `has ${what} ${value}`);
    return Number(value);
  }

  #read(page: number, pages = 1): Buffer {
    const bytes = Buffer.alloc(pages * LMDB_PAGE_BYTES);
    const read = readSync(this.#fd, bytes, 0, bytes.length, page * LMDB_PAGE_BYTES);
    this.#that(read === bytes.length, `ends within page ${page}`);
    return bytes;
  }

  #meta(number: number): Buffer {
    this.#that(this.#pages >= 2, 'is too short');
    const page = this.#read(number);
    const isMeta =
      page.readBigUInt64LE(0) === BigInt(number) &&
      page.readUInt16LE(18) === META &&
      page.readUInt32LE(HEADER_BYTES) === MAGIC &&
      page.readUInt32LE(VERSION_AT) === DATA_VERSION &&
      // Where the map would have to lie: anywhere
      page.readBigUInt64LE(ADDRESS_AT) === 0n &&
      page.readBigUInt64LE(MAP_BYTES_AT) < MAP_BYTES_MAX &&
      page.readUInt32LE(FREE_TREE_AT) === LMDB_PAGE_BYTES &&
      page.readUInt16LE(FREE_TREE_AT + 4) === INTEGER_KEYS &&
      page.readUInt32LE(MAIN_TREE_AT) === 0 &&
      page.readUInt16LE(MAIN_TREE_AT + 4) === 0;
    this.#that(isMeta, 'has no meta pages of LMDB');
    return page;
  }

  /** Takes note that a page is in use, which it can be once. */
  #take(page: number): void {
    this.#that(
      page >= 2 && page <= this.#last && this.#seen[page] === 0,
      `uses page ${page} twice or wrongly`,
    );
    this.#seen[page] = 1;
  }

  #tree(meta: Buffer, at: number, onKey: (key: Buffer, value: () => Buffer) => void): void {
    const depth = meta.readUInt16LE(at + 6);
    const root = meta.readBigUInt64LE(at + 40);
    if (root === NO_PAGE) return;
    this.#that(depth >= 1 && depth <= DEPTH_MAX, `has a tree of depth ${depth}`);
    this.#node(this.#number(root, 'a root'), depth, onKey);
  }

  #node(number: number, depth: number, onKey: (key: Buffer, value: () => Buffer) => void): void {
    this.#take(number);
    const page = this.#read(number);
    const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)];
    const room = LMDB_PAGE_BYTES - HEADER_BYTES;
    const isSound =
      page.readBigUInt64LE(0) === BigInt(number) &&
      page.readUInt16LE(18) === (depth > 1 ? BRANCH : LEAF) &&
      lower % 2 === 0 &&
      lower > 0 &&
      lower <= upper &&
      upper <= room;
    this.#that(isSound, `has a page ${number} that is none of its tree`);
    for (let i = 0; i < lower / 2; i++) {
      const offset = page.readUInt16LE(HEADER_BYTES + 2 * i);
      this.#that(offset >= upper && offset + NODE_BYTES <= room, `has a node outside page ${number}`);
      const at = HEADER_BYTES + offset;
      const [low, high, flags, keyBytes] = [0, 2, 4, 6].map((n) => page.readUInt16LE(at + n)) as [
        number,
        number,
        number,
        number,
      ];
      const end = at + NODE_BYTES + keyBytes;
      this.#that(end <= LMDB_PAGE_BYTES, `has a key outside page ${number}`);
      if (depth > 1) {
        this.#node(low + high * 2 ** 16 + flags * 2 ** 32, depth - 1, onKey);
        continue;
      }
      const bytes = low + high * 2 ** 16;
      const key = page.subarray(at + NODE_BYTES, end);
      this.#that(flags === 0 || flags === BIG_VALUE, `has a node of unknown kind on page ${number}`);
      if (flags === BIG_VALUE) {
        this.#that(end + 8 <= LMDB_PAGE_BYTES, `has a value outside page ${number}`);
        onKey(key, this.#bigValue(this.#number(page.readBigUInt64LE(end), 'a page'), bytes));
      } else {
        this.#that(end + bytes <= LMDB_PAGE_BYTES, `has a value outside page ${number}`);
        onKey(key, () => Buffer.from(page.subarray(end, end + bytes)));
      }
    }
  }

  #bigValue(first: number, bytes: number): () => Buffer {
    const pages = Math.ceil((HEADER_BYTES + bytes) / LMDB_PAGE_BYTES);
    this.#that(pages <= this.#last, `has a value of ${bytes} bytes`);
    for (let page = first; page < first + pages; page++) this.#take(page);
    const header = this.#read(first);
    const isSound =
      header.readBigUInt64LE(0) === BigInt(first) &&
      header.readUInt16LE(18) === OVERFLOW &&
      header.readUInt32LE(20) === pages;
    this.#that(isSound, `has a page ${first} that begins no value`);
    return () => this.#read(first, pages).subarray(HEADER_BYTES, HEADER_BYTES + bytes);
  }

  /** A list may have been given more room than it needs, and leaves gaps; its pages are not held against the tree's. */
  #freeList(list: Buffer): void {
    const words = Math.floor(list.length / 8);
    const count = words > 0 ? list.readBigUInt64LE(0) : 0n;
    this.#that(words > 0 && count < BigInt(words), 'has a list of free pages longer than its room');
    for (let i = 1; i <= Number(count); i++) {
      const entry = list.readBigInt64LE(i * 8);
      const last = BigInt(this.#last);
      this.#that(entry >= -last && entry <= last, 'has free pages beyond its end');
    }
  }
}
