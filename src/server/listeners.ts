/**
 * Where the server listens: for the API, and where that is asked for at an address of its own for administration, so that
 * a network can let one be reached and not the other. Both have one app behind them. What is of operation is answered by
 * the admin listener alone; that one answers everything else too, so that whoever administers needs one address.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, isIPv6 } from 'node:net';
import { type SecureContextOptions, Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { isOfOperation, type RouteScope } from './auth/principal.ts';
import { refuseSocket } from './problems.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** For administration; absent where the API's listener does for both. */
    readonly adminServer?: Server;
  }
}

export interface Address {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** Of a listener at this address. */
export const urlOf = (scheme: 'http' | 'https', { host, port }: Address): string =>
  `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`;

/** Marks a request that came in by the admin listener. */
const CAME_BY_ADMIN = Symbol('came in by the admin listener');

/** Whether a route of this scope is answered on the listener by which the request came. */
export const isOnListener = (request: IncomingMessage, scope: RouteScope | undefined): boolean =>
  !isOfOperation(scope) || CAME_BY_ADMIN in request;

/** Gives the app a second server, for administration, which speaks https as the first one does; it does not listen yet. */
export function addAdminServer(app: FastifyInstance, tls: SecureContextOptions | undefined): Server {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    app.routing(Object.assign(request, { [CAME_BY_ADMIN]: true }), response);
  };
  const server: Server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  server.keepAliveTimeout = app.server.keepAliveTimeout;
  server.requestTimeout = app.server.requestTimeout;
  server.on('clientError', refuseSocket);
  // As guardDoor does: a hook tells clients to send their bodies
  server.on('checkContinue', answer);
  app.decorate('adminServer', server);
  return server;
}

/**
 * Connections that wait to be accepted, of which the system may allow fewer. Node's 511 are fewer than open at once when
 * clients start anew, and whoever is dropped tries again after a second: a probe, too.
 */
const BACKLOG = 4096;

/** Listens; rejects as listen(2). `app.close` ends both. */
export async function listen(
  app: FastifyInstance,
  { host, port }: Address,
  admin?: Address,
): Promise<{ url: string; adminUrl?: string }> {
  await app.ready();
  const server = app.adminServer;
  if (admin === undefined || server === undefined)
    return { url: await app.listen({ host, port, backlog: BACKLOG }) };
  server.listen(admin.port, admin.host, BACKLOG);
  await once(server, 'listening');
  const { port: taken } = server.address() as AddressInfo;
  const scheme = server instanceof TlsServer ? 'https' : 'http';
  const adminUrl = urlOf(scheme, { host: admin.host, port: taken });
  return { url: await app.listen({ host, port, backlog: BACKLOG }), adminUrl };
}
