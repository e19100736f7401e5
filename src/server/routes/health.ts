/** Whether the process turns, and whether it should get traffic. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { documented, sendAnswer } from '../api.ts';

/** A probe is answered whatever it adds to the path or accepts: its question is another. */
const ANYTHING = Type.Object({});

/** @param readiness what `/readyz` answers; throws where the server is not ready */
export function healthRoutes(app: FastifyInstance, readiness: () => object): void {
  app.get(
    '/livez',
    {
      config: { scope: 'open' },
      schema: documented({
        id: 'liveness',
        tags: ['health'],
        summary: 'Answers while the event loop turns',
        answer: 'Liveness',
        querystring: ANYTHING,
      }),
    },
    async (request, reply) => sendAnswer(request, reply, { status: 'live' }),
  );

  app.get(
    '/readyz',
    {
      config: { scope: 'open' },
      schema: documented({
        id: 'readiness',
        tags: ['health'],
        summary: 'Whether to send traffic here',
        description:
          'Refused with not_ready while indexes load, when none that is known could be loaded, and while ' +
          'the server drains. An index that failed beside others that serve is listed, and does not count. ' +
          'Where keys are asked for, no index is named.',
        answer: 'Readiness',
        errors: ['not_ready'],
        querystring: ANYTHING,
      }),
    },
    async (request, reply) => sendAnswer(request, reply, readiness()),
  );
}
