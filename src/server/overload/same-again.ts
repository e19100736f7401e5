/**
 * Refuses a request like one that was refused before without reading it again. Under overload most requests are refused,
 * and reading them is most of what that costs: a parser, a request, a response and their states, for an answer that is the
 * same each time. Clients send the same head again and again, but for the length of the body; so where two refused
 * requests on a connection had the same head, the bytes that come are compared with it. All else is for Node's parser, and
 * only a head that it has read from its first byte to its last is known the next time: nothing is one request here and
 * another one to Node (docs/decisions/0018-overload.md).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What became of a request. */
export interface Refused {
  /** As it was written, one character a byte. */
  readonly answer: string;
  /** Whether the same request would be refused now. */
  readonly isRefused: () => boolean;
}

/** Of requests with the same head. */
interface Sample extends Refused {
  /** Of the head, what is before and after the digits of the body's length. */
  readonly before: Buffer;
  readonly after: Buffer;
}

interface Heard {
  readonly request: IncomingMessage;
  refused?: Refused;
}

type Read = (this: Socket, chunk: Buffer) => void;

const LINE_END = '\r\n';
const HEAD_END = '\r\n\r\n';
const ZERO = 0x30;
/** Of a body's length: what is refused over and over is short. */
const DIGITS_MAX = 4;
/** So many heads in a row that were not the same again are not compared with any more. */
const MISSES_MAX = 4;

/** A connection on which a request was refused. */
class Line {
  readonly #socket: Socket;
  readonly #onRefused: () => void;
  /** Of the last request that was refused, while nothing is compared: names and values in turn. */
  #fields: readonly string[];
  /** Node's parser, while bytes come here first. */
  #read: Read | undefined;
  #sample: Sample | undefined;
  #misses = 0;
  /** Of the last request. Has no socket any more when it is out. */
  #response: ServerResponse | undefined;
  /** Whether what comes next is the start of a request. */
  #isBetween = false;
  /** The first request in the chunk that is being read. */
  #heard: Heard | undefined;

  constructor(request: IncomingMessage, onRefused: () => void) {
    this.#socket = request.socket;
    this.#fields = request.rawHeaders;
    this.#onRefused = onRefused;
  }

  heard(request: IncomingMessage, response: ServerResponse): void {
    if (this.#read === undefined) return;
    this.#heard ??= { request };
    this.#response = response;
  }

  refused(request: IncomingMessage, response: ServerResponse, refused: Refused): void {
    if (this.#read !== undefined) {
      if (this.#heard?.request === request) this.#heard.refused = refused;
      return;
    }
    if (isSame(this.#fields, request.rawHeaders)) this.#compare(response);
    this.#fields = request.rawHeaders;
  }

  readonly #take = (chunk: Buffer): void => {
    const known = this.#known(chunk);
    if (known !== undefined && this.#canAnswer() && known.isRefused()) {
      this.#misses = 0;
      this.#socket.write(known.answer, 'latin1');
      this.#onRefused();
      return;
    }
    this.#heard = undefined;
    this.#read!.call(this.#socket, chunk);
    if (known === undefined) this.#learn(chunk);
  };

  #compare(response: ServerResponse): void {
    const [read, other] = this.#socket.listeners('data') as Read[];
    if (read === undefined || other !== undefined) return;
    this.#response = response;
    this.#misses = 0;
    this.#read = read;
    this.#socket.on('data', this.#take).removeListener('data', read);
  }

  #compareNoMore(): void {
    this.#socket.on('data', this.#read!).removeListener('data', this.#take);
    this.#read = undefined;
    this.#sample = undefined;
  }

  #known(chunk: Buffer): Sample | undefined {
    const sample = this.#sample;
    if (sample === undefined || !this.#isBetween) return undefined;
    const { before, after } = sample;
    if (chunk.length < before.length || before.compare(chunk, 0, before.length) !== 0) return undefined;
    let length = 0;
    let at = before.length;
    for (const end = at + DIGITS_MAX; at < end; at++) {
      const digit = chunk[at]! - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      length = 10 * length + digit;
    }
    const headBytes = at + after.length;
    return chunk.length === headBytes + length && after.compare(chunk, at, headBytes) === 0
      ? sample
      : undefined;
  }

  /** Whether the answers before are out, and read. */
  #canAnswer(): boolean {
    return this.#response!.socket === null && this.#socket.writable && !this.#socket.writableNeedDrain;
  }

  /** Whether the chunk that was read is one request; and its head, where it was refused. */
  #learn(chunk: Buffer): void {
    this.#isBetween = false;
    if (this.#heard === undefined) return;
    const { request, refused } = this.#heard;
    const headBytes = chunk.indexOf(HEAD_END, 0, 'latin1') + HEAD_END.length;
    const head = chunk.toString('latin1', 0, headBytes);
    const length = request.headers['content-length'] ?? '';
    this.#isBetween = chunk.length === headBytes + Number(length) && isHeadOf(head, request);
    if (!this.#isBetween || refused === undefined) return;
    const [before, after] = head.split(new RegExp(`(?<=^content-length: *)${length}(?=\r\n)`, 'im'));
    if (++this.#misses > MISSES_MAX || after === undefined) {
      this.#compareNoMore();
      return;
    }
    // Without a spread, by which V8 of Node 20 gives each object a shape of its own: to read it is slow then
    this.#sample = {
      answer: refused.answer,
      isRefused: refused.isRefused,
      before: Buffer.from(before!, 'latin1'),
      after: Buffer.from(after, 'latin1'),
    };
  }
}

/** Whether two requests have the same header fields in the same order, but for the length. */
function isSame(fields: readonly string[], others: readonly string[]): boolean {
  return (
    fields.length === others.length &&
    fields.every((field, i) => field === others[i] || fields[i - 1]?.toLowerCase() === 'content-length')
  );
}

/** Whether just these lines are the head of a request: one that began before them has others, or more. */
function isHeadOf(head: string, { method, url, headers, rawHeaders }: IncomingMessage): boolean {
  const [first, ...fields] = head.slice(0, -HEAD_END.length).split(LINE_END);
  return (
    first === `${method} ${url} HTTP/1.1` &&
    headers['transfer-encoding'] === undefined &&
    fields.length === rawHeaders.length / 2 &&
    fields.every((field, i) => field.startsWith(`${rawHeaders[2 * i]}:`))
  );
}

/** Of a server. */
export class SameAgain {
  readonly #lines = new WeakMap<Socket, Line>();
  readonly #onRefused: () => void;

  /** @param onRefused hears of each request that is refused here */
  constructor(onRefused: () => void) {
    this.#onRefused = onRefused;
  }

  /** Hears of every request that is read, before it is answered. */
  heard(request: IncomingMessage, response: ServerResponse): void {
    this.#lines.get(request.socket)?.heard(request, response);
  }

  /** Hears of each request that was refused and answered, before another one is read. */
  refused(request: IncomingMessage, response: ServerResponse, refused: Refused): void {
    const line = this.#lines.get(request.socket);
    if (line === undefined) this.#lines.set(request.socket, new Line(request, this.#onRefused));
    else line.refused(request, response, refused);
  }
}
