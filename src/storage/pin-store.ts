/**
 * The pin store of a generation: pin id to where its vector lies, its attributes and its payload, and keyword to
 * code, in one LMDB database that is written once and then only read, by any number of threads and processes.
 *
 * Keys are bytes: `p` and a pin id, or `k`, an attribute, a zero byte and a keyword (an attribute's name holds no
 * control characters). Everything lies in the environment's root database, because opening named ones from several
 * threads at once is not safe in LMDB.
 *
 * LMDB maps its file and trusts it: reading a cut or damaged page can end the process. So the manifest holds the
 * file's size and checksum, and it is not opened before both were found right.
 *
 * The same pins in the same order give the same bytes. Three things would prevent that: LMDB stamps the boot id of
 * the machine on its meta pages, takes its page size from the operating system, and leaves freed pages behind
 * wherever a transaction happened to end. So the page size is fixed, and the store is built in a scratch environment
 * that is then copied compacted, which drops the stamp and the freed pages (they take up to twice the space of the
 * data, because pins come in the order of the input and not of their ids). Only transactions by count and size are
 * used, never by the clock.
 */
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { NearpinError } from '../lib/errors.ts';
import { compareUtf8 } from '../lib/utf8-order.ts';
import { type FileSeal, sealOfFile } from './file-checksum.ts';
import { corruptFile, fileError } from './file-error.ts';
import { LmdbRoom } from './lmdb-room.ts';
import { decodeStoredPin, encodeStoredPin, type StoredPin } from './stored-pin.ts';

/** Name of the pin store's file in its directory. */
export const PIN_DATA_FILE = 'data.mdb';
const LOCK_FILE = 'lock.mdb';
/** LMDB's lock file has a cache line per reader. */
const LOCK_BYTES = 128 * 1024;
const SCRATCH_DIR = '.scratch';
const PAGE_BYTES = 4096;
/** Pins and bytes of values held back for one transaction, which keeps up to one dirty page per pin in memory. */
const BATCH_PINS_MAX = 100_000;
const BATCH_BYTES_MAX = 64 * 1024 * 1024;
/** Pins of a transaction where they come in order: it dirties few pages, as it goes on where the one before ended. */
const ORDERED_BATCH_PINS = 4096;
/** What a key ends with that comes right after it. */
const NEXT = Buffer.from([0]);
/** Read transactions at once, over all threads of all processes that have the store open. */
const READERS_MAX = 1000;

const ENCODING = { encoding: 'binary', keyEncoding: 'binary' } as const;

const PIN_PREFIX = 'p';
const KEYWORD_PREFIX = 'k';

/** What a manifest states of a pin store. */
export interface PinStoreSeal extends FileSeal {
  readonly count: number;
}

export type KeywordEntry = readonly [attribute: string, value: string, code: number];

/** Starts the pin store of a new generation in `dir`, which is made and must not hold one yet. Throws io_error. */
export async function createPinStore(dir: string): Promise<PinStoreWriter> {
  const scratch = join(dir, SCRATCH_DIR);
  try {
    await mkdir(scratch, { recursive: true });
    await checkRoom(scratch);
    return new PinStoreWriter(
      dir,
      open<Buffer, Buffer>({
        ...ENCODING,
        path: scratch,
        pageSize: PAGE_BYTES,
        // Nothing in the scratch environment outlives a crash, so nothing in it needs to reach the disk.
        noSync: true,
        overlappingSync: false,
      }),
    );
  } catch (error) {
    throw fileError(error, dir);
  }
}

/** A pin store being built. End it with `finish` or `abandon`. */
export class PinStoreWriter {
  readonly #dir: string;
  readonly #database: RootDatabase<Buffer, Buffer>;
  readonly #room: LmdbRoom;
  /** By key, as text. */
  #batch = new Map<string, Buffer>();
  #batchBytes = 0;
  #count = 0;

  constructor(dir: string, database: RootDatabase<Buffer, Buffer>) {
    this.#dir = dir;
    this.#database = database;
    this.#room = new LmdbRoom(join(dir, SCRATCH_DIR, PIN_DATA_FILE));
  }

  /** Pins put so far. */
  get count(): number {
    return this.#count;
  }

  /** Whether a pin of this id was put already. */
  has(id: string): boolean {
    const key = PIN_PREFIX + id;
    return this.#batch.has(key) || this.#database.doesExist(Buffer.from(key));
  }

  /**
   * Stores the pins of an empty store, each in the bytes that a pin store holds for it, in the order of their ids' UTF-8
   * bytes: they fill page after page, fewer than in any other order, and nothing is held back.
   * Throws io_error, or internal when one comes out of order, which LMDB would drop without a word.
   */
  putInOrder(pins: Iterable<readonly [id: string, bytes: Buffer]>): void {
    const rest = pins[Symbol.iterator]();
    let last = '';
    const putSome = (): boolean => {
      for (let n = 0; n < ORDERED_BATCH_PINS; n++) {
        const next = rest.next();
        if (next.done) return false;
        const [id, bytes] = next.value;
        if (compareUtf8(id, last) <= 0) {
          throw new NearpinError('internal', `the pin ${JSON.stringify(id)} comes out of order`);
        }
        const key = pinKey(id);
        this.#room.add(key.length, bytes.length);
        this.#database.putSync(key, bytes, { append: true });
        last = id;
        this.#count++;
      }
      return true;
    };
    try {
      do this.#room.begin(1);
      while (this.#database.transactionSync(putSome));
    } catch (error) {
      throw fileError(error, this.#dir, null);
    }
  }

  /** Stores a pin under a new id. Throws io_error, or duplicate_pin, changing nothing, when the id was put already. */
  put(id: string, pin: StoredPin): void {
    if (this.has(id)) {
      throw new NearpinError('duplicate_pin', `the pin ${JSON.stringify(id)} occurs more than once`);
    }
    this.#count++;
    if (this.#hold(PIN_PREFIX + id, encodeStoredPin(pin))) this.#flush();
  }

  /** Holds a value back for the next transaction; returns whether that is to come now. */
  #hold(key: string, value: Buffer): boolean {
    this.#batch.set(key, value);
    this.#batchBytes += value.length;
    return this.#batch.size >= BATCH_PINS_MAX || this.#batchBytes >= BATCH_BYTES_MAX;
  }

  /**
   * Gives every pin that was put the ordinal places[shard][ordinal], when the shards have renumbered theirs.
   * Throws io_error.
   */
  renumber(places: readonly Uint32Array[]): void {
    this.#flush();
    let start = Buffer.from(PIN_PREFIX);
    const end = Buffer.from([start[0]! + 1]);
    for (let last: Buffer | undefined; ; start = Buffer.concat([last, NEXT])) {
      last = undefined;
      for (const { key, value } of this.#database.getRange({ start, end })) {
        last = Buffer.from(key);
        const pin = decodeStoredPin(value);
        const ordinal = places[pin.shard]![pin.ordinal]!;
        if (this.#hold(last.toString(), encodeStoredPin({ ...pin, ordinal }))) break;
      }
      if (last === undefined) return;
      this.#flush();
    }
  }

  /**
   * Adds the keywords, closes the store and gives what the manifest has to state of it. The file is complete but not
   * yet synced; publishing the generation does that. Throws io_error.
   */
  async finish(keywords: Iterable<KeywordEntry>): Promise<PinStoreSeal> {
    try {
      for (const [attribute, value, code] of keywords) {
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32LE(code);
        if (this.#hold(keywordKey(attribute, value), bytes)) this.#flush();
      }
      this.#flush();
      await this.#database.backup(this.#dir, true);
      await this.abandon();
      return { ...(await sealOfFile(join(this.#dir, PIN_DATA_FILE))), count: this.#count };
    } catch (error) {
      throw fileError(error, this.#dir);
    }
  }

  /** Closes the store and removes what only the building needed. */
  async abandon(): Promise<void> {
    this.#room.close();
    await this.#database.close();
    await rm(join(this.#dir, SCRATCH_DIR), { recursive: true, force: true });
  }

  #flush(): void {
    try {
      this.#room.begin(this.#batch.size);
      this.#database.transactionSync(() => {
        for (const [text, value] of this.#batch) {
          const key = Buffer.from(text);
          this.#room.add(key.length, value.length);
          this.#database.putSync(key, value);
        }
      });
    } catch (error) {
      throw fileError(error, this.#dir, null);
    }
    this.#batch = new Map();
    this.#batchBytes = 0;
  }
}

/**
 * Opens the pin store of a generation for reading, after checking the whole file against `seal`, the manifest's entry
 * of it. A directory that cannot be written to is fine: LMDB then goes without its lock file, which only writers need.
 * Throws missing_file, corrupt_file or io_error.
 */
export async function openPinStore(dir: string, seal: FileSeal): Promise<PinStore> {
  const file = join(dir, PIN_DATA_FILE);
  const found = await sealOfFile(file, seal.bytes);
  if (found.bytes !== seal.bytes) {
    const length = found.bytes > seal.bytes ? 'longer' : `${found.bytes} bytes long`;
    throw corruptFile(file, `is ${length} where the manifest says ${seal.bytes} bytes`);
  }
  if (found.crc32 !== seal.crc32)
    throw corruptFile(file, 'does not have the checksum that the manifest names');
  await checkRoom(dir);
  try {
    return new PinStore(
      file,
      open<Buffer, Buffer>({ ...ENCODING, path: dir, readOnly: true, maxReaders: READERS_MAX }),
    );
  } catch (error) {
    throw corruptFile(file, `cannot be opened: ${(error as Error).message}`, error);
  }
}

/**
 * Throws io_error when the disk has no room for LMDB's lock file, which LMDB maps and writes to: without a page behind
 * it that ends the process. A directory that cannot be written to is fine.
 */
async function checkRoom(dir: string): Promise<void> {
  const lock = join(dir, LOCK_FILE);
  if (
    await access(lock).then(
      () => true,
      () => false,
    )
  )
    return;
  const probe = join(dir, `.room-${process.pid}`);
  try {
    await writeFile(probe, Buffer.alloc(LOCK_BYTES, 1), { flush: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw fileError(error, lock, null);
  } finally {
    await rm(probe, { force: true });
  }
}

/** An open pin store. Its methods throw `closed` once it is. */
export class PinStore {
  readonly #file: string;
  readonly #database: RootDatabase<Buffer, Buffer>;
  #closing: Promise<void> | undefined;

  constructor(file: string, database: RootDatabase<Buffer, Buffer>) {
    this.#file = file;
    this.#database = database;
  }

  /** The pin of an id, or undefined. */
  get(id: string): StoredPin | undefined {
    const bytes = this.#open().getBinaryFast(pinKey(id));
    return bytes === undefined ? undefined : this.#decode(bytes);
  }

  /** The dictionary's code of a keyword, 0 when no pin of the generation has it. */
  keywordCode(attribute: string, value: string): number {
    return (
      this.#open()
        .getBinary(Buffer.from(keywordKey(attribute, value)))
        ?.readUInt32LE() ?? 0
    );
  }

  /** Every pin, in the order of the ids' UTF-8 bytes. */
  *pins(): Generator<[id: string, pin: StoredPin]> {
    for (const { key, value } of this.#range(PIN_PREFIX)) yield [key.toString(), this.#decode(value)];
  }

  /** Every pin as its bytes, in the same order. */
  *entries(): Generator<[id: string, bytes: Buffer]> {
    for (const { key, value } of this.#range(PIN_PREFIX)) yield [key.toString(), value];
  }

  /** Every keyword, in the order of attribute and keyword. */
  *keywords(): Generator<KeywordEntry> {
    for (const { key, value } of this.#range(KEYWORD_PREFIX)) {
      const end = key.indexOf(0);
      yield [key.toString('utf8', 0, end), key.toString('utf8', end + 1), value.readUInt32LE()];
    }
  }

  /** Lets go of the file. Closing twice is fine. */
  close(): Promise<void> {
    this.#closing ??= this.#database.close();
    return this.#closing;
  }

  *#range(prefix: string): Generator<{ key: Buffer; value: Buffer }> {
    const start = Buffer.from(prefix);
    const end = Buffer.from([start[0]! + 1]);
    for (const { key, value } of this.#open().getRange({ start, end })) {
      yield { key: key.subarray(start.length), value };
      // The caller may have closed the store in between.
      this.#open();
    }
  }

  #open(): RootDatabase<Buffer, Buffer> {
    if (this.#closing !== undefined) throw new NearpinError('closed', `${this.#file} is closed`);
    return this.#database;
  }

  #decode(bytes: Uint8Array): StoredPin {
    try {
      return decodeStoredPin(bytes);
    } catch (error) {
      throw corruptFile(this.#file, 'holds a record that cannot be read', error);
    }
  }
}

function pinKey(id: string): Buffer {
  return Buffer.from(PIN_PREFIX + id);
}

function keywordKey(attribute: string, value: string): string {
  return `${KEYWORD_PREFIX}${attribute}\0${value}`;
}
