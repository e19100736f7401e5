/**
 * Answers in one write. What Node does for an answer in general, headers one by one, a stream's states, head and body as
 * pieces of a vector to write, costs some 4 us. A short answer that is there as a whole needs none of that: its head is put
 * together as text and goes out with the body. Everything else goes Node's way (docs/decisions/0018-overload.md).
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../retrieval/open-index.ts';

/** Of a body. What is longer is written by more than its bookkeeping. */
const QUICK_BYTES_MAX = 16 * 1024;
/** What Node decides on, or has an answer take another way. */
const NOT_QUICK: ReadonlySet<string> = new Set([
  'connection',
  'date',
  'keep-alive',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** What may not stand in a header, or would be more than a byte in one encoding and not in another. */
const NOT_IN_HEADER = /[^ -~]/;

type Headers = Readonly<Record<string, unknown>>;
type ResponseClass = typeof ServerResponse;

/** @param keepAliveS for which a connection is kept, in seconds */
export function quickResponses(clock: Clock, keepAliveS: number): ResponseClass {
  let rest = '';
  let restUntilMs = 0;
  /** Headers that are the same for a second. */
  const restOfHead = (): string => {
    const nowMs = clock();
    if (nowMs >= restUntilMs) {
      const seconds = Math.floor(nowMs / 1000);
      const date = new Date(seconds * 1000).toUTCString();
      rest = `Date: ${date}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${keepAliveS}\r\n\r\n`;
      restUntilMs = (seconds + 1) * 1000;
    }
    return rest;
  };

  class QuickResponse extends ServerResponse<IncomingMessage> {
    /** Of an answer that may go the quick way. */
    #headers: Headers | undefined;

    override writeHead(status: number, ...rest: never[]): this {
      const [headers] = rest as unknown as [Headers?];
      if (rest.length === 1 && status === 200 && typeof headers === 'object' && !this.headersSent) {
        this.#headers = headers;
        return this;
      }
      return super.writeHead(status, ...rest);
    }

    /** Node asks for the head where there is none when a part of the body is written. */
    _implicitHeader(): void {
      const headers = this.#headers;
      this.#headers = undefined;
      if (headers === undefined) super.writeHead(this.statusCode);
      else super.writeHead(200, headers as never);
    }

    override end(...args: never[]): this {
      const headers = this.#headers;
      if (headers === undefined) return super.end(...args);
      const [body] = args as unknown as [unknown];
      const head = this.#quickHead(headers, body);
      if (head === undefined) {
        this._implicitHeader();
        return super.end(...args);
      }
      this.#headers = undefined;
      this.#send(head, body as string | Buffer);
      return this;
    }

    /** Undefined when the answer cannot go the quick way. */
    #quickHead(headers: Headers, body: unknown): string | undefined {
      const { socket } = this;
      if (typeof body !== 'string' && !Buffer.isBuffer(body)) return undefined;
      if (body.length > QUICK_BYTES_MAX || this.req.method === 'HEAD') return undefined;
      // An answer before it is not out yet, or this is the last one of the connection
      if (socket === null || socket.writableLength > 0 || !this.shouldKeepAlive) return undefined;
      // It is being closed behind an answer before this one, whose turn will never come
      if (!socket.writable) return undefined;
      if (headers['content-length'] === undefined || this.getHeaderNames().length > 0) return undefined;
      let head = 'HTTP/1.1 200 OK\r\n';
      for (const name in headers) {
        const value = headers[name];
        if (typeof value !== 'string' || NOT_QUICK.has(name) || NOT_IN_HEADER.test(value)) return undefined;
        head += `${name}: ${value}\r\n`;
      }
      return head + restOfHead();
    }

    #send(head: string, body: string | Buffer): void {
      const socket = this.socket!;
      if (typeof body === 'string') socket.write(head + body, 'utf8');
      else socket.write(head + body.toString('latin1'), 'latin1');
      const state = this as unknown as { _header: string; finished: boolean };
      state._header = head;
      state.finished = true;
      // What Node waits for to go on with the connection
      if (socket.writableLength === 0) this.emit('finish');
      else socket.write('', () => this.emit('finish'));
    }
  }
  return QuickResponse as unknown as ResponseClass;
}
