/** The questions that an index answers, each by itself: how a request is checked, and what answers it. REST and GraphQL ask by these. */
import type {
  HomefeedRequest,
  NotificationsRequest,
  QueryRequest,
  RelatedRequest,
  SearchRequest,
} from '../retrieval/contract.ts';
import { runHomefeed } from '../retrieval/homefeed.ts';
import { runNotifications } from '../retrieval/notifications.ts';
import type { Clock, OpenIndex } from '../retrieval/open-index.ts';
import { runQuery } from '../retrieval/query.ts';
import { runRelated } from '../retrieval/related.ts';
import { runSearch } from '../retrieval/search.ts';
import type { SchemaName } from './schemas.ts';

export interface Question {
  /** Schema of a request. */
  readonly body: SchemaName;
  readonly run: (index: OpenIndex, request: never, clock: Clock) => Promise<object>;
}

/** By the name of the surface, or `query`; also the last part of the route. */
export const QUESTIONS = {
  query: {
    body: 'QueryRequest',
    run: (index, request: QueryRequest, clock) => runQuery(index, request, clock),
  },
  related: {
    body: 'RelatedRequest',
    run: (index, request: RelatedRequest, clock) => runRelated(index, request, clock),
  },
  search: {
    body: 'SearchRequest',
    run: (index, request: SearchRequest, clock) => runSearch(index, request, clock),
  },
  homefeed: {
    body: 'HomefeedRequest',
    run: (index, request: HomefeedRequest, clock) => runHomefeed(index, request, clock),
  },
  notifications: {
    body: 'NotificationsRequest',
    run: (index, request: NotificationsRequest, clock) => runNotifications(index, request, clock),
  },
} as const satisfies Record<string, Question>;

export type QuestionName = keyof typeof QUESTIONS;
