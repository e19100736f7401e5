/**
 * The update log of an index: sequence number to update, in an LMDB environment of its own, durable when `append`
 * returns. LMDB commits by writing new pages beside the old ones and then one of two meta pages, so that a process that
 * is killed at any instant leaves the state before or after the commit.
 *
 * Everything here blocks until the disk has answered: it runs in the log's thread. (lmdb's own asynchronous writes
 * report a full disk by rejecting promises that nobody can hold.)
 *
 * Keys are bytes: `u` and the sequence number as a big-endian u64, or `b`, under which lies the sequence number before
 * the first that the log can still give. Values are the bytes of update-record.ts, which carry a checksum.
 */
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { open, type PutOptions, type RootDatabase } from 'lmdb';
import { NearpinError } from '../lib/errors.ts';
import { failpoint } from '../lib/failpoints.ts';
import { corruptFile, fileError } from './file-error.ts';
import { isLocked } from './index-lock.ts';
import { checkLmdbFile, LMDB_PAGE_BYTES } from './lmdb-file.ts';
import { LmdbRoom } from './lmdb-room.ts';
import { isWhole } from './update-record.ts';

/** Name of the log's directory in the index's. */
export const LOG_DIR = 'updates';
const DATA_FILE = 'data.mdb';
const BASE_KEY = Buffer.from('b');
const UPDATE_PREFIX = 0x75;
/**
 * Address space of the log, which takes no memory. A log that outgrows its map is mapped anew, and the map before stays
 * with the pages that were read through it, so it begins with what most logs never come to.
 */
const MAP_BYTES = 2 ** 30;
/** Updates that one transaction removes, so that no writer waits long for it. */
const TRIM_BATCH = 1000;

export interface LoggedUpdate {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** From and to where a log can give updates. */
export interface LogExtent {
  /** Updates after this one are there. */
  readonly base: number;
  /** The last one; `base` when there is none. */
  readonly last: number;
}

function updateKey(seq: number): Buffer {
  const key = Buffer.alloc(9);
  key[0] = UPDATE_PREFIX;
  key.writeBigUInt64BE(BigInt(seq), 1);
  return key;
}

function seqBytes(seq: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(seq));
  return bytes;
}

const seqOf = (key: Buffer): number => Number(key.readBigUInt64BE(1));

/** Keys that a log holds. */
function isLogKey(key: Buffer): boolean {
  return key.equals(BASE_KEY) || (key.length === 9 && key[0] === UPDATE_PREFIX);
}

/** The disk's refusal of a write. */
function refusal(error: unknown, dir: string): NearpinError {
  if (error instanceof NearpinError) return error;
  const { message } = error as Error;
  return new NearpinError('disk_full', `${dir} takes no more updates: ${message}`, [{ path: dir, message }], {
    cause: error,
  });
}

export class UpdateLog {
  readonly dir: string;
  readonly #database: RootDatabase<Uint8Array, Buffer>;
  /** There once something was written. */
  #room: LmdbRoom | undefined;

  private constructor(dir: string, database: RootDatabase<Uint8Array, Buffer>) {
    this.dir = dir;
    this.#database = database;
  }

  /**
   * Opens the log in an index's directory. To write, which makes it when there is none, the index must be locked; to
   * `join` is to open it once more in the process that writes. Its pages are checked first, unless they change
   * meanwhile: then who writes has checked them.
   * @returns undefined when there is none and it is only read. Throws corrupt_file or io_error.
   */
  static open(indexDir: string, mode: 'write' | 'join'): UpdateLog;
  static open(indexDir: string, mode: 'write' | 'join' | 'read'): UpdateLog | undefined;
  static open(indexDir: string, mode: 'write' | 'join' | 'read'): UpdateLog | undefined {
    const dir = join(indexDir, LOG_DIR);
    const file = join(dir, DATA_FILE);
    const readOnly = mode === 'read';
    const isThere = existsSync(file) && statSync(file).size > 0;
    if (!isThere && readOnly) return undefined;
    const isChanging = mode === 'join' || (mode === 'read' && isLocked(indexDir));
    if (isThere && !isChanging) checkLmdbFile(file, isLogKey);
    try {
      if (!readOnly) mkdirSync(dir, { recursive: true });
      const database = open<Uint8Array, Buffer>({
        path: dir,
        encoding: 'binary',
        keyEncoding: 'binary',
        pageSize: LMDB_PAGE_BYTES,
        mapSize: MAP_BYTES,
        // A commit returns when it is on the disk
        overlappingSync: false,
        readOnly,
      });
      return new UpdateLog(dir, database);
    } catch (error) {
      if (isThere) throw corruptFile(file, `cannot be opened: ${(error as Error).message}`, error);
      throw fileError(error, dir, null);
    }
  }

  extent(): LogExtent {
    const base = this.#base();
    for (const key of this.#database.getKeys({ reverse: true, limit: 1 })) {
      if (key[0] === UPDATE_PREFIX) return { base, last: Math.max(base, seqOf(key)) };
    }
    return { base, last: base };
  }

  #base(): number {
    const bytes = this.#database.getBinary(BASE_KEY);
    return bytes === undefined ? 0 : Number(bytes.readBigUInt64BE());
  }

  /** Says that updates up to `seq` are held by a generation and were never in this log. Throws disk_full. */
  startAfter(seq: number): void {
    this.#commit(1, () => this.#put(BASE_KEY, seqBytes(seq)));
  }

  /** Writes updates in one transaction. Throws disk_full; none of them is in the log then. */
  append(updates: readonly LoggedUpdate[]): void {
    failpoint('log.before-commit');
    const isNew = this.#database.getBinary(BASE_KEY) === undefined;
    this.#commit(1, () => {
      if (isNew) this.#put(BASE_KEY, seqBytes(updates[0]!.seq - 1));
      for (const { seq, bytes } of updates) this.#put(updateKey(seq), bytes, { append: true });
    });
    failpoint('log.after-commit');
  }

  /** Takes updates back that could not be applied. Throws disk_full. */
  takeBack(seqs: readonly number[]): void {
    this.#commit(seqs.length, () => {
      for (const seq of seqs) this.#database.removeSync(updateKey(seq));
    });
  }

  /** Updates after `seq` up to `last`, in order, damaged ones too. Their bytes are overwritten by the next one's. */
  *updates(seq: number, last: number): Generator<LoggedUpdate> {
    // Not by a range of entries, which makes a buffer for each value
    for (const key of this.#database.getKeys({ start: updateKey(seq + 1), end: updateKey(last + 1) })) {
      const bytes = this.#database.getBinaryFast(key)!;
      yield { seq: seqOf(key), bytes: bytes.subarray(0, bytes.length) };
    }
  }

  /**
   * Updates after `seq` up to `last`, at most about `bytesMax` of them and one at least, if there are any; the numbers
   * of those that are damaged; and up to where this looked.
   */
  read(
    seq: number,
    last: number,
    bytesMax: number,
  ): { updates: LoggedUpdate[]; damaged: number[]; through: number } {
    const updates: LoggedUpdate[] = [];
    const damaged: number[] = [];
    let bytes = 0;
    let through = last;
    for (const update of this.updates(seq, last)) {
      if (isWhole(update.bytes)) updates.push({ seq: update.seq, bytes: Uint8Array.from(update.bytes) });
      else damaged.push(update.seq);
      bytes += update.bytes.length;
      if (bytes < bytesMax) continue;
      through = update.seq;
      break;
    }
    return { updates, damaged, through };
  }

  /** Forgets updates up to `seq`: the generations that are kept hold them. Throws disk_full. */
  trim(seq: number): void {
    if (seq <= this.#base()) return;
    failpoint('log.before-trim');
    this.startAfter(seq);
    for (;;) {
      const keys = [
        ...this.#database.getKeys({ start: updateKey(0), end: updateKey(seq + 1), limit: TRIM_BATCH }),
      ];
      if (keys.length === 0) return;
      this.#commit(keys.length, () => {
        for (const key of keys) this.#database.removeSync(key);
      });
    }
  }

  #put(key: Buffer, value: Uint8Array, options: PutOptions = {}): void {
    this.#room!.add(key.length, value.length);
    this.#database.putSync(key, value, options);
  }

  /** @param changed entries that are not put at the end */
  #commit(changed: number, action: () => void): void {
    try {
      this.#room ??= new LmdbRoom(join(this.dir, DATA_FILE));
      this.#room.begin(changed);
      this.#database.transactionSync(action);
    } catch (error) {
      throw refusal(error, this.dir);
    }
  }

  async close(): Promise<void> {
    this.#room?.close();
    this.#room = undefined;
    await this.#database.close();
  }

  /**
   * Closes the log and opens it again: every page that was read through its map counts as this process's memory until
   * then. Rejects as `open` throws.
   */
  async reopen(): Promise<UpdateLog> {
    await this.close();
    return UpdateLog.open(dirname(this.dir), 'join');
  }
}

/** Whether an index has a log. */
export function hasLog(indexDir: string): boolean {
  return existsSync(join(indexDir, LOG_DIR, DATA_FILE));
}

/** Puts a damaged log out of the way, where it can be looked into; returns its new name. Throws io_error. */
export function setLogAside(indexDir: string): string {
  for (let n = 1; ; n++) {
    const name = `damaged-${LOG_DIR}-${n}`;
    if (existsSync(join(indexDir, name))) continue;
    try {
      renameSync(join(indexDir, LOG_DIR), join(indexDir, name));
      return name;
    } catch (error) {
      throw fileError(error, join(indexDir, LOG_DIR));
    }
  }
}
