/** Methods that a known path does not take: 405 with Allow, and OPTIONS answered with what it takes. */
import type { FastifyInstance, HTTPMethods, onRequestHookHandler } from 'fastify';
import { NearpinError } from '../lib/errors.ts';
import { isOfOperation, type RouteScope } from './auth/principal.ts';
import { sendProblem } from './problems.ts';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** What a path takes, and what its routes ask for. */
interface Taken {
  readonly methods: Set<string>;
  readonly scopes: Set<RouteScope | undefined>;
}

/** Notes the methods of every route registered from here on; the map fills while plugins load. */
export function watchMethods(app: FastifyInstance): ReadonlyMap<string, Taken> {
  const taken = new Map<string, Taken>();
  app.addHook('onRoute', ({ url, method, config }) => {
    const path: Taken = taken.get(url) ?? { methods: new Set(['OPTIONS']), scopes: new Set() };
    for (const one of [method].flat()) path.methods.add(one);
    path.scopes.add(config?.scope);
    taken.set(url, path);
  });
  return taken;
}

/** Registers the rest of the methods of every noted path; to be called when all routes are there. */
export function answerOtherMethods(app: FastifyInstance, taken: ReadonlyMap<string, Taken>): void {
  for (const [url, { methods, scopes }] of [...taken]) {
    const allow = METHODS.filter((method) => methods.has(method)).join(', ');
    const schema = { hide: true };
    // What a path takes is no secret, unless only those who run the server may know of it
    const [only = 'open'] = scopes;
    const config: { scope: RouteScope } = {
      scope: scopes.size === 1 && isOfOperation(only) ? only : 'open',
    };
    const onRequest: onRequestHookHandler = (_request, reply) =>
      void reply.code(204).header('allow', allow).send();
    app.options(url, { config, schema, onRequest }, () => undefined);
    app.route({
      url,
      method: METHODS.filter((method) => !methods.has(method)),
      exposeHeadRoute: false,
      config,
      schema,
      // Before the body is looked at: its media type does not matter here.
      onRequest: async (request, reply) => {
        const refusal = new NearpinError('method_not_allowed', `${request.url} takes ${allow}`);
        return sendProblem(request, reply.header('allow', allow), refusal);
      },
      handler: () => undefined,
    });
  }
}
