/** OpenAPI 3.1 at /openapi.json, made from the schemas that the routes are checked by. */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { SCHEMAS } from './schemas.ts';

/** Version of the HTTP contract, not of the package. */
const API_VERSION = '1.0.0';

/** To be called before the routes are registered. */
export function documentRoutes(app: FastifyInstance): void {
  for (const [$id, schema] of Object.entries(SCHEMAS)) app.addSchema({ ...schema, $id });
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'nearpin',
        version: API_VERSION,
        description: 'Nearest-pin retrieval: related pins, search by text and by vector.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'retrieval', description: 'Finding pins' },
        { name: 'writing', description: 'Changing pins' },
        { name: 'generations', description: 'Checkpoints, publishing, rolling back' },
        { name: 'indexes', description: 'What there is' },
        { name: 'health', description: 'For those who run it' },
      ],
    },
    refResolver: { buildLocalReference: (json) => String(json.$id) },
  });
}

export function openapiRoute(app: FastifyInstance): void {
  let document: string | undefined;
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    document ??= JSON.stringify(app.swagger());
    return reply.header('content-type', 'application/json; charset=utf-8').send(document);
  });
}
