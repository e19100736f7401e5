/** The routes that find pins: query, related, search, batch, and recall, which measures how well they do. */
import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '../../lib/errors.ts';
import { runBatch } from '../../retrieval/batch.ts';
import type { BatchRequest, RecallRequest } from '../../retrieval/contract.ts';
import { askedBy, type Clock, type OpenIndex } from '../../retrieval/open-index.ts';
import { measureRecall } from '../../retrieval/recall.ts';
import type { Aftermath } from '../aftermath.ts';
import { documented, INDEX_PARAMS, sendAnswer } from '../api.ts';
import { type Catalog, openIndex } from '../catalog.ts';
import type { Admission } from '../overload/admission.ts';
import { callerOf } from '../overload/caller.ts';
import { QUESTIONS, type QuestionName } from '../questions.ts';
import type { SchemaName } from '../schemas.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type Check, compileCheck } from '../validate.ts';

interface Retrieval {
  /** Of the route, and its operationId. */
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly errors: readonly ErrorCode[];
  readonly body: SchemaName;
  readonly answer: SchemaName;
  readonly run: (index: OpenIndex, body: never, onFault: (error: unknown) => void) => Promise<object>;
}

/** Of all that search; of surfaces, whose sources may need a model; of those that start from pins. */
const SEARCHING: readonly ErrorCode[] = [
  'bad_vector',
  'zero_vector',
  'bad_pin_id',
  'bad_filter',
  'deadline_exceeded',
];
const SURFACE: readonly ErrorCode[] = [
  ...SEARCHING,
  'unknown_pin',
  'no_model',
  'model_mismatch',
  'model_unavailable',
  'not_supported',
];

export function retrievalRoutes(
  app: FastifyInstance,
  catalog: Catalog,
  clock: Clock,
  admission: Admission,
  aftermath: Aftermath,
  telemetry: Telemetry,
): void {
  const check = batchItemCheck();
  const ask = (path: QuestionName) => {
    const { body, run } = QUESTIONS[path];
    return { path, body, run: (index: OpenIndex, request: never) => run(index, request, clock) };
  };
  const operations: readonly Retrieval[] = [
    {
      ...ask('query'),
      summary: 'Pins nearest to a vector, or to several',
      description:
        'The hits are as near as the width `ef` of the search finds; `exact` compares with every pin. Filters are part of the search: it returns k hits wherever k pins match.',
      errors: [...SEARCHING, 'model_mismatch'],
      answer: 'QueryAnswer',
    },
    {
      ...ask('related'),
      summary: 'Pins nearest to other pins',
      description:
        'Seeds with weights, and pins to move away from. None of them is a hit, nor a copy of one.',
      errors: SURFACE,
      answer: 'RetrievalAnswer',
    },
    {
      ...ask('search'),
      summary: 'Pins that fit a text',
      description: 'By the vector of the text, by its words (BM25, with misspelt words), or by both.',
      errors: SURFACE,
      answer: 'RetrievalAnswer',
    },
    {
      ...ask('homefeed'),
      summary: 'Pins for a person, by what they saved',
      description: 'Interests are found in the history and asked for one by one; what was seen is left out.',
      errors: SURFACE,
      answer: 'HomefeedAnswer',
    },
    {
      ...ask('notifications'),
      summary: 'The best fresh and unseen pins for each of many persons',
      description:
        'As Homefeed for many at once, without those that are old. What is wrong with one user is told in their place.',
      errors: SURFACE,
      answer: 'NotificationsAnswer',
    },
    {
      path: 'batch',
      summary: 'Several requests, answered in order',
      description: 'All are asked at once. Each answer is a success or a problem of its own.',
      errors: [],
      body: 'BatchRequest',
      answer: 'BatchAnswer',
      run: (index, body: BatchRequest, onFault) => runBatch(index, body, clock, { check, onFault }),
    },
    {
      path: 'recall',
      summary: 'Recall measured now against exact search',
      description: 'Stored pins are the queries. One measurement of an index at a time; its work is bounded.',
      errors: ['too_many_measurements', 'deadline_exceeded'],
      body: 'RecallRequest',
      answer: 'RecallAnswer',
      run: (index, body: RecallRequest) => measureRecall(index, body),
    },
  ];
  for (const { path, run, ...operation } of operations)
    app.post<{ Params: { index: string } }>(
      `/v1/indexes/:index/${path}`,
      {
        config: { scope: 'read' },
        schema: documented({ id: path, tags: ['retrieval'], ...operation, params: INDEX_PARAMS }),
      },
      async (request, reply) => {
        const { watch } = request;
        const onFault = (error: unknown) => watch.fault(request.id, error);
        const served = openIndex(catalog, request.params.index);
        admission.began(clock());
        watch.index = telemetry.meterOf(served.name);
        aftermath.began();
        try {
          let index: OpenIndex | undefined;
          const answer = await served.use((open) => {
            index = askedBy(callerOf(request, reply), watch, open);
            return run(index, request.body as never, onFault);
          });
          if (index?.mixer)
            aftermath.follow({
              requestId: request.id,
              surface: path,
              index,
              request: request.body as object,
              answer,
              run: (other, asked) => run(other, asked as never, onFault),
              afterwards: (then) => reply.raw.once('finish', then),
            });
          return sendAnswer(request, reply, answer);
        } finally {
          admission.ended(clock());
          aftermath.ended();
        }
      },
    );
}

/** Checks an item of a batch by the schema of its op; an op that is unknown is left to the batch. */
function batchItemCheck(): Check {
  const checks: Readonly<Record<string, Check>> = {
    query: compileCheck({ $ref: 'QueryItem' }),
    related: compileCheck({ $ref: 'RelatedItem' }),
    search: compileCheck({ $ref: 'SearchItem' }),
    homefeed: compileCheck({ $ref: 'HomefeedItem' }),
  };
  return (item) => {
    const op = (item as { op?: unknown } | null)?.op;
    if (typeof op === 'string' && Object.hasOwn(checks, op)) checks[op]!(item);
  };
}
