/** Every refusal leaves as problem details: nearpin's own, Fastify's, and those of requests that reach no route. */
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, errorAt, NearpinError } from '../lib/errors.ts';
import { toProblem } from '../retrieval/problem.ts';
import { JSON_TYPE, MSGPACK_TYPE, negotiate, PROBLEM_TYPE } from './codec/format.ts';
import { encodeMsgpack } from './codec/msgpack.ts';

/** For refusals that pass by themselves: overload, an index that is still loading, writes that wait. */
const RETRY_AFTER_SECONDS = 1;
export const RETRY_AFTER_CODES: readonly ErrorCode[] = [
  'overloaded',
  'rate_limited',
  'not_ready',
  'too_many_writes',
  'too_many_measurements',
  'auth_unavailable',
  'audit_unavailable',
];

/** Answers with the problem of an error, in msgpack when the request accepts that rather than JSON. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = fromFastify(thrown);
  if (!(error instanceof NearpinError) || error.status === 500) request.watch.fault(request.id, error);
  const problem = toProblem(error);
  // What is no URL reaches no hook, and so has no watch
  request.watch?.refused(problem.code);
  reply
    .code(problem.status)
    .header('x-request-id', request.id)
    .header('x-content-type-options', 'nosniff')
    .header('cache-control', 'no-store');
  if ((RETRY_AFTER_CODES as readonly string[]).includes(problem.code))
    reply.header('retry-after', RETRY_AFTER_SECONDS);
  if (problem.code === 'unsupported_media_type')
    reply.header('accept', `${JSON_TYPE}, ${MSGPACK_TYPE}`).header('accept-encoding', 'identity');
  const type = negotiate(request.headers.accept) ?? JSON_TYPE;
  // JSON goes as bytes too: Fastify would add a charset, which problem+json does not have.
  return type === JSON_TYPE
    ? reply.header('content-type', PROBLEM_TYPE).send(Buffer.from(JSON.stringify(problem)))
    : reply.header('content-type', type).send(encodeMsgpack(problem));
}

/** Fastify's refusals in the words of our table; anything else is returned as it is. */
function fromFastify(error: unknown): unknown {
  if (error instanceof NearpinError || !(error instanceof Error)) return error;
  const { code, statusCode } = error as Partial<FastifyError>;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new NearpinError('body_too_large', 'The body is longer than this server takes');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return errorAt(
        'unsupported_media_type',
        'content-type',
        'must be application/json or application/msgpack',
      );
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new NearpinError('bad_request', 'A part of the path is too long');
    default:
      return statusCode !== undefined && statusCode >= 400 && statusCode < 500
        ? new NearpinError('bad_request', error.message, [], { cause: error })
        : error;
  }
}

/** Answers bytes that are no HTTP request, on the bare socket. */
export function refuseSocket(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(toProblem(new NearpinError('bad_request', 'The request is not valid HTTP')));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
