/**
 * Tasks and their answers as bytes, which move between threads without being copied or walked. Cloning the same as
 * objects cost more than the rest of the hop: per search some 60 values to write, to read, and to collect as garbage,
 * in both threads (docs/decisions/0009-service.md).
 *
 * Numbers lie in the byte order of the machine, as both sides are threads of it. A record begins on a multiple of
 * 8 bytes:
 *
 * query   f64 deadline | u32 k | ef | flags | dim | words of program, + 1 or 0 for none | shards n |
 *         f32 vector[dim] | u32 program[] | u32 shards[n]
 * answer  u32 hits n | ef | complete | bytes of ids | f64 distances[n] | u32 ordinals[n] | u8 bytes of id[n] | ids, UTF-8
 */
import type { ShardHits, ShardQuery, Unpacked } from './protocol.ts';

const QUERY_HEAD_BYTES = 32;
const ANSWER_HEAD_BYTES = 16;
const EXACT = 1;
const WITH_VECTORS = 2;
const EXPLAIN = 4;

/** A query, and the numbers of the shards that are to answer it. */
export interface Asked {
  readonly query: ShardQuery;
  readonly shards: readonly number[];
}

const aligned = (bytes: number) => Math.ceil(bytes / 8) * 8;

function queryBytes({ query, shards }: Asked): number {
  return aligned(QUERY_HEAD_BYTES + 4 * (query.vector.length + (query.program?.length ?? 0) + shards.length));
}

export function packQueries(asked: readonly Asked[]): ArrayBuffer {
  const buffer = new ArrayBuffer(asked.reduce((sum, each) => sum + queryBytes(each), 0));
  const doubles = new Float64Array(buffer);
  const words = new Uint32Array(buffer);
  const floats = new Float32Array(buffer);
  let start = 0;
  for (const each of asked) {
    const { query, shards } = each;
    const { vector, program } = query;
    doubles[start / 8] = query.deadlineAtMs;
    let at = start / 4;
    words[at + 2] = query.k;
    words[at + 3] = query.ef;
    words[at + 4] =
      (query.exact ? EXACT : 0) | (query.withVectors ? WITH_VECTORS : 0) | (query.explain ? EXPLAIN : 0);
    words[at + 5] = vector.length;
    words[at + 6] = program ? program.length + 1 : 0;
    words[at + 7] = shards.length;
    at += QUERY_HEAD_BYTES / 4;
    floats.set(vector, at);
    at += vector.length;
    if (program) words.set(program, at);
    at += program?.length ?? 0;
    words.set(shards, at);
    start += queryBytes(each);
  }
  return buffer;
}

/** What `packQueries` packed; vectors and programs are views of the buffer. */
export function unpackQueries(buffer: ArrayBuffer): Asked[] {
  const doubles = new Float64Array(buffer);
  const words = new Uint32Array(buffer);
  const asked: Asked[] = [];
  for (let start = 0; start < buffer.byteLength; ) {
    let at = start / 4;
    const flags = words[at + 4]!;
    const [dim, program, shards] = [words[at + 5]!, words[at + 6]!, words[at + 7]!];
    const head = at;
    at += QUERY_HEAD_BYTES / 4;
    const vector = new Float32Array(buffer, at * 4, dim);
    at += dim;
    const query: ShardQuery = {
      vector,
      k: words[head + 2]!,
      ef: words[head + 3]!,
      exact: (flags & EXACT) !== 0,
      program: program === 0 ? null : words.subarray(at, at + program - 1),
      deadlineAtMs: doubles[start / 8]!,
      withVectors: (flags & WITH_VECTORS) !== 0,
      explain: (flags & EXPLAIN) !== 0,
    };
    at += Math.max(0, program - 1);
    const numbers = new Array<number>(shards);
    for (let i = 0; i < shards; i++) numbers[i] = words[at + i]!;
    asked.push({ query, shards: numbers });
    start = aligned((at + shards) * 4);
  }
  return asked;
}

/** Hits whose ids are where a shard's memory holds them: as many as there are ids. */
export interface FoundHits extends Omit<ShardHits, 'ids' | keyof Unpacked> {
  /** Of each hit's id in the memory: a byte of length, then as much UTF-8. */
  readonly idsAt: readonly number[];
}

/** Collects answers, each in the place that it has in the end. */
export class AnswerPacker {
  #bytes!: Uint8Array;
  #words!: Uint32Array;
  #doubles!: Float64Array;
  #used = 0;

  /** @param bytes that are likely to be enough */
  constructor(bytes: number) {
    this.#take(new ArrayBuffer(aligned(bytes)));
  }

  #take(buffer: ArrayBuffer): void {
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#doubles = new Float64Array(buffer);
  }

  /** Adds an answer. Throws a RangeError when an id does not lie in the memory; nothing is added then. */
  add({ idsAt, ordinals, distances, ef, complete }: FoundHits, memory: Uint8Array): void {
    const n = idsAt.length;
    let idBytes = 0;
    for (let i = 0; i < n; i++) {
      const length = memory[idsAt[i]!];
      if (length === undefined || idsAt[i]! + length >= memory.length) {
        throw new RangeError(`the id at ${idsAt[i]} does not lie in the memory`);
      }
      idBytes += length;
    }
    const start = this.#used;
    this.#used = aligned(start + ANSWER_HEAD_BYTES + n * 13 + idBytes);
    this.#widen(start);
    const bytes = this.#bytes;
    const words = this.#words;
    const head = start / 4;
    words[head] = n;
    words[head + 1] = ef;
    words[head + 2] = complete ? 1 : 0;
    words[head + 3] = idBytes;
    const distancesAt = (start + ANSWER_HEAD_BYTES) / 8;
    const ordinalsAt = head + ANSWER_HEAD_BYTES / 4 + n * 2;
    let at = (ordinalsAt + n) * 4;
    for (let i = 0; i < n; i++) {
      this.#doubles[distancesAt + i] = distances[i]!;
      words[ordinalsAt + i] = ordinals[i]!;
      bytes[at++] = memory[idsAt[i]!]!;
    }
    for (let i = 0; i < n; i++) {
      let from = idsAt[i]! + 1;
      // Ids are short: the loop is done before a call into `set` has begun
      for (const end = from + memory[from - 1]!; from < end; ) bytes[at++] = memory[from++]!;
    }
  }

  #widen(filled: number): void {
    if (this.#used <= this.#bytes.length) return;
    const narrow = this.#bytes;
    this.#take(new ArrayBuffer(aligned(this.#used * 2)));
    this.#bytes.set(narrow.subarray(0, filled));
  }

  /** Bytes used so far. */
  get used(): number {
    return this.#used;
  }

  /** The answers; the buffer is to be moved, and may have some room at its end. */
  end(): ArrayBuffer {
    return this.#bytes.buffer as ArrayBuffer;
  }
}

/** The first `count` answers that an `AnswerPacker` collected. */
export function unpackAnswers(buffer: ArrayBuffer, count: number): ShardHits[] {
  const bytes = Buffer.from(buffer);
  const doubles = new Float64Array(buffer);
  const words = new Uint32Array(buffer);
  const answers: ShardHits[] = [];
  let start = 0;
  for (let a = 0; a < count; a++) {
    const head = start / 4;
    const n = words[head]!;
    const idBytes = words[head + 3]!;
    const distancesAt = (start + ANSWER_HEAD_BYTES) / 8;
    const ordinalsAt = head + ANSWER_HEAD_BYTES / 4 + n * 2;
    const lengthsAt = (ordinalsAt + n) * 4;
    const ids = new Array<string>(n);
    const ordinals = new Array<number>(n);
    const distances = new Array<number>(n);
    let at = lengthsAt + n;
    start = at + idBytes;
    // One call for all ids where each byte is a character; a call each costs more than everything else here
    const text = bytes.toString('utf8', at, start);
    const isAscii = text.length === idBytes;
    for (let i = 0, from = 0; i < n; i++) {
      const length = bytes[lengthsAt + i]!;
      ids[i] = isAscii ? text.slice(from, from + length) : bytes.toString('utf8', at, at + length);
      ordinals[i] = words[ordinalsAt + i]!;
      distances[i] = doubles[distancesAt + i]!;
      from += length;
      at += length;
    }
    answers.push({ ids, ordinals, distances, ef: words[head + 1]!, complete: words[head + 2] === 1 });
    start = aligned(start);
  }
  return answers;
}
