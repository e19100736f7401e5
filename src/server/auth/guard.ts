/**
 * Who may do what, decided for every request in one hook before a byte of its body is read: on which listener its route
 * is, who asks, whether that scope and that index are granted. What is refused here has cost no more than its headers.
 *
 * Of those who are not known, each network is told so a few times a second; then it is told to wait, in bytes that lie
 * ready, and the audit log counts it. Signatures of tokens are not looked at meanwhile: they are what would cost. Keys
 * are, at a microsecond each, so that whoever has one is let in from the same network, as behind a proxy.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler, RouteOptions } from 'fastify';
import { NearpinError } from '../../lib/errors.ts';
import type { Catalog } from '../catalog.ts';
import { isOnListener } from '../listeners.ts';
import { networkOfOrigin, refuseForNow } from '../overload/door.ts';
import { RateLimiter } from '../overload/rate-limiter.ts';
import { hasMuchBody, refusalOf } from '../overload/refusal.ts';
import { sendProblem } from '../problems.ts';
import type { AuditLog, AuditRecord } from './audit.ts';
import type { Authenticator } from './authenticate.ts';
import {
  ANYONE,
  checkIndex,
  isOfOperation,
  type Principal,
  type RouteScope,
  type Scope,
} from './principal.ts';
import type { Check } from './tokens.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route asks of who asks. One of operation without an index in its path asks for all of them. */
    scope?: RouteScope;
  }
  interface FastifyRequest {
    /** Who asks; null on routes that are open. */
    principal: Principal | null;
  }
}

export interface GuardOptions {
  readonly catalog: Catalog;
  /** Without it everybody may do everything. */
  readonly auth?: Authenticator | undefined;
  readonly audit?: AuditLog | undefined;
  /** Epoch ms. */
  readonly clock: () => number;
  /** Whether there is a listener of its own for administration. */
  readonly hasAdminListener: boolean;
}

/** Requests of a network that are told that they are not known; more is no slip of a client. */
export const STRANGERS_PER_SECOND = 20;

const TOO_MANY_STRANGERS = refusalOf(
  new NearpinError('rate_limited', 'Too many requests without a right key came from there'),
);

export function guard(app: FastifyInstance, options: GuardOptions): void {
  const { catalog, auth, audit, clock, hasAdminListener } = options;
  app.decorateRequest('principal', null);
  demandScopes(app);
  if (audit) recordCalls(app, options, audit);

  const refuse = (
    request: FastifyRequest,
    reply: FastifyReply,
    error: unknown,
    principal: Principal | null = null,
  ) => {
    const { code, status } = error as NearpinError;
    if (status === 401 || status === 403) {
      reply.header('www-authenticate', challenge(request, status));
      audit?.refused({ ...describe(request, principal, options), kind: 'refused', status, code });
    }
    // Whoever is refused may not keep the connection busy with what nobody will read
    if (hasMuchBody(request)) reply.header('connection', 'close');
    sendProblem(request, reply, error);
  };

  const strangers = new RateLimiter(STRANGERS_PER_SECOND);
  const refuseForAWhile = (request: FastifyRequest, reply: FastifyReply, waitMs: number) => {
    audit?.omit();
    refuseForNow(TOO_MANY_STRANGERS, waitMs, request, reply);
  };
  const refuseStranger = (request: FastifyRequest, reply: FastifyReply, error: unknown) => {
    const isKnownToBeWrong = (error as NearpinError).code === 'unauthorized';
    const waitMs = isKnownToBeWrong ? strangers.take(networkOfOrigin(request), clock()) : 0;
    if (waitMs > 0) refuseForAWhile(request, reply, waitMs);
    else refuse(request, reply, error);
  };

  const admit = (
    request: FastifyRequest,
    reply: FastifyReply,
    done: () => void,
    scope: RouteScope | undefined,
    principal: Principal,
  ) => {
    try {
      // Of a path that is no route there is nothing to grant
      if (scope !== undefined) checkGrant(catalog, principal, scope, request);
      if (audit !== undefined && isAudited(scope, request.method) && !audit.isReady)
        throw new NearpinError('audit_unavailable', 'Changes cannot be recorded just now');
    } catch (error) {
      refuse(request, reply, error, principal);
      return;
    }
    request.principal = principal;
    done();
  };

  app.addHook('onRequest', (request, reply, done) => {
    const { scope } = request.routeOptions.config;
    if (hasAdminListener && !isOnListener(request.raw, scope)) {
      refuse(request, reply, new NearpinError('unknown_route', 'The route is on the admin listener'));
      return;
    }
    if (scope === 'open') {
      done();
      return;
    }
    let found: Principal | Check;
    try {
      found = auth === undefined ? ANYONE : auth.authenticate(request.headers.authorization);
    } catch (error) {
      refuseStranger(request, reply, error);
      return;
    }
    if (typeof found !== 'function') {
      admit(request, reply, done, scope, found);
      return;
    }
    const waitMs = strangers.waitMs(networkOfOrigin(request), clock());
    if (waitMs > 0) refuseForAWhile(request, reply, waitMs);
    else
      found().then(
        (principal) => admit(request, reply, done, scope, principal),
        (error) => refuseStranger(request, reply, error),
      );
  });
}

/** A route without a scope is a mistake of whoever wrote it, and fails the start. */
function demandScopes(app: FastifyInstance): void {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => {
    routes.push(route);
  });
  app.addHook('onReady', async () => {
    const lacking = routes.find(({ config }) => config?.scope === undefined);
    if (lacking) throw new Error(`the route ${lacking.method} ${lacking.url} has no scope`);
  });
}

/** Throws forbidden. */
function checkGrant(
  catalog: Catalog,
  principal: Principal,
  scope: RouteScope,
  { params }: FastifyRequest,
): void {
  if (!principal.scopes.has(scope as Scope))
    throw new NearpinError('forbidden', `The scope ${scope} is not granted`);
  const { index } = params as { index?: string };
  if (index !== undefined) checkIndex(catalog, principal, index);
  else if (isOfOperation(scope) && principal.indexes !== '*')
    throw new NearpinError('forbidden', 'This concerns all indexes, and some are not granted');
}

/** What tells a client how to be let in (RFC 6750, section 3). */
function challenge({ headers, routeOptions }: FastifyRequest, status: 401 | 403): string {
  const realm = 'Bearer realm="nearpin"';
  if (status === 403) return `${realm}, error="insufficient_scope", scope="${routeOptions.config.scope}"`;
  return headers.authorization === undefined ? realm : `${realm}, error="invalid_token"`;
}

/** Whether it changes something. */
const isAudited = (scope: RouteScope | undefined, method: string): boolean =>
  (scope === 'write' || scope === 'admin') && method !== 'GET' && method !== 'HEAD';

/** Lets the answers of routes that change something wait for their records. */
function recordCalls(app: FastifyInstance, options: GuardOptions, audit: AuditLog): void {
  app.addHook('onRoute', (route) => {
    if ([route.method].flat().every((method) => !isAudited(route.config?.scope, method))) return;
    const record: onSendHookHandler = (request, reply, payload, done) => {
      const { principal } = request;
      // What was not let in has its record
      if (principal === null) return done(null, payload);
      const { statusCode: status } = reply;
      void audit
        .record({ ...describe(request, principal, options), kind: 'call', status })
        .then(() => done(null, payload));
    };
    route.onSend = [...[route.onSend ?? []].flat(), record];
  });
}

/** What is recorded of a request; of its body, which may be unread, no more than what it is about. */
function describe(request: FastifyRequest, principal: Principal | null, { catalog, clock }: GuardOptions) {
  const { params, body, routeOptions } = request;
  const { index: named, alias } = params as { index?: string; alias?: string };
  const { pins, ids, index: target, generation } = Object(body) as Record<string, unknown>;
  const index = named ?? target;
  const list = [pins, ids].find(Array.isArray);
  return {
    at: Math.round(clock()),
    requestId: request.id,
    by: principal?.kind ?? null,
    who: principal?.id ?? null,
    from: request.ip,
    method: request.method,
    route: routeOptions.config.url ?? null,
    ...(typeof index === 'string' && { index: catalog.get(index)?.name ?? index }),
    ...(alias !== undefined && { alias }),
    ...(typeof generation === 'string' && { generation }),
    ...(list && { pins: list.length }),
  } satisfies Omit<AuditRecord, 'kind' | 'status'>;
}
