/** Whether the process turns, and whether it should get traffic. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { NearpinError } from '../../lib/errors.ts';
import { documented, sendAnswer } from '../api.ts';
import { type Catalog, describeEntry } from '../catalog.ts';

/** A probe is answered whatever it adds to the path or accepts: its question is another. */
const ANYTHING = Type.Object({});

/** @param namesIndexes whether everybody may know what indexes there are: probes have no key */
export function healthRoutes(
  app: FastifyInstance,
  catalog: Catalog,
  isDraining: () => boolean,
  namesIndexes: boolean,
): void {
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
    async (request, reply) => {
      const entries = catalog.list();
      if (isDraining()) throw new NearpinError('not_ready', 'The server is draining');
      const waiting = entries.filter(({ status }) => status === 'loading');
      const ready = entries.filter(({ status }) => status === 'ready');
      if (waiting.length > 0 || (ready.length === 0 && entries.length > 0))
        throw new NearpinError(
          'not_ready',
          waiting.length > 0 ? 'Indexes are still loading' : 'No index could be loaded',
          entries
            .filter(() => namesIndexes)
            .flatMap((entry) => {
              const shown = describeEntry(entry);
              return shown.status === 'ready'
                ? []
                : [{ path: `indexes.${shown.name}`, message: `${shown.status}: ${shown.problem.detail}` }];
            }),
        );
      return sendAnswer(request, reply, {
        status: 'ready',
        ready: namesIndexes ? ready.map(({ name }) => name) : [],
        failed: namesIndexes ? entries.filter(({ status }) => status === 'failed').map(describeEntry) : [],
      });
    },
  );
}
