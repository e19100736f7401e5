/**
 * Refusing costs what it saves when it costs too much: three times the requests that can be answered are twice as many to
 * refuse. So the answer is bytes that are there, and it goes straight to the socket. That leaves out what Node does for
 * answers in general (headers one by one, a write in pieces, a stream's states), which is a third of the work.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { NearpinError } from '../../lib/errors.ts';
import { toProblem } from '../../retrieval/problem.ts';
import { JSON_TYPE, type MediaType, MSGPACK_TYPES, negotiate, PROBLEM_TYPE } from '../codec/format.ts';
import { encodeMsgpack } from '../codec/msgpack.ts';

/** An answer that is the same each time, but for some headers. */
export interface Refusal {
  readonly status: number;
  /** By what is accepted: head but for what is an answer's own, and body. One character a byte. */
  readonly texts: Readonly<Record<MediaType, { readonly head: string; readonly body: string }>>;
}

export function refusalOf(error: NearpinError): Refusal {
  const problem = toProblem(error);
  const { status } = problem;
  const textOf = (type: string, body: string) => ({
    head: `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n`,
    body,
  });
  const packed = encodeMsgpack(problem).toString('latin1');
  const texts = Object.fromEntries(MSGPACK_TYPES.map((type) => [type, textOf(type, packed)]));
  return {
    status,
    texts: { ...texts, [JSON_TYPE]: textOf(PROBLEM_TYPE, JSON.stringify(problem)) } as Refusal['texts'],
  };
}

/** Of a body that is let pass behind a refusal, which costs less than another connection. */
const BODY_LEFT_BYTES_MAX = 64 * 1024;
/** For which the client of a longer one can read its answer: it still sends, and a closed socket would tell it of nothing else. */
const LINGER_MS = 1000;

/** Whether the body of a request that is refused is too long to be waited for, does not tell its length, or may never come. */
export function hasMuchBody({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return (
    headers['transfer-encoding'] !== undefined ||
    headers.expect !== undefined ||
    Number(headers['content-length'] ?? 0) > BODY_LEFT_BYTES_MAX
  );
}

/** Headers of this answer alone; of characters that may stand in them. */
export type OwnHeaders = Readonly<Record<string, string>>;

/**
 * Answers a request to which nothing was answered yet, whose body need not be there. One that has much of it is the last of
 * its connection: nothing more is read from it.
 * @returns what was written, one character a byte; undefined where Node wrote it, or it is the last of its connection
 */
export function refuse(
  { status, texts }: Refusal,
  own: OwnHeaders,
  request: IncomingMessage,
  response: ServerResponse,
): string | undefined {
  const type = negotiate(request.headers.accept) ?? JSON_TYPE;
  const { head, body } = texts[type];
  const { socket } = response;
  const isLast = hasMuchBody(request);
  const headers: OwnHeaders = isLast ? { ...own, connection: 'close' } : own;
  if (socket === null || !socket.writable || !response.shouldKeepAlive) {
    // Requests before it on this connection are not answered yet, or it is to be closed, or being closed
    response.writeHead(status, {
      'content-type': type === JSON_TYPE ? PROBLEM_TYPE : type,
      'content-length': body.length,
      ...headers,
    });
    response.end(body, 'latin1');
    return undefined;
  }
  let text = head;
  for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
  text += `\r\n${request.method === 'HEAD' ? '' : body}`;
  socket.write(text, 'latin1');
  if (isLast) {
    socket.pause();
    socket.end();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
    return undefined;
  }
  // What Node waits for to go on with the connection
  response.emit('finish');
  return text;
}
