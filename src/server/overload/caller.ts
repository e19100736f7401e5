/**
 * Who waits for the answer to a request: until when, by the header `x-deadline-ms`, and whether the connection is still
 * there. Time counts from when the head of the request was read, so what a request waits for in the server is part of it.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errorAt } from '../../lib/errors.ts';
import type { Caller } from '../../retrieval/open-index.ts';

/** Milliseconds for which the client waits for the answer, from now on. */
export const DEADLINE_HEADER = 'x-deadline-ms';

declare module 'fastify' {
  interface FastifyRequest {
    /** For how long it is waited for from its arrival on, in milliseconds; Infinity where it does not say. */
    patienceMs: number;
  }
}

/** Notes for how long requests are waited for (bad_request); to be called when requests are watched, before other hooks are added. */
export function noteCallers(app: FastifyInstance): void {
  app.decorateRequest('patienceMs', Number.POSITIVE_INFINITY);
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.raw.headers[DEADLINE_HEADER] === undefined) return done();
    try {
      request.patienceMs = patienceOf(request);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

function patienceOf({ headers }: FastifyRequest): number {
  const text = headers[DEADLINE_HEADER];
  const ms = typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN;
  if (!(Number.isFinite(ms) && ms > 0))
    throw errorAt('bad_request', DEADLINE_HEADER, 'must be a number of milliseconds over 0');
  return ms;
}

class HttpCaller implements Caller {
  readonly arrivedAtMs: number;
  readonly deadlineAtMs: number;
  readonly #response: ServerResponse;

  constructor({ watch, patienceMs }: FastifyRequest, { raw }: FastifyReply) {
    this.arrivedAtMs = watch.startedAtMs;
    this.deadlineAtMs = watch.startedAtMs + patienceMs;
    this.#response = raw;
  }

  isGone(): boolean {
    return this.#response.destroyed;
  }
}

export const callerOf = (request: FastifyRequest, reply: FastifyReply): Caller =>
  new HttpCaller(request, reply);
