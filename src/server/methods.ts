/** Methods that a known path does not take: 405 with Allow, and OPTIONS answered with what it takes. */
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { NearpinError } from '../lib/errors.ts';
import { sendProblem } from './problems.ts';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Notes the methods of every route registered from here on; the map fills while plugins load. */
export function watchMethods(app: FastifyInstance): ReadonlyMap<string, Set<string>> {
  const taken = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = taken.get(url) ?? new Set(['OPTIONS']);
    for (const one of [method].flat()) methods.add(one);
    taken.set(url, methods);
  });
  return taken;
}

/** Registers the rest of the methods of every noted path; to be called when all routes are there. */
export function answerOtherMethods(app: FastifyInstance, taken: ReadonlyMap<string, Set<string>>): void {
  for (const [url, methods] of [...taken]) {
    const allow = METHODS.filter((method) => methods.has(method)).join(', ');
    const schema = { hide: true };
    app.options(url, { schema }, (_request, reply) => reply.code(204).header('allow', allow).send());
    app.route({
      url,
      method: METHODS.filter((method) => !methods.has(method)),
      exposeHeadRoute: false,
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
