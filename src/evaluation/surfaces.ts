/**
 * The surfaces that can be evaluated: how each is asked, and what of a request the baselines need to know. A new
 * surface is an entry of this table.
 */
import { type ErrorCode, errorAt, NearpinError } from '../lib/errors.ts';
import type {
  HomefeedRequest,
  NotificationsAnswer,
  NotificationsRequest,
  QueryRequest,
  RelatedRequest,
  RetrievalAnswer,
  SearchRequest,
} from '../retrieval/contract.ts';
import type { RequestBody } from './case.ts';

/** What answers: the embedded library, or a client of a server. */
export interface Answering {
  query(request: QueryRequest): Promise<RetrievalAnswer>;
  related(request: RelatedRequest): Promise<RetrievalAnswer>;
  search(request: SearchRequest): Promise<RetrievalAnswer>;
  homefeed(request: HomefeedRequest): Promise<RetrievalAnswer>;
  notifications(request: NotificationsRequest): Promise<NotificationsAnswer>;
}

export interface Surface {
  /** The ids of the hits, best first; rejects when the request fails. */
  ask(index: Answering, request: RequestBody): Promise<string[]>;
  /** The request for k hits. */
  wanting(request: RequestBody, k: number): RequestBody;
  /** The pins that a request starts from, as a history is to item-kNN; absent where it starts from none. */
  readonly history?: (request: RequestBody) => string[];
  /** Fields that make a request one to a baseline, by its name. */
  readonly variants: Readonly<Record<string, RequestBody>>;
}

const idsOf = ({ hits }: RetrievalAnswer): string[] => hits.map(({ id }) => id);
const withK = (request: RequestBody, k: number): RequestBody => ({ ...request, k });

/** The ids of a list of ids and `{id}`; of anything else none, as that is the surface's to refuse. */
function idsIn(list: unknown): string[] {
  if (!Array.isArray(list)) return [];
  return list.map((entry: unknown) => String(Object(entry).id ?? entry));
}

/** The objects of a list; of anything else none, as that is the surface's to refuse. */
function listIn(list: unknown): Record<string, unknown>[] {
  return Array.isArray(list) ? list.map((entry: unknown) => Object(entry)) : [];
}

export type SurfaceName = 'query' | 'related' | 'search' | 'homefeed' | 'notifications';

export const SURFACES: Readonly<Record<SurfaceName, Surface>> = {
  query: {
    ask: async (index, request) => {
      if (request.vectors !== undefined) throw errorAt('bad_request', 'vectors', 'a case has one vector');
      return idsOf(await index.query(request));
    },
    wanting: withK,
    variants: { exact: { exact: true } },
  },
  related: {
    ask: async (index, request) => idsOf(await index.related(request as unknown as RelatedRequest)),
    wanting: withK,
    history: ({ pins }) => idsIn(pins),
    variants: { exact: { exact: true } },
  },
  search: {
    ask: async (index, request) => idsOf(await index.search(request)),
    wanting: withK,
    variants: {
      exact: { exact: true, mode: 'dense' },
      bm25: { mode: 'lexical' },
    },
  },
  homefeed: {
    ask: async (index, request) => idsOf(await index.homefeed(request as unknown as HomefeedRequest)),
    wanting: withK,
    history: ({ history }) => idsIn(history),
    variants: { exact: { exact: true } },
  },
  // A case is one user
  notifications: {
    ask: async (index, request) => {
      const answer = await index.notifications(request as unknown as NotificationsRequest);
      if (answer.users.length !== 1) throw errorAt('bad_request', 'users', 'a case has one user');
      const [user] = answer.users;
      if ('problem' in user!) throw new NearpinError(user.problem.code as ErrorCode, user.problem.detail);
      return idsOf(user!);
    },
    wanting: (request, k) => ({
      ...request,
      users: listIn(request.users).map((user) => ({ ...user, max: k })),
    }),
    history: ({ users }) => listIn(users).flatMap(({ history }) => idsIn(history)),
    variants: { exact: { exact: true } },
  },
};

/** What must not be among the hits: what the request starts from, excludes, or says was seen, where it does by ids. */
export function hiddenBy(surface: Surface, request: RequestBody): Set<string> {
  const { exclude, seen, users } = request;
  const seenBy = listIn(users).flatMap((user) => idsIn(user.seen));
  return new Set([...(surface.history?.(request) ?? []), ...idsIn(exclude), ...idsIn(seen), ...seenBy]);
}
