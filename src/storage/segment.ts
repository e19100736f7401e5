/**
 * The container of a shard's file: a header with a table of sections, then the sections, each on a multiple of 4096
 * bytes, so that each is read with few large reads straight to where it will live. indexes/README.md gives the bytes.
 * After the idea of flatbush (one small header; opening is a list of checks) and of faiss' corrupted-file tests:
 * nothing that a file says is believed before it was held against the file's size and a checksum.
 *
 * Where the sections lie follows from their lengths; the offsets are written all the same, so that the table can be
 * read by eye and checked.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { type Checksum, checksum, hex32 } from '../lib/checksum.ts';
import { NearpinError } from '../lib/errors.ts';
import { failpoint } from '../lib/failpoints.ts';
import { corruptFile, fileError } from './file-error.ts';

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

/**
 * Reading and checksums go on in pieces of this length, so that a piece is in the cache when it is checked. A checksum
 * may depend on where it was cut, so this is part of the format.
 */
export const PIECE_BYTES = 256 * 1024;

/** What a section is to hold. `kind` is a u32 of the caller's choice, used once per segment. */
export interface SectionInput {
  readonly kind: number;
  readonly bytes: number;
  /** `bytes` bytes in all, in chunks of any size; they may be views of shared memory. */
  readonly chunks: Iterable<Uint8Array>;
  /** CRC-32 when absent. Another one that depends on where the bytes are cut needs them in one chunk. */
  readonly checksum?: Checksum;
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
    for (const { chunks, ...section } of sections) {
      const { bytes } = section;
      const writer = new SectionWriter(fd, section, position);
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
  readonly #checksum: Checksum;
  readonly #lengths: readonly number[];
  readonly #entries: Entry[] = [];
  #offset: number;
  #written = 0;
  #sum = 0;

  constructor(fd: number, section: Omit<SectionInput, 'chunks'>, offset: number) {
    const { kind, bytes } = section;
    this.#fd = fd;
    this.#kind = kind;
    this.#checksum = section.checksum ?? checksum;
    this.#lengths = entryLengths(bytes);
    this.#offset = offset;
  }

  write(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      const length = this.#lengths[this.#entries.length];
      if (length === undefined) throw new Error(`section ${this.#kind} is longer than it was said to be`);
      const pieceEnd = (Math.floor(this.#written / PIECE_BYTES) + 1) * PIECE_BYTES;
      const part = rest.subarray(0, Math.min(length, pieceEnd) - this.#written);
      writeFully(this.#fd, part, this.#offset + this.#written);
      this.#sum = this.#checksum(part, this.#sum);
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
    this.#entries.push({ kind: this.#kind, offset: this.#offset, length, crc32: this.#sum });
    this.#offset += length;
    this.#written = 0;
    this.#sum = 0;
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
   * Reads a whole section into `target`, which must be exactly as long and may view shared memory, and checks it by the
   * checksum that it was written with.
   * Throws corrupt_file, naming the section, when its length or a checksum is wrong; `target` may be written by then.
   */
  readInto(kind: number, target: Uint8Array, sumOf: Checksum = checksum): void {
    const length = this.lengthOf(kind);
    if (length !== target.length) {
      const name = this.#nameOf(kind);
      throw corruptFile(this.path, `holds ${length} bytes of section ${name} where ${target.length} belong`);
    }
    let done = 0;
    for (const entry of this.#entries) {
      if (entry.kind !== kind) continue;
      let sum = 0;
      for (let at = 0; at < entry.length; at += PIECE_BYTES) {
        const part = target.subarray(done + at, done + Math.min(at + PIECE_BYTES, entry.length));
        readFully(this.#fd, part, entry.offset + at, this.path);
        sum = sumOf(part, sum);
      }
      if (sum !== entry.crc32) {
        const range = `bytes ${done} to ${done + entry.length}`;
        throw corruptFile(this.path, `is damaged in section ${this.#nameOf(kind)}, ${range}`);
      }
      checkPadding(this.#fd, entry.offset + entry.length, this.path, `section ${this.#nameOf(kind)}`);
      done += entry.length;
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
    if (count === 0) throw corruptFile(path, `ends at byte ${position + done}, in the middle of its data`);
    done += count;
  }
}
