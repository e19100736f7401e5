/** The routes that change an index: its pins, its generations, and the index itself. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { ErrorCode } from '../../lib/errors.ts';
import type { DeleteRequest, UpsertRequest } from '../../retrieval/contract.ts';
import { describeIndex } from '../../retrieval/describe.ts';
import type { Clock } from '../../retrieval/open-index.ts';
import { runDelete, runUpsert, writable } from '../../retrieval/write.ts';
import { documented, INDEX_PARAMS, sendAnswer } from '../api.ts';
import { maySee } from '../auth/principal.ts';
import { adminOf, type Catalog, openIndex } from '../catalog.ts';
import type { Admission } from '../overload/admission.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

const ALIAS_PARAMS = Type.Object({ alias: Type.String({ description: 'Name of the alias.' }) });
/** Of every write, and of every change of what there is. */
const WRITING: readonly ErrorCode[] = ['not_supported', 'read_only_engine', 'index_locked', 'disk_full'];
const MANAGING: readonly ErrorCode[] = ['not_supported', 'disk_full', 'io_error'];

interface OfIndex {
  Params: { index: string };
}

export function pinRoutes(
  app: FastifyInstance,
  catalog: Catalog,
  clock: Clock,
  admission: Admission,
  telemetry: Telemetry,
): void {
  app.put<OfIndex & { Body: UpsertRequest }>(
    '/v1/indexes/:index/pins',
    {
      config: { scope: 'write' },
      schema: documented({
        id: 'upsertPins',
        tags: ['writing'],
        summary: 'Write pins',
        description:
          'All or none. Answered when they are on the disk and can be found. Refused with too_many_writes and ' +
          'Retry-After when more wait than are taken, with disk_full or shard_full when there is no room.',
        body: 'UpsertRequest',
        answer: 'UpsertAnswer',
        errors: [
          ...WRITING,
          'bad_pin',
          'bad_pin_id',
          'bad_vector',
          'zero_vector',
          'bad_attribute',
          'duplicate_pin',
          'unknown_pin',
          'write_conflict',
          'model_mismatch',
          'no_model',
          'model_unavailable',
          'too_many_writes',
          'shard_full',
          'overloaded',
        ],
        params: INDEX_PARAMS,
      }),
    },
    async (request, reply) => {
      const index = openIndex(catalog, request.params.index);
      const answer = await admission.during(clock, () => runUpsert(index, request.body));
      telemetry.meterOf(index.name).upsertedPins += answer.upserted;
      return sendAnswer(request, reply, answer);
    },
  );

  app.delete<OfIndex & { Body: DeleteRequest }>(
    '/v1/indexes/:index/pins',
    {
      config: { scope: 'write' },
      schema: documented({
        id: 'deletePins',
        tags: ['writing'],
        summary: 'Delete pins',
        description: 'All or none. Answered when it is on the disk and none of them can be found.',
        body: 'DeleteRequest',
        answer: 'DeleteAnswer',
        errors: [...WRITING, 'bad_pin', 'bad_pin_id', 'duplicate_pin', 'write_conflict', 'too_many_writes'],
        params: INDEX_PARAMS,
      }),
    },
    async (request, reply) => {
      const index = openIndex(catalog, request.params.index);
      const answer = await admission.during(clock, () => runDelete(index, request.body));
      telemetry.meterOf(index.name).deletedPins += answer.deleted;
      return sendAnswer(request, reply, answer);
    },
  );
}

export function generationRoutes(app: FastifyInstance, catalog: Catalog): void {
  app.post<OfIndex>(
    '/v1/indexes/:index/checkpoint',
    {
      config: { scope: 'admin' },
      schema: documented({
        id: 'checkpoint',
        tags: ['generations'],
        summary: 'Write a generation that holds every update so far',
        body: 'CheckpointRequest',
        isBodyOptional: true,
        answer: 'GenerationDescription',
        errors: [...WRITING, 'shard_full'],
        params: INDEX_PARAMS,
      }),
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async (request, reply) =>
      sendAnswer(request, reply, await writable(openIndex(catalog, request.params.index)).checkpoint()),
  );

  app.get<OfIndex>(
    '/v1/indexes/:index/generations',
    {
      config: { scope: 'admin' },
      schema: documented({
        id: 'listGenerations',
        tags: ['generations'],
        summary: 'All generations, oldest first',
        answer: 'GenerationList',
        errors: [...WRITING],
        params: INDEX_PARAMS,
      }),
    },
    async (request, reply) => {
      const generations = await writable(openIndex(catalog, request.params.index)).generations();
      return sendAnswer(request, reply, { generations });
    },
  );

  app.put<OfIndex & { Body: { generation: string } }>(
    '/v1/indexes/:index/generation',
    {
      config: { scope: 'admin' },
      schema: documented({
        id: 'publishGeneration',
        tags: ['generations'],
        summary: 'Publish a generation, or roll back to one',
        description:
          'It is loaded, brought up to date with the updates after its seq, and takes over at once; requests under ' +
          'way end on the one before.',
        body: 'PublishRequest',
        answer: 'GenerationDescription',
        errors: [...WRITING, 'unknown_generation', 'log_trimmed', 'model_unavailable', 'shard_full'],
        params: INDEX_PARAMS,
      }),
    },
    async (request, reply) => {
      const live = writable(openIndex(catalog, request.params.index));
      return sendAnswer(request, reply, await live.publish(request.body.generation));
    },
  );

  app.put<OfIndex>(
    '/v1/indexes/:index',
    {
      config: { scope: 'admin' },
      schema: documented({
        id: 'createIndex',
        tags: ['indexes'],
        summary: 'Make an empty index',
        description: 'An index that has this config already is left as it is.',
        body: 'CreateRequest',
        answer: 'IndexDescription',
        errors: [...MANAGING, 'bad_config', 'index_exists', 'model_mismatch'],
        params: INDEX_PARAMS,
      }),
    },
    async (request, reply) =>
      sendAnswer(
        request,
        reply,
        describeIndex(await adminOf(catalog).create(request.params.index, request.body)),
      ),
  );

  app.delete<OfIndex>(
    '/v1/indexes/:index',
    {
      config: { scope: 'admin' },
      schema: documented({
        id: 'removeIndex',
        tags: ['indexes'],
        summary: 'Remove an index with all its files',
        description: 'Refused while an alias stands for it.',
        answer: 'Removed',
        errors: [...MANAGING],
        params: INDEX_PARAMS,
      }),
    },
    async (request, reply) => {
      const { index } = request.params;
      await adminOf(catalog).remove(index);
      return sendAnswer(request, reply, { removed: index });
    },
  );
}

/** The routes of aliases: a name that stands for an index, and for another one from one request to the next. */
export function aliasRoutes(app: FastifyInstance, catalog: Catalog): void {
  app.get(
    '/v1/aliases',
    {
      config: { scope: 'read' },
      schema: documented({
        id: 'listAliases',
        tags: ['indexes'],
        summary: 'All aliases of indexes that the key may use',
        answer: 'AliasList',
        errors: ['not_supported'],
      }),
    },
    async (request, reply) => {
      const aliases = [...adminOf(catalog).aliases()]
        .filter(([alias]) => maySee(catalog, request.principal, alias))
        .map(([alias, index]) => ({ alias, index }));
      return sendAnswer(request, reply, { aliases });
    },
  );

  app.put<{ Params: { alias: string }; Body: { index: string } }>(
    '/v1/aliases/:alias',
    {
      config: { scope: 'admin' },
      schema: documented({
        id: 'setAlias',
        tags: ['indexes'],
        summary: 'Let an alias stand for an index',
        body: 'AliasRequest',
        answer: 'Alias',
        errors: [...MANAGING, 'unknown_index', 'index_exists'],
        params: ALIAS_PARAMS,
      }),
    },
    async (request, reply) => {
      const { alias } = request.params;
      const { index } = request.body;
      await adminOf(catalog).setAlias(alias, index);
      return sendAnswer(request, reply, { alias, index });
    },
  );

  app.delete<{ Params: { alias: string } }>(
    '/v1/aliases/:alias',
    {
      config: { scope: 'admin' },
      schema: documented({
        id: 'removeAlias',
        tags: ['indexes'],
        summary: 'Remove an alias',
        answer: 'Removed',
        errors: [...MANAGING, 'unknown_alias'],
        params: ALIAS_PARAMS,
      }),
    },
    async (request, reply) => {
      const { alias } = request.params;
      await adminOf(catalog).removeAlias(alias);
      return sendAnswer(request, reply, { removed: alias });
    },
  );
}
