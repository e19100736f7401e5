/**
 * The container of a shard's file: a header with a table of sections, then the sections, each on a multiple of 4096
 * bytes, so that each is read with few large reads straight to where it will live. indexes/README.md gives the bytes.
 * After the idea of flatbush (one small header; opening is a list of checks) and of faiss' corrupted-file tests:
 * nothing that a file says is believed before it was held against the file's size and a checksum.
 *
 * Where the sections lie follows from their lengths; the offsets are written all the same, so that the table can be
 * read by eye and checked.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, read, readSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { checksum, hex32 } from '../lib/checksum.ts';
import { NearpinError } from '../lib/errors.ts';
import { failpoint } from '../lib/failpoints.ts';
import { corruptFile, fileError } from './file-error.ts';

const readAsync = promisify(read);

/** `NEARPIN` and a line feed, which a transfer in text mode would change. */
const MAGIC = Buffer.from('NEARPIN\n');
const SEGMENT_VERSION = 1;

const PREFIX_BYTES = 24;
const ENTRY_BYTES = 24;
const CHECKSUM_BYTES = 4;
const ALIGNMENT_BYTES = 4096;
/** Enough for a shard of 4 GiB; bounds what a damaged header can make the reader allocate. */
const ENTRIES_MAX = 1024;

/** A longer section is cut into entries of this length, so that a checksum error says where the damage is. */
export const ENTRY_BYTES_MAX = 64 * 1024 * 1024;

/** A section is read in pieces of this length, which a core's cache holds, and so many at once. */
const PIECE_BYTES = 1024 * 1024;
const READS_AHEAD = 2;

/** What a section is to hold. `kind` is a u32 of the caller's choice, used once per segment. */
export interface SectionInput {
  readonly kind: number;
  readonly bytes: number;
  /** `bytes` bytes in all, in chunks of any size; they may be views of shared memory. */
  readonly chunks: Iterable<Uint8Array>;
}

/** What a manifest states of a segment. */
export interface SegmentSeal {
  readonly bytes: number;
  /** Checksum of the header, whose table holds those of the sections; 8 hex digits. */
  readonly crc32: string;
}

export interface Section {
  readonly kind: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
}

interface Entry extends Section {
  readonly crc32: number;
}

/**
 * Writes a segment to a new file and syncs it to disk. The same sections give the same bytes.
 * Throws io_error; the file is then left as it is, for the caller to remove with its staging directory.
 */
export function writeSegment(path: string, sections: readonly SectionInput[]): SegmentSeal {
  const entries: Entry[] = [];
  const lengths = sections.flatMap(({ bytes }) => entryLengths(bytes));
  const headerBytes = headerBytesFor(lengths.length);
  let fd: number | undefined;
  try {
    fd = openSync(path, 'wx');
    let position = aligned(headerBytes);
    for (const { kind, bytes, chunks } of sections) {
      const writer = new SectionWriter(fd, kind, bytes, position);
      for (const chunk of chunks) writer.write(chunk);
      failpoint('segment.writing');
      entries.push(...writer.end());
      position = aligned(position + bytes);
    }
    const header = encodeHeader(entries);
    writeFully(fd, header, 0);
    // Zeros after the last section, so that the file ends on a boundary as well.
    ftruncateSync(fd, position);
    fsyncSync(fd);
    return { bytes: position, crc32: hex32(header.readUInt32LE(headerBytes - CHECKSUM_BYTES)) };
  } catch (error) {
    throw fileError(error, path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Writes one section and learns the checksums of its entries on the way. */
class SectionWriter {
  readonly #fd: number;
  readonly #kind: number;
  readonly #lengths: readonly number[];
  readonly #entries: Entry[] = [];
  #offset: number;
  #written = 0;
  #crc32 = 0;

  constructor(fd: number, kind: number, bytes: number, offset: number) {
    this.#fd = fd;
    this.#kind = kind;
    this.#lengths = entryLengths(bytes);
    this.#offset = offset;
  }

  write(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      const length = this.#lengths[this.#entries.length];
      if (length === undefined) throw new Error(`section ${this.#kind} is longer than it was said to be`);
      const part = rest.subarray(0, length - this.#written);
      writeFully(this.#fd, part, this.#offset + this.#written);
      this.#crc32 = checksum(part, this.#crc32);
      this.#written += part.length;
      rest = rest.subarray(part.length);
      if (this.#written === length) this.#endEntry(length);
    }
  }

  end(): Entry[] {
    if (this.#lengths[0] === 0) this.#endEntry(0);
    if (this.#entries.length !== this.#lengths.length) {
      throw new Error(`section ${this.#kind} is shorter than it was said to be`);
    }
    return this.#entries;
  }

  #endEntry(length: number): void {
    this.#entries.push({ kind: this.#kind, offset: this.#offset, length, crc32: this.#crc32 });
    this.#offset += length;
    this.#written = 0;
    this.#crc32 = 0;
  }
}

/** Names of section kinds, for errors. */
export type KindNames = Readonly<Record<number, string>>;

/** An open segment: its sections can be read, each into memory of the caller's. Close it in the end. */
export class Segment {
  readonly path: string;
  /** One per kind, in the order of the file. */
  readonly sections: readonly Section[];
  readonly seal: SegmentSeal;
  readonly #fd: number;
  readonly #entries: readonly Entry[];
  readonly #names: KindNames;

  constructor(path: string, fd: number, entries: readonly Entry[], seal: SegmentSeal, names: KindNames) {
    this.path = path;
    this.#fd = fd;
    this.#entries = entries;
    this.seal = seal;
    this.#names = names;
    this.sections = sectionsOf(entries);
  }

  /**
   * Bytes of the section of a kind, as far as the table tells. Throws corrupt_file when the segment has none.
   */
  lengthOf(kind: number): number {
    const section = this.sections.find((candidate) => candidate.kind === kind);
    if (section === undefined) throw corruptFile(this.path, `has no section ${this.#nameOf(kind)}`);
    return section.length;
  }

  /**
   * Reads a whole section into `target`, which must be exactly as long and may view shared memory, and checks it.
   * The reading is done by threads of Node's own, ahead of this one, which computes the checksums meanwhile: most of a
   * read into fresh memory is page faults, and a checksum takes half as long again. Pieces are small enough to be in
   * the cache when they are checked.
   * Rejects with corrupt_file, naming the section, when its length or a checksum is wrong; `target` may be written by
   * then.
   */
  async readInto(kind: number, target: Uint8Array): Promise<void> {
    const length = this.lengthOf(kind);
    if (length !== target.length) {
      const name = this.#nameOf(kind);
      throw corruptFile(this.path, `holds ${length} bytes of section ${name} where ${target.length} belong`);
    }
    const pieces = piecesOf(this.#entries.filter((entry) => entry.kind === kind));
    const reads: Promise<void>[] = [];
    const readNext = () => {
      const piece = pieces[reads.length];
      if (!piece) return;
      const part = target.subarray(piece.start, piece.start + piece.length);
      const read = readAhead(this.#fd, part, piece.position, this.path);
      // A failure is met when its turn comes
      read.catch(() => {});
      reads.push(read);
    };
    try {
      for (let i = 0; i < READS_AHEAD; i++) readNext();
      let crc32 = 0;
      for (const [i, { entry, start, length, position }] of pieces.entries()) {
        await reads[i];
        readNext();
        crc32 = checksum(target.subarray(start, start + length), position === entry.offset ? 0 : crc32);
        const end = position + length;
        if (end < entry.offset + entry.length) continue;
        if (crc32 !== entry.crc32) {
          const range = `bytes ${start + length - entry.length} to ${start + length}`;
          throw corruptFile(this.path, `is damaged in section ${this.#nameOf(kind)}, ${range}`);
        }
        checkPadding(this.#fd, end, this.path, `section ${this.#nameOf(kind)}`);
      }
    } finally {
      // The file may be closed after this
      await Promise.allSettled(reads);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #nameOf(kind: number): string {
    return this.#names[kind] ?? `number ${kind}`;
  }
}

/**
 * Opens a segment and checks its header against the size of the file, and against the manifest's `expected` seal when
 * that is given; the sections themselves are checked as they are read.
 * Throws missing_file, unsupported_version, corrupt_file or io_error.
 */
export function openSegment(path: string, names: KindNames, expected?: SegmentSeal): Segment {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const bytes = fstatSync(fd).size;
    const { entries, crc32 } = readHeader(fd, bytes, path);
    const seal = { bytes, crc32: hex32(crc32) };
    if (expected !== undefined && (expected.bytes !== bytes || expected.crc32 !== seal.crc32)) {
      throw corruptFile(path, 'is not the file that the manifest names');
    }
    return new Segment(path, fd, entries, seal, names);
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw fileError(error, path);
  }
}

function encodeHeader(entries: readonly Entry[]): Buffer {
  const header = Buffer.alloc(headerBytesFor(entries.length));
  MAGIC.copy(header);
  header.writeUInt32LE(SEGMENT_VERSION, 8);
  header.writeUInt32LE(header.length, 12);
  header.writeUInt32LE(entries.length, 16);
  for (const [i, { kind, crc32, offset, length }] of entries.entries()) {
    const at = PREFIX_BYTES + i * ENTRY_BYTES;
    header.writeUInt32LE(kind, at);
    header.writeUInt32LE(crc32, at + 4);
    header.writeBigUInt64LE(BigInt(offset), at + 8);
    header.writeBigUInt64LE(BigInt(length), at + 16);
  }
  const end = header.length - CHECKSUM_BYTES;
  header.writeUInt32LE(checksum(header.subarray(0, end)), end);
  return header;
}

function readHeader(fd: number, fileBytes: number, path: string): { entries: Entry[]; crc32: number } {
  const refuse = (message: string): never => {
    throw corruptFile(path, message);
  };
  if (fileBytes < PREFIX_BYTES) refuse('is too short for a segment');
  const prefix = Buffer.alloc(PREFIX_BYTES);
  readFully(fd, prefix, 0, path);
  if (!prefix.subarray(0, MAGIC.length).equals(MAGIC)) refuse('is not a segment of nearpin');
  const version = prefix.readUInt32LE(8);
  if (version > SEGMENT_VERSION) {
    const message = `has format version ${version}, this reads ${SEGMENT_VERSION}`;
    throw new NearpinError('unsupported_version', `${path} ${message}`, [{ path, message }]);
  }
  const count = prefix.readUInt32LE(16);
  if (version !== SEGMENT_VERSION || count > ENTRIES_MAX) refuse('has a damaged header');
  const headerBytes = headerBytesFor(count);
  if (prefix.readUInt32LE(12) !== headerBytes) refuse('has a damaged header');

  const header = Buffer.alloc(headerBytes);
  readFully(fd, header, 0, path);
  const end = headerBytes - CHECKSUM_BYTES;
  const crc32 = header.readUInt32LE(end);
  if (checksum(header.subarray(0, end)) !== crc32) refuse('has a damaged header');
  checkPadding(fd, headerBytes, path, 'the header');

  const entries: Entry[] = [];
  let position = aligned(headerBytes);
  for (let i = 0; i < count; i++) {
    const at = PREFIX_BYTES + i * ENTRY_BYTES;
    const kind = header.readUInt32LE(at);
    const offset = header.readBigUInt64LE(at + 8);
    const length = Number(header.readBigUInt64LE(at + 16));
    const before = entries.at(-1);
    // Only the last entry of a section may end off a boundary: the one before is full, so this one follows it.
    if (before !== undefined && before.kind === kind && before.length !== ENTRY_BYTES_MAX) {
      refuse(`has a table of sections that repeats section ${kind}`);
    }
    if (offset !== BigInt(position) || length > ENTRY_BYTES_MAX) {
      refuse(`has a table of sections that puts section ${kind} where it cannot be`);
    }
    entries.push({ kind, crc32: header.readUInt32LE(at + 4), offset: position, length });
    position = aligned(position + length);
  }
  const sections = sectionsOf(entries);
  if (new Set(sections.map(({ kind }) => kind)).size !== sections.length) {
    refuse('has a table of sections that repeats a section');
  }
  if (position !== fileBytes) refuse(`is ${fileBytes} bytes long where its header says ${position}`);
  return { entries, crc32 };
}

/** Entries of one kind in a row are one section. */
function sectionsOf(entries: readonly Entry[]): Section[] {
  const sections: Section[] = [];
  for (const { kind, offset, length } of entries) {
    const last = sections.at(-1);
    if (last?.kind === kind) sections[sections.length - 1] = { ...last, length: last.length + length };
    else sections.push({ kind, offset, length });
  }
  return sections;
}

/** How a section of so many bytes is cut; an empty one is one empty entry. */
function entryLengths(bytes: number): number[] {
  const lengths: number[] = [];
  let rest = bytes;
  do {
    const length = Math.min(rest, ENTRY_BYTES_MAX);
    lengths.push(length);
    rest -= length;
  } while (rest > 0);
  return lengths;
}

interface Piece {
  readonly entry: Entry;
  /** Bytes from the start of the section, and of the file. */
  readonly start: number;
  readonly position: number;
  readonly length: number;
}

/** A section's entries in pieces, at least one each. */
function piecesOf(entries: readonly Entry[]): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  for (const entry of entries) {
    let rest = entry.length;
    do {
      const length = Math.min(rest, PIECE_BYTES);
      pieces.push({ entry, start, position: entry.offset + entry.length - rest, length });
      start += length;
      rest -= length;
    } while (rest > 0);
  }
  return pieces;
}

function headerBytesFor(entries: number): number {
  return PREFIX_BYTES + entries * ENTRY_BYTES + CHECKSUM_BYTES;
}

function aligned(position: number): number {
  return Math.ceil(position / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/** No checksum covers the zeros up to the next boundary, so that they are looked at themselves. */
function checkPadding(fd: number, position: number, path: string, before: string): void {
  const padding = Buffer.alloc(aligned(position) - position);
  readFully(fd, padding, position, path);
  if (padding.some((byte) => byte !== 0)) throw corruptFile(path, `is damaged after ${before}`);
}

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

function readFully(fd: number, target: Uint8Array, position: number, path: string): void {
  for (let done = 0; done < target.length; ) {
    const count = readSync(fd, target, done, target.length - done, position + done);
    if (count === 0) throw endOfFile(path, position + done);
    done += count;
  }
}

/** The same without this thread. */
async function readAhead(fd: number, target: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await readAsync(fd, target, done, target.length - done, position + done);
    if (bytesRead === 0) throw endOfFile(path, position + done);
    done += bytesRead;
  }
}

function endOfFile(path: string, position: number): NearpinError {
  return corruptFile(path, `ends at byte ${position}, in the middle of its data`);
}
