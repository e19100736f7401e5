/**
 * Which web pages may ask: none but this server's own, unless their origins are listed. Without a list nothing is
 * registered and no request pays for it. With one, a preflight is answered before a key is asked for, as the standard
 * (fetch.spec.whatwg.org) wants it, in the same words for every path: it tells nothing of what there is.
 */
import type { FastifyInstance } from 'fastify';
import { addVary } from './compress.ts';

const METHODS = 'GET, POST, PUT, DELETE';
const REQUEST_HEADERS = 'authorization, content-type, accept, x-request-id, if-none-match, traceparent';
const ANSWER_HEADERS = 'x-request-id, retry-after, server-timing, etag';
/** How long a browser may remember what a preflight said. */
const MAX_AGE_S = 600;

/** What lets a page of this origin read an answer. */
export const headersFor = (origin: string): Readonly<Record<string, string>> => ({
  'access-control-allow-origin': origin,
  'access-control-expose-headers': ANSWER_HEADERS,
});

/** Lets pages of these origins (`https://example.org`, no path) read answers; to be called before any other hook. */
export function allowOrigins(app: FastifyInstance, known: ReadonlySet<string>): void {
  if (known.size === 0) return;
  app.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-method': asked } = request.headers;
    addVary(reply, 'origin');
    const isKnown = origin !== undefined && known.has(origin);
    if (isKnown) reply.headers(headersFor(origin));
    if (request.method !== 'OPTIONS' || asked === undefined) return done();
    if (isKnown)
      reply
        .header('access-control-allow-methods', METHODS)
        .header('access-control-allow-headers', REQUEST_HEADERS)
        .header('access-control-max-age', MAX_AGE_S);
    reply.code(204).send();
  });
}
