/**
 * nearpin/client: the HTTP API as typed functions. An operation is repeated, with backoff and never past the deadline,
 * when the server was too busy; and when there was no answer, if a second time does no harm: that is all of them but
 * writes with conditions, whose first attempt may have succeeded unseen.
 */

import type { IndexConfigInput } from '../index/config.ts';
import type { Pin } from '../index/pin.ts';
import type {
  BatchAnswer,
  BatchRequest,
  DeleteAnswer,
  DeleteRequest,
  GenerationDescription,
  HomefeedAnswer,
  HomefeedRequest,
  IndexDescription,
  IndexList,
  MultiAnswer,
  NotificationsAnswer,
  NotificationsRequest,
  Problem,
  QueryRequest,
  RecallAnswer,
  RecallRequest,
  RelatedRequest,
  RetrievalAnswer,
  SearchRequest,
  SurfaceList,
  UpsertAnswer,
  UpsertRequest,
  Vector,
} from '../retrieval/contract.ts';
import { NearpinClientError } from './error.ts';
import { decodeBody, encodeBody, type Format, MEDIA_TYPES } from './wire.ts';

export type * from '../retrieval/contract.ts';
export { type ClientErrorCode, NearpinClientError } from './error.ts';

export interface ClientOptions {
  /** Where the server is, `http://127.0.0.1:8080`; a path in front of `/v1` is kept. */
  readonly url: string | URL;
  readonly fetch?: typeof fetch;
  /** For a call with all its attempts; 10 s when absent. */
  readonly timeoutMs?: number;
  /** Attempts after the first; 2 when absent. */
  readonly retries?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An API key or a token; sent as a bearer. */
  readonly key?: string | undefined;
  readonly format?: Format;
}

export interface CallOptions {
  /** Ends the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** In place of the client's. */
  readonly timeoutMs?: number;
}

/** Whether the server should get traffic, and what it serves. */
export interface Readiness {
  readonly status: 'ready';
  readonly ready: readonly string[];
  readonly failed: IndexList['indexes'];
}

export interface AliasDescription {
  readonly alias: string;
  readonly index: string;
}

type WithVectors = QueryRequest & { readonly vectors: readonly Vector[] };

/**
 * Every call rejects with a NearpinClientError: the server's problem by its code, connection_failed, bad_answer,
 * or deadline_exceeded when `timeoutMs` has passed. Vectors of answers are Float32Array in msgpack.
 */
export interface NearpinClient {
  query(index: string, request: WithVectors, options?: CallOptions): Promise<MultiAnswer>;
  query(index: string, request: QueryRequest, options?: CallOptions): Promise<RetrievalAnswer>;
  related(index: string, request: RelatedRequest, options?: CallOptions): Promise<RetrievalAnswer>;
  search(index: string, request: SearchRequest, options?: CallOptions): Promise<RetrievalAnswer>;
  homefeed(index: string, request: HomefeedRequest, options?: CallOptions): Promise<HomefeedAnswer>;
  notifications(
    index: string,
    request: NotificationsRequest,
    options?: CallOptions,
  ): Promise<NotificationsAnswer>;
  batch(index: string, request: BatchRequest, options?: CallOptions): Promise<BatchAnswer>;
  recall(index: string, request?: RecallRequest, options?: CallOptions): Promise<RecallAnswer>;
  pin(index: string, id: string, options?: CallOptions & { include?: readonly ['vector'] }): Promise<Pin>;
  indexes(options?: CallOptions): Promise<IndexList>;
  index(name: string, options?: CallOptions): Promise<IndexDescription>;
  surfaces(index: string, options?: CallOptions): Promise<SurfaceList>;
  upsert(index: string, request: UpsertRequest, options?: CallOptions): Promise<UpsertAnswer>;
  delete(index: string, request: DeleteRequest, options?: CallOptions): Promise<DeleteAnswer>;
  checkpoint(index: string, options?: CallOptions): Promise<GenerationDescription>;
  generations(
    index: string,
    options?: CallOptions,
  ): Promise<{ readonly generations: GenerationDescription[] }>;
  publish(index: string, generation: string, options?: CallOptions): Promise<GenerationDescription>;
  createIndex(name: string, config: IndexConfigInput, options?: CallOptions): Promise<IndexDescription>;
  removeIndex(name: string, options?: CallOptions): Promise<{ readonly removed: string }>;
  aliases(options?: CallOptions): Promise<{ readonly aliases: readonly AliasDescription[] }>;
  setAlias(alias: string, index: string, options?: CallOptions): Promise<AliasDescription>;
  removeAlias(alias: string, options?: CallOptions): Promise<{ readonly removed: string }>;
  live(options?: CallOptions): Promise<{ readonly status: 'live' }>;
  ready(options?: CallOptions): Promise<Readiness>;
}

const TIMEOUT_MS = 10_000;
const RETRIES = 2;
const BACKOFF_MS = 50;
const BACKOFF_MAX_MS = 2_000;
/** Share of the time left, and most of it in milliseconds, that is kept for the answer's way back. */
const WAY_BACK_SHARE = 0.1;
const WAY_BACK_MAX_MS = 50;
/** Statuses that say: not now. */
const BUSY: readonly number[] = [429, 503];

/** Makes a client; it holds no connection of its own, so there is nothing to close. */
export function createClient(options: ClientOptions): NearpinClient {
  const base = String(options.url).replace(/\/+$/, '');
  const { timeoutMs = TIMEOUT_MS, retries = RETRIES, format = 'msgpack' } = options;
  // Looked up for each call, so that what replaces the global later is used.
  const send: typeof fetch = (...request) => (options.fetch ?? fetch)(...request);

  /** One operation with its attempts; `body` is made anew for each, from the milliseconds it has. */
  async function call(
    path: string,
    callOptions: CallOptions,
    body?: (leftMs: number) => object,
    method = body === undefined ? 'GET' : 'POST',
    canRepeat = true,
  ): Promise<unknown> {
    const budgetMs = callOptions.timeoutMs ?? timeoutMs;
    const deadline = performance.now() + budgetMs;
    const timeout = AbortSignal.timeout(budgetMs);
    const signal = callOptions.signal ? AbortSignal.any([callOptions.signal, timeout]) : timeout;
    for (let attempt = 0; ; attempt++) {
      try {
        signal.throwIfAborted();
        return await once(path, method, signal, body?.(deadline - performance.now()));
      } catch (thrown) {
        callOptions.signal?.throwIfAborted();
        if (timeout.aborted)
          throw new NearpinClientError('deadline_exceeded', `No answer within ${budgetMs} ms`, {
            cause: thrown,
          });
        const error = thrown as NearpinClientError;
        const waitMs = error.retryAfterMs ?? backoffMs(attempt);
        const isLost = error.code === 'connection_failed' && canRepeat;
        const passes = isLost || BUSY.includes(error.status ?? 0);
        if (!passes || attempt >= retries || performance.now() + waitMs >= deadline) throw error;
        await sleep(waitMs, signal);
      }
    }
  }

  async function once(path: string, method: string, signal: AbortSignal, body?: object): Promise<unknown> {
    const type = MEDIA_TYPES[format];
    const headers = {
      ...options.headers,
      ...(options.key !== undefined && { authorization: `Bearer ${options.key}` }),
      accept: type,
    };
    const request =
      body === undefined
        ? { headers, method, signal }
        : {
            headers: { ...headers, 'content-type': type },
            method,
            body: encodeBody(body, format),
            signal,
          };
    let response: Response;
    let bytes: ArrayBuffer;
    try {
      response = await send(`${base}${path}`, request);
      bytes = await response.arrayBuffer();
    } catch (cause) {
      throw new NearpinClientError('connection_failed', `No answer from ${base}: ${reasonOf(cause)}`, {
        cause,
      });
    }
    return readAnswer(response, bytes);
  }

  const at = (index: string) => `/v1/indexes/${encodeURIComponent(index)}`;
  // What the server answers is typed by NearpinClient and not checked again, hence `never`.
  const post = (
    index: string,
    operation: string,
    body: (leftMs: number) => object,
    callOptions: CallOptions = {},
  ) => call(`${at(index)}/${operation}`, callOptions, body) as Promise<never>;
  const get = (path: string, callOptions: CallOptions = {}) => call(path, callOptions) as Promise<never>;
  const change = (
    method: string,
    path: string,
    body: object | undefined,
    callOptions: CallOptions = {},
    canRepeat = true,
  ) => call(path, callOptions, body && (() => body), method, canRepeat) as Promise<never>;
  const retrieve = (operation: string) => (index: string, request: Timed, callOptions?: CallOptions) =>
    post(index, operation, (leftMs) => inTime(request, leftMs), callOptions);

  return {
    query: retrieve('query'),
    related: retrieve('related'),
    search: retrieve('search'),
    homefeed: retrieve('homefeed'),
    notifications: retrieve('notifications'),
    batch: (index, { requests }, callOptions) =>
      post(
        index,
        'batch',
        (leftMs) => ({ requests: requests.map((item) => inTime(item, leftMs)) }),
        callOptions,
      ),
    recall: (index, request = {}, callOptions) => post(index, 'recall', () => request, callOptions),
    pin: (index, id, { include, ...callOptions } = {}) =>
      get(`${at(index)}/pins/${encodeURIComponent(id)}${include ? `?include=${include}` : ''}`, callOptions),
    indexes: (callOptions) => get('/v1/indexes', callOptions),
    index: (name, callOptions) => get(at(name), callOptions),
    surfaces: (index, callOptions) => get(`${at(index)}/surfaces`, callOptions),
    upsert: (index, request, callOptions) =>
      change('PUT', `${at(index)}/pins`, request, callOptions, !request.pins.some(isConditional)),
    delete: (index, request, callOptions) =>
      change('DELETE', `${at(index)}/pins`, request, callOptions, !request.ids.some(isConditional)),
    checkpoint: (index, callOptions) => change('POST', `${at(index)}/checkpoint`, {}, callOptions),
    generations: (index, callOptions) => get(`${at(index)}/generations`, callOptions),
    publish: (index, generation, callOptions) =>
      change('PUT', `${at(index)}/generation`, { generation }, callOptions),
    createIndex: (name, config, callOptions) => change('PUT', at(name), config, callOptions),
    removeIndex: (name, callOptions) => change('DELETE', at(name), undefined, callOptions),
    aliases: (callOptions) => get('/v1/aliases', callOptions),
    setAlias: (alias, index, callOptions) =>
      change('PUT', `/v1/aliases/${encodeURIComponent(alias)}`, { index }, callOptions),
    removeAlias: (alias, callOptions) =>
      change('DELETE', `/v1/aliases/${encodeURIComponent(alias)}`, undefined, callOptions),
    live: (callOptions) => get('/livez', callOptions),
    ready: (callOptions) => get('/readyz', callOptions),
  };
}

/** Whether a write asks how its pin is. */
function isConditional(entry: unknown): boolean {
  const { ifSeq, ifAbsent } = Object(entry) as { ifSeq?: unknown; ifAbsent?: unknown };
  return ifSeq !== undefined || ifAbsent !== undefined;
}

interface Timed {
  readonly deadlineMs?: number;
}

/** The request with the time that is left as its deadline, so that the server stops when nobody waits any more. */
function inTime<Request extends Timed>(request: Request, leftMs: number): Request {
  const serverMs = Math.max(1, leftMs - Math.min(WAY_BACK_MAX_MS, leftMs * WAY_BACK_SHARE));
  return { ...request, deadlineMs: Math.min(request.deadlineMs ?? serverMs, serverMs) };
}

function readAnswer(response: Response, bytes: ArrayBuffer): unknown {
  const { status } = response;
  let value: unknown;
  try {
    value = decodeBody(bytes, response.headers.get('content-type') ?? '');
  } catch (cause) {
    // A proxy in between may answer in HTML: its status still says whether to try again.
    throw new NearpinClientError('bad_answer', `Status ${status} and ${reasonOf(cause)}`, {
      status,
      cause,
      ...retryAfter(response),
    });
  }
  if (response.ok) return value;
  const problem = value as Problem;
  throw new NearpinClientError(
    (problem?.code ?? 'bad_answer') as NearpinClientError['code'],
    problem?.detail ?? `Status ${status}`,
    { status, problem, ...retryAfter(response) },
  );
}

/** Retry-After, which is either seconds or a date (RFC 9110, section 10.2.3). */
function retryAfter({ headers }: Response): { retryAfterMs?: number } {
  const value = headers.get('retry-after');
  if (value === null) return {};
  const now = performance.timeOrigin + performance.now();
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? { retryAfterMs: Math.max(0, ms) } : {};
}

/** Doubles with each attempt; half of it is left to chance, so that clients do not come back together. */
function backoffMs(attempt: number): number {
  const longest = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** attempt);
  const chance = crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
  return longest * (0.5 + 0.5 * chance);
}

/** Resolves after the time or at the signal's abort, whichever is first: the next attempt looks at the signal. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
