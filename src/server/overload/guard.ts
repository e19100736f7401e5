/**
 * What a request passes before its body is read: the rate of its key, and whether there is room for it. To refuse must
 * cost little, since under overload most of the work is refusing: the answers are bytes that are there, and Fastify's way
 * of sending is left out.
 */
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { NearpinError } from '../../lib/errors.ts';
import { toProblem } from '../../retrieval/problem.ts';
import { JSON_TYPE, type MediaType, MSGPACK_TYPES } from '../codec/format.ts';
import { encodeMsgpack } from '../codec/msgpack.ts';
import { PROBLEM_TYPE } from '../problems.ts';
import { Admission, type AdmissionOptions } from './admission.ts';
import { patienceOf } from './caller.ts';
import { networkOf, type RateLimiter } from './rate-limiter.ts';

export type AdmissionBounds = Pick<AdmissionOptions, 'maxWaitMs' | 'maxInFlight'>;

/** Where nothing is said. */
export const ADMISSION_DEFAULTS: AdmissionBounds = { maxWaitMs: 100, maxInFlight: 1024 };

/** Requests in flight per search thread without which it would be idle between tasks (shards/pool.ts). */
const IN_FLIGHT_PER_THREAD = 32;

type Hook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void;

/** A gate before the body: what counts the requests that have passed, and the `onRequest` hook that lets them. */
export interface Gate {
  readonly admission: Admission;
  readonly hook: Hook;
}

/** Searches and writes wait for different things, so each has a gate of its own. @param threads that search */
export function gateOf(bounds: AdmissionBounds, threads: number): Gate {
  const minInFlight = Math.min(IN_FLIGHT_PER_THREAD * threads, bounds.maxInFlight);
  const admission = new Admission({ ...bounds, minInFlight });
  const hook: Hook = (request, reply, done) => {
    try {
      request.patienceMs = patienceOf(request);
    } catch (error) {
      done(error as Error);
      return;
    }
    if (admission.isFull(request.arrivedAtMs, request.patienceMs)) refuse(OVERLOADED, 1, request, reply);
    else done();
  };
  return { admission, hook };
}

/** The `onRequest` hook that holds each key to its rate, or each address where there are no keys. */
export function rateHook(rates: RateLimiter): Hook {
  return (request, reply, done) => {
    const key = networkOf(request.raw.socket.remoteAddress ?? '');
    const waitMs = rates.take(key, request.arrivedAtMs);
    if (waitMs > 0) refuse(RATE_LIMITED, Math.ceil(waitMs / 1000), request, reply);
    else done();
  };
}

interface Refusal {
  readonly status: number;
  /** As text, one character a byte, since Node then sends head and body in one piece. */
  readonly bodies: Readonly<Record<MediaType, string>>;
}

function refusalOf(error: NearpinError): Refusal {
  const problem = toProblem(error);
  const packed = encodeMsgpack(problem).toString('latin1');
  return {
    status: problem.status,
    bodies: {
      [JSON_TYPE]: JSON.stringify(problem),
      ...(Object.fromEntries(MSGPACK_TYPES.map((type) => [type, packed])) as Record<
        (typeof MSGPACK_TYPES)[number],
        string
      >),
    },
  };
}

const OVERLOADED = refusalOf(
  new NearpinError('overloaded', 'More requests wait than can be answered in time'),
);
const RATE_LIMITED = refusalOf(new NearpinError('rate_limited', 'More requests came than the key may make'));

function refuse(
  { status, bodies }: Refusal,
  retryAfterS: number,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const type = request.answerType;
  const body = bodies[type];
  reply.hijack();
  reply.raw.writeHead(status, {
    'content-type': type === JSON_TYPE ? PROBLEM_TYPE : type,
    'content-length': body.length,
    'retry-after': String(retryAfterS),
    'x-request-id': request.id,
  });
  reply.raw.end(body, 'latin1');
}
