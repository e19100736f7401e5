/** What a request passes before anything is read or made for it: whether there is room, and the rate of its key. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { type ErrorCode, NearpinError } from '../../lib/errors.ts';
import type { Clock } from '../../retrieval/open-index.ts';
import { headersFor } from '../cors.ts';
import { givenRequestId } from '../request-id.ts';
import { Admission, type AdmissionOptions } from './admission.ts';
import { DEADLINE_HEADER } from './caller.ts';
import { networkOf, type RateLimiter } from './rate-limiter.ts';
import { type OwnHeaders, type Refusal, refusalOf, refuse } from './refusal.ts';
import { SameAgain } from './same-again.ts';

export type AdmissionBounds = Pick<AdmissionOptions, 'maxWaitMs' | 'maxInFlight'>;

/** Where nothing is said. */
export const ADMISSION_DEFAULTS: AdmissionBounds = { maxWaitMs: 100, maxInFlight: 1024 };

/** Requests in flight per search thread without which it would be idle between tasks (shards/pool.ts). */
const IN_FLIGHT_PER_THREAD = 16;

/** Searches and writes wait for different things, threads and the disk: each kind has a rate and a bound of its own. */
export interface Admissions {
  readonly searches: Admission;
  readonly writes: Admission;
}

/** @param threads that search */
export function admissionsOf(bounds: AdmissionBounds, threads: number): Admissions {
  const minInFlight = Math.min(IN_FLIGHT_PER_THREAD * threads, bounds.maxInFlight);
  return {
    searches: new Admission({ ...bounds, minInFlight }),
    writes: new Admission({ ...bounds, minInFlight }),
  };
}

/** What is counted; what only reads descriptions, and what administrators do, always finds room. */
const SEARCH =
  /^\/(v1\/indexes\/[^/]+\/(query|related|search|homefeed|notifications|batch|recall)|graphql)(\?|$)/;
const WRITE = /^\/v1\/indexes\/[^/]+\/pins(\?|$)/;

const OVERLOADED = refusalOf(
  new NearpinError('overloaded', 'More requests wait than can be answered in time'),
);
const RATE_LIMITED = refusalOf(new NearpinError('rate_limited', 'More requests came than the key may make'));

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

export interface DoorOptions {
  readonly admissions: Admissions;
  readonly clock: Clock;
  /** Of pages that may read refusals. */
  readonly corsOrigins: ReadonlySet<string>;
  /** Hears of refusals, by the code. */
  readonly onRefused: (code: ErrorCode) => void;
}

/** Refuses what finds no room before the server's own listener hears of it. */
export function guardDoor(server: Server, options: DoorOptions): void {
  const { clock, corsOrigins, onRefused } = options;
  const { searches, writes } = options.admissions;
  const [handle] = server.listeners('request') as [Listener];
  const sameAgain = new SameAgain(() => onRefused('overloaded'));
  /** What bounds a request; undefined where nothing does, or there is room for sure. */
  const admissionOf = ({ method, url = '' }: IncomingMessage): Admission | undefined => {
    const admission = method === 'POST' ? searches : writes;
    return admission.hasRoom || !(method === 'POST' ? SEARCH : WRITE).test(url) ? undefined : admission;
  };
  server.removeAllListeners('request');
  server.on('request', ((request, response) => {
    sameAgain.heard(request, response);
    const admission = admissionOf(request);
    if (admission === undefined) return handle.call(server, request, response);
    const patienceMs = Number(request.headers[DEADLINE_HEADER] ?? Number.POSITIVE_INFINITY);
    const isRefused = () => admission.isFull(clock(), patienceMs);
    if (!isRefused()) return handle.call(server, request, response);
    const answer = refuse(OVERLOADED, headersOf(request, corsOrigins), request, response);
    onRefused('overloaded');
    if (answer !== undefined) sameAgain.refused(request, response, { answer, isRefused });
  }) satisfies Listener);
  // Else Node tells every client that asks to send its body, also one that is refused
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
}

/** A `preParsing` hook, behind all that refuse before a body is there: who has asked whether to send one is told to. */
export function inviteBody(
  { raw }: FastifyRequest,
  reply: FastifyReply,
  _payload: unknown,
  done: HookHandlerDoneFunction,
): void {
  if (raw.headers.expect !== undefined) reply.raw.writeContinue();
  done();
}

/** What Fastify's hooks would add. */
function headersOf({ headers }: IncomingMessage, corsOrigins: ReadonlySet<string>): OwnHeaders {
  const id = givenRequestId(headers);
  const { origin } = headers;
  return {
    'retry-after': '1',
    ...(id !== undefined && { 'x-request-id': id }),
    ...(corsOrigins.size > 0 && { vary: 'origin' }),
    ...(origin !== undefined && corsOrigins.has(origin) && headersFor(origin)),
  };
}

/** What stands for whoever asks without a key. */
export const networkOfOrigin = ({ raw }: FastifyRequest): string => networkOf(raw.socket.remoteAddress ?? '');

/** An `onRequest` hook that holds each key to its rate, or each address where there are no keys. */
export function rateHook(rates: RateLimiter) {
  return (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    const { principal, watch } = request;
    const isKnown = principal !== null && principal.kind !== 'anyone';
    const key = isKnown ? `${principal.kind} ${principal.id}` : networkOfOrigin(request);
    const waitMs = rates.take(key, watch.startedAtMs);
    if (waitMs === 0) done();
    else refuseForNow(RATE_LIMITED, waitMs, request, reply);
  };
}

/** Answers a request in a hook by a refusal of code rate_limited, which passes after so many milliseconds. */
export function refuseForNow(
  refusal: Refusal,
  waitMs: number,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  reply.hijack();
  const own = reply.header('retry-after', String(Math.ceil(waitMs / 1000))).getHeaders();
  refuse(refusal, own as OwnHeaders, request.raw, reply.raw);
  request.watch.refusedEarly(request, reply, refusal.status, 'rate_limited');
}
