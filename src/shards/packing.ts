/**
 * Tasks and their answers as bytes, which move between threads without being copied or walked. Cloning the same as
 * objects cost more than the rest of the hop: per search some 60 values to write, to read, and to collect as garbage,
 * in both threads (docs/decisions/0009-service.md).
 *
 * Numbers lie in the byte order of the machine, as both sides are threads of it. A record begins on a multiple of
 * 8 bytes:
 *
 * query   f64 deadline | when it was asked | u32 k | ef | flags | dim | words of program, + 1 or 0 for none | shard |
 *         f32 vector[dim] | u32 program[]
 * answer  u32 hits n | ef | complete | bytes of ids | plan | compared | visited | thread | f64 started | queued | search |
 *         filter | rescore | f64 distances[n] | u32 ordinals[n] | u8 bytes of id[n] | ids, UTF-8
 */
import type { ShardHits, ShardQuery, Unpacked } from './protocol.ts';

const QUERY_HEAD_BYTES = 40;
const ANSWER_HEAD_BYTES = 72;
const EXACT = 1;
const WITH_VECTORS = 2;
const EXPLAIN = 4;
/** Of queries that wait: room that is kept when none does. */
const WAITING_BYTES = 64 * 1024;

/** A query, and the number of the shard that is to answer it. */
export interface Asked {
  readonly query: ShardQuery;
  readonly shard: number;
  /** On the clock of monotonicMs. */
  readonly askedMs: number;
}

const aligned = (bytes: number) => Math.ceil(bytes / 8) * 8;

/** Bytes of a query's record, by what its head says of it. */
const queryBytes = (dim: number, program: number) =>
  aligned(QUERY_HEAD_BYTES + 4 * (dim + Math.max(0, program - 1)));

/** Queries that wait, packed where they are asked: nothing of them is kept but bytes, and those in one place. */
export class QueryQueue {
  #words!: Uint32Array;
  #floats!: Float32Array;
  #doubles!: Float64Array;
  /** Where the first record begins, and the last one ends. */
  #start = 0;
  #end = 0;

  constructor() {
    this.#take(new ArrayBuffer(WAITING_BYTES));
  }

  #take(buffer: ArrayBuffer): void {
    this.#words = new Uint32Array(buffer);
    this.#floats = new Float32Array(buffer);
    this.#doubles = new Float64Array(buffer);
  }

  /** Adds a query of a shard, each component of its vector multiplied by `scale`. */
  push(query: ShardQuery, shard: number, scale: number, askedMs: number): void {
    const { vector, program } = query;
    const programWords = program ? program.length + 1 : 0;
    const bytes = queryBytes(vector.length, programWords);
    this.#widen(bytes);
    const words = this.#words;
    let at = this.#end / 4;
    this.#doubles[this.#end / 8] = query.deadlineAtMs;
    this.#doubles[this.#end / 8 + 1] = askedMs;
    words[at + 4] = query.k;
    words[at + 5] = query.ef;
    words[at + 6] =
      (query.exact ? EXACT : 0) | (query.withVectors ? WITH_VECTORS : 0) | (query.explain ? EXPLAIN : 0);
    words[at + 7] = vector.length;
    words[at + 8] = programWords;
    words[at + 9] = shard;
    at += QUERY_HEAD_BYTES / 4;
    const floats = this.#floats;
    for (let i = 0; i < vector.length; i++) floats[at + i] = vector[i]! * scale;
    if (program) words.set(program, at + vector.length);
    this.#end += bytes;
  }

  /** Makes room for so many bytes more. */
  #widen(bytes: number): void {
    const { buffer } = this.#words;
    if (this.#end + bytes <= buffer.byteLength) return;
    const length = this.#end - this.#start;
    const waiting = new Uint8Array(buffer, this.#start, length);
    this.#take(new ArrayBuffer(aligned(2 * (length + bytes))));
    new Uint8Array(this.#words.buffer).set(waiting);
    this.#start = 0;
    this.#end = length;
  }

  /** Bytes of the queries that wait. */
  get bytes(): number {
    return this.#end - this.#start;
  }

  /** Takes the first `count` queries out, as a buffer of their own. */
  shift(count: number): ArrayBuffer {
    const { buffer } = this.#words;
    const start = this.#start;
    this.#pass(count);
    const taken = buffer.slice(start, this.#start) as ArrayBuffer;
    this.#endPass();
    return taken;
  }

  /** Takes the first query out and away. */
  drop(): void {
    this.#pass(1);
    this.#endPass();
  }

  #pass(count: number): void {
    for (let i = 0; i < count; i++) {
      const at = this.#start / 4;
      this.#start += queryBytes(this.#words[at + 7]!, this.#words[at + 8]!);
    }
  }

  /** Begins anew when nothing waits. */
  #endPass(): void {
    if (this.#start !== this.#end) return;
    this.#start = 0;
    this.#end = 0;
    if (this.#words.byteLength > WAITING_BYTES) this.#take(new ArrayBuffer(WAITING_BYTES));
  }
}

/** Gives the first query of what a `QueryQueue` gave out another deadline. */
export function setDeadline(queries: ArrayBuffer, deadlineAtMs: number): void {
  new Float64Array(queries, 0, 1)[0] = deadlineAtMs;
}

/** What a `QueryQueue` gave out; vectors and programs are views of the buffer. */
export function unpackQueries(buffer: ArrayBuffer): Asked[] {
  const doubles = new Float64Array(buffer);
  const words = new Uint32Array(buffer);
  const asked: Asked[] = [];
  for (let start = 0; start < buffer.byteLength; ) {
    const head = start / 4;
    const flags = words[head + 6]!;
    const dim = words[head + 7]!;
    const program = words[head + 8]!;
    const vectorAt = head + QUERY_HEAD_BYTES / 4;
    const programAt = vectorAt + dim;
    const query: ShardQuery = {
      vector: new Float32Array(buffer, vectorAt * 4, dim),
      k: words[head + 4]!,
      ef: words[head + 5]!,
      exact: (flags & EXACT) !== 0,
      program: program === 0 ? null : words.subarray(programAt, programAt + program - 1),
      deadlineAtMs: doubles[start / 8]!,
      withVectors: (flags & WITH_VECTORS) !== 0,
      explain: (flags & EXPLAIN) !== 0,
    };
    asked.push({ query, shard: words[head + 9]!, askedMs: doubles[start / 8 + 1]! });
    start += queryBytes(dim, program);
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
  add({ idsAt, ordinals, distances, ef, complete, work }: FoundHits, memory: Uint8Array): void {
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
    words[head + 4] = work.plan;
    words[head + 5] = work.compared;
    words[head + 6] = work.visited;
    words[head + 7] = work.thread;
    const doubles = this.#doubles;
    doubles[start / 8 + 4] = work.startedAtMs;
    doubles[start / 8 + 5] = work.queuedMs;
    doubles[start / 8 + 6] = work.searchMs;
    doubles[start / 8 + 7] = work.filterMs;
    doubles[start / 8 + 8] = work.rescoreMs;
    const distancesAt = (start + ANSWER_HEAD_BYTES) / 8;
    const ordinalsAt = head + ANSWER_HEAD_BYTES / 4 + n * 2;
    let at = (ordinalsAt + n) * 4;
    for (let i = 0; i < n; i++) {
      doubles[distancesAt + i] = distances[i]!;
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
    const work = {
      plan: words[head + 4]!,
      compared: words[head + 5]!,
      visited: words[head + 6]!,
      thread: words[head + 7]!,
      startedAtMs: doubles[start / 8 + 4]!,
      queuedMs: doubles[start / 8 + 5]!,
      searchMs: doubles[start / 8 + 6]!,
      filterMs: doubles[start / 8 + 7]!,
      rescoreMs: doubles[start / 8 + 8]!,
    };
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
    const complete = words[head + 2] === 1;
    answers.push({ ids, ordinals, distances, ef: words[head + 1]!, complete, work });
    start = aligned(start);
  }
  return answers;
}
