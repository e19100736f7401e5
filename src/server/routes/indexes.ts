/** The routes that show what there is: indexes and single pins. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { describeIndex, describeSurfaces } from '../../retrieval/describe.ts';
import { readPin } from '../../retrieval/pins.ts';
import { documented, INDEX_PARAMS, sendAnswer } from '../api.ts';
import { maySee } from '../auth/principal.ts';
import { type Catalog, describeEntry, openIndex } from '../catalog.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

const PART = '(payload|attributes|vector)';

export function indexRoutes(app: FastifyInstance, catalog: Catalog, telemetry: Telemetry): void {
  app.get(
    '/v1/indexes',
    {
      config: { scope: 'read' },
      schema: documented({
        id: 'listIndexes',
        tags: ['indexes'],
        summary: 'All indexes that the key may use, with those that failed to load',
        answer: 'IndexList',
      }),
    },
    async (request, reply) => {
      const seen = catalog.list().filter(({ name }) => maySee(catalog, request.principal, name));
      return sendAnswer(request, reply, { indexes: seen.map(describeEntry) });
    },
  );

  app.get<{ Params: { index: string } }>(
    '/v1/indexes/:index',
    {
      config: { scope: 'read' },
      schema: documented({
        id: 'describeIndex',
        tags: ['indexes'],
        summary: 'One index',
        description: 'Its config, size and generation, and how writing stands.',
        answer: 'IndexDescription',
        params: INDEX_PARAMS,
      }),
    },
    async (request, reply) => {
      const served = openIndex(catalog, request.params.index);
      const recall = telemetry.recall?.of(served.name) ?? [];
      const description = describeIndex(served);
      return sendAnswer(request, reply, recall.length > 0 ? { ...description, recall } : description);
    },
  );

  app.get<{ Params: { index: string } }>(
    '/v1/indexes/:index/surfaces',
    {
      config: { scope: 'read' },
      schema: documented({
        id: 'listSurfaces',
        tags: ['indexes'],
        summary: 'The surfaces of an index, as they are in force',
        description:
          'What Related Pins, Search, Homefeed and Notifications are made of; requests may change it for themselves.',
        answer: 'SurfaceList',
        params: INDEX_PARAMS,
      }),
    },
    async (request, reply) =>
      sendAnswer(request, reply, describeSurfaces(openIndex(catalog, request.params.index).current())),
  );

  app.get<{ Params: { index: string; id: string }; Querystring: { include?: string } }>(
    '/v1/indexes/:index/pins/:id',
    {
      config: { scope: 'read' },
      schema: documented({
        id: 'getPin',
        tags: ['indexes'],
        summary: 'One pin, with its attributes and payload',
        answer: 'Pin',
        errors: ['unknown_pin', 'bad_pin_id'],
        params: Type.Object({
          ...INDEX_PARAMS.properties,
          id: Type.String({ description: 'Id of the pin, percent-encoded.' }),
        }),
        querystring: Type.Object(
          {
            include: Type.Optional(
              Type.String({
                pattern: `^${PART}(,${PART})*$`,
                description: 'Names parts, separated by commas; `vector` is shown only when named.',
              }),
            ),
          },
          { additionalProperties: false },
        ),
      }),
    },
    async (request, reply) => {
      const vector = request.query.include?.split(',').includes('vector') === true;
      const served = openIndex(catalog, request.params.index);
      const parts = { payload: true, attributes: true, vector };
      const pin = await served.use((index) => readPin(index, request.params.id, parts));
      return sendAnswer(request, reply, pin);
    },
  );
}
