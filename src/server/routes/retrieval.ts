/** The routes that find pins: query, related, search, batch, and recall, which measures how well they do. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { runBatch } from '../../retrieval/batch.ts';
import type {
  BatchRequest,
  HomefeedRequest,
  NotificationsRequest,
  QueryRequest,
  RecallRequest,
  RelatedRequest,
  SearchRequest,
} from '../../retrieval/contract.ts';
import { runHomefeed } from '../../retrieval/homefeed.ts';
import { runNotifications } from '../../retrieval/notifications.ts';
import { askedBy, type Clock, type OpenIndex } from '../../retrieval/open-index.ts';
import { runQuery } from '../../retrieval/query.ts';
import { measureRecall } from '../../retrieval/recall.ts';
import { runRelated } from '../../retrieval/related.ts';
import { runSearch } from '../../retrieval/search.ts';
import type { Aftermath } from '../aftermath.ts';
import { documented, sendAnswer } from '../api.ts';
import { type Catalog, openIndex } from '../catalog.ts';
import type { Admission } from '../overload/admission.ts';
import { callerOf } from '../overload/caller.ts';
import type { SchemaName } from '../schemas.ts';
import { type Check, compileCheck } from '../validate.ts';

interface Operation {
  readonly path: string;
  readonly summary: string;
  readonly body: SchemaName;
  readonly answer: SchemaName;
  readonly run: (index: OpenIndex, body: never, onFault: (error: unknown) => void) => Promise<object>;
}

export function retrievalRoutes(
  app: FastifyInstance,
  catalog: Catalog,
  clock: Clock,
  admission: Admission,
  aftermath: Aftermath,
): void {
  const check = batchItemCheck();
  const operations: readonly Operation[] = [
    {
      path: 'query',
      summary: 'Pins nearest to a vector, or to several',
      body: 'QueryRequest',
      answer: 'QueryAnswer',
      run: (index, body: QueryRequest) => runQuery(index, body, clock),
    },
    {
      path: 'related',
      summary: 'Pins nearest to other pins',
      body: 'RelatedRequest',
      answer: 'RetrievalAnswer',
      run: (index, body: RelatedRequest) => runRelated(index, body, clock),
    },
    {
      path: 'search',
      summary: 'Pins that fit a text',
      body: 'SearchRequest',
      answer: 'RetrievalAnswer',
      run: (index, body: SearchRequest) => runSearch(index, body, clock),
    },
    {
      path: 'homefeed',
      summary: 'Pins for a person, by what they saved',
      body: 'HomefeedRequest',
      answer: 'HomefeedAnswer',
      run: (index, body: HomefeedRequest) => runHomefeed(index, body, clock),
    },
    {
      path: 'notifications',
      summary: 'The best fresh and unseen pins for each of many persons',
      body: 'NotificationsRequest',
      answer: 'NotificationsAnswer',
      run: (index, body: NotificationsRequest) => runNotifications(index, body, clock),
    },
    {
      path: 'batch',
      summary: 'Several requests, answered in order',
      body: 'BatchRequest',
      answer: 'BatchAnswer',
      run: (index, body: BatchRequest, onFault) => runBatch(index, body, clock, { check, onFault }),
    },
    {
      path: 'recall',
      summary: 'Recall measured now against exact search',
      body: 'RecallRequest',
      answer: 'RecallAnswer',
      run: (index, body: RecallRequest) => measureRecall(index, body),
    },
  ];
  for (const { path, summary, body, answer, run } of operations)
    app.post<{ Params: { index: string } }>(
      `/v1/indexes/:index/${path}`,
      { schema: documented({ tags: ['retrieval'], summary, body, answer, params: INDEX_PARAMS }) },
      async (request, reply) => {
        const onFault = (error: unknown) => request.log.error(error);
        const served = openIndex(catalog, request.params.index);
        admission.began(clock());
        aftermath.began();
        try {
          let index: OpenIndex | undefined;
          const answer = await served.use((open) => {
            index = askedBy(callerOf(request, reply), open);
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

const INDEX_PARAMS = Type.Object({ index: Type.String() });

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
