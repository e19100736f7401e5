/**
 * OpenAPI 3.1 at /openapi.json (spec.openapis.org/oas/v3.1.1), written from what the routes say of themselves: the schemas
 * that requests are checked by, the table of errors, the scope that a route asks for, and examples that the tests send.
 */
import type { FastifyInstance, FastifySchema } from 'fastify';
import { ERRORS, type ErrorCode } from '../lib/errors.ts';
import type { Operation } from './api.ts';
import { JSON_TYPE, MSGPACK_TYPE, PROBLEM_TYPE } from './codec/format.ts';
import { ERROR_GUIDE } from './docs/error-guide.ts';
import { EXAMPLES, type Example } from './docs/examples.ts';
import { type Document, documentRoute } from './documents.ts';
import { RETRY_AFTER_CODES } from './problems.ts';
import { SCHEMAS } from './schemas.ts';

/** Version of the HTTP contract, not of the package. */
const API_VERSION = '1.0.0';

export const TAGS = [
  { name: 'retrieval', description: 'Finding pins: by vector, by other pins, by words, for a person.' },
  { name: 'writing', description: 'Writing and deleting pins, while they are being searched.' },
  { name: 'indexes', description: 'What there is: indexes, their pins, and the names that they go by.' },
  { name: 'generations', description: 'Checkpoints, publishing, rolling back.' },
  { name: 'health', description: 'For those who run it.' },
] as const;

const DESCRIPTION = `Nearest-pin retrieval: related pins, search by words and by vector, feeds, notifications.

**Formats.** Bodies and answers are \`${JSON_TYPE}\` or \`${MSGPACK_TYPE}\`, by Content-Type and Accept, with the same fields and the
same meaning. In msgpack a vector is \`bin\` of little-endian 32-bit floats; requests may also give it as an array. Bodies are sent
unpacked; answers of more than a few pages are packed (\`br\`, \`gzip\`) for whoever accepts that.

**Errors** are problem details (RFC 9457) with a stable \`code\`, and for what is wrong with a request the path of each bad value;
[/docs/errors](/docs/errors) tells of each code what it means and what to do.

**Request ids.** \`X-Request-Id\` of a request, or one that the server makes, is in the answer and in the logs.`;

/** A route that is part of the API. */
interface Route {
  readonly method: string;
  readonly url: string;
  readonly operation: Operation;
  /** What a key must have to use it; `open` needs none. */
  readonly scope: string;
  readonly params: ObjectSchema;
  readonly query: ObjectSchema;
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
  readonly required?: readonly string[];
}

/** Of every route; of all but probes; of those with a body; of those of one index, which may have failed to load. */
const BY_ANY: readonly ErrorCode[] = ['bad_request', 'unsupported_media_type', 'internal'];
const BY_API: readonly ErrorCode[] = ['not_acceptable', 'rate_limited'];
/** Of those that wait for their turn (`overload/guard.ts`). */
const BY_TURN: readonly ErrorCode[] = ['overloaded'];
const WAITING_TAGS: readonly string[] = ['retrieval', 'writing'];
const BY_BODY: readonly ErrorCode[] = [
  'bad_json',
  'bad_msgpack',
  'bad_dim',
  'limit_exceeded',
  'body_too_large',
];
const BY_INDEX: readonly ErrorCode[] = [
  'unknown_index',
  'not_ready',
  'closed',
  'core_trap',
  'corrupt_file',
  'missing_file',
  'unsupported_version',
  'not_enough_memory',
  'engine_unavailable',
  'io_error',
];
const BY_SCOPE: readonly ErrorCode[] = ['unauthorized', 'forbidden', 'auth_unavailable'];
/** Of those that change something. */
const BY_AUDIT: readonly ErrorCode[] = ['audit_unavailable'];

const waits = ({ tags }: Operation): boolean => tags.some((tag) => WAITING_TAGS.includes(tag));

/** Every code that a route can answer, in the order of the table of errors. */
function codesOf({ operation, url, scope }: Route): ErrorCode[] {
  const codes = new Set([
    ...BY_ANY,
    ...(operation.tags.includes('health') ? [] : BY_API),
    ...(waits(operation) ? BY_TURN : []),
    ...(scope === 'open' ? [] : BY_SCOPE),
    ...(scope === 'write' || scope === 'admin' ? BY_AUDIT : []),
    ...(operation.body === undefined ? [] : BY_BODY),
    ...(url.includes('/:index') ? BY_INDEX : []),
    ...(operation.errors ?? []),
  ]);
  return (Object.keys(ERRORS) as ErrorCode[]).filter((code) => codes.has(code));
}

/** Notes every route that is registered from here on; returns what makes the document of them. */
export function watchOperations(app: FastifyInstance): () => OpenApi {
  const routes: Route[] = [];
  app.addHook('onRoute', ({ url, method, schema, config }) => {
    if (schema?.operation === undefined) return;
    const { operation, params, querystring } = schema as FastifySchema & {
      readonly operation: Operation;
      readonly params?: ObjectSchema;
      readonly querystring?: ObjectSchema;
    };
    const { scope = 'read' } = config ?? {};
    for (const each of [method].flat())
      if (each !== 'HEAD')
        routes.push({ method: each, url, operation, scope, params: params ?? {}, query: querystring ?? {} });
  });
  let document: OpenApi | undefined;
  return () => {
    document ??= describe(routes);
    return document;
  };
}

export function openapiRoute(app: FastifyInstance, describeApi: () => OpenApi): void {
  documentRoute(
    app,
    '/openapi.json',
    (): Document => ({ type: 'application/json; charset=utf-8', body: JSON.stringify(describeApi()) }),
  );
}

// What is read of the document again, by the page that shows it.
export interface OpenApi {
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}
export interface OpenApiOperation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly object[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, Content>> }>>;
  /** Codes with which it refuses. */
  readonly 'x-error-codes': readonly ErrorCode[];
  readonly 'x-scope': string;
}
interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly description?: string;
}
interface Content {
  readonly schema: JsonSchema;
  readonly examples?: Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>;
}
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly maxItems?: number;
  readonly format?: string;
}

function describe(routes: readonly Route[]): OpenApi {
  const refusals = new Refusals();
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = describeRoute(route, refusals);
  }
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'nearpin',
      version: API_VERSION,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This server.' }],
    tags: TAGS,
    paths,
    components: {
      schemas: SCHEMAS,
      responses: refusals.responses,
      examples: refusals.examples,
      headers: HEADERS,
      parameters: { RequestId: REQUEST_ID, DeadlineMs: DEADLINE },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
  // Schemas name each other by their bare names.
  const located = (key: string, value: unknown) =>
    key === '$ref' && typeof value === 'string' && !value.startsWith('#')
      ? `#/components/schemas/${value}`
      : value;
  return JSON.parse(JSON.stringify(document, located));
}

const REQUEST_ID = {
  name: 'X-Request-Id',
  in: 'header',
  description: 'Comes back in the answer and stands in the logs; the server makes one when it is absent.',
  schema: { type: 'string', pattern: '^[\\w.:@/+=-]{1,128}$' },
};
const DEADLINE = {
  name: 'X-Deadline-Ms',
  in: 'header',
  description:
    'Milliseconds for which the answer is waited for, the time in the queue of the server included. What cannot be answered in that ' +
    'time is refused at once.',
  schema: { type: 'number', exclusiveMinimum: 0 },
};
const HEADERS = {
  RequestId: {
    description: 'Id of the request: the one that came with it, or one that the server made.',
    schema: { type: 'string' },
  },
  RetryAfter: {
    description: 'Seconds after which it is worth another try.',
    schema: { type: 'integer', minimum: 0 },
  },
  Challenge: {
    description: 'How to say who one is (RFC 9110, section 11.6.1).',
    schema: { type: 'string' },
  },
};
const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description:
      'A key of this server, or a JWT of an issuer that it trusts. Each has scopes (read, write, admin, metrics) and the indexes ' +
      'that it may see. Without keys and issuers, which is possible on loopback only, nothing is asked for.',
  },
};

function describeRoute(route: Route, refusals: Refusals): object {
  const { operation, scope, params, query } = route;
  const { id, tags, summary, description, body, isBodyOptional, answer } = operation;
  const examples = EXAMPLES[id] ?? [];
  const codes = codesOf(route);
  return {
    operationId: id,
    tags,
    summary,
    ...(description !== undefined && { description }),
    security: scope === 'open' ? [] : [{ bearer: [scope] }],
    'x-scope': scope,
    'x-error-codes': codes,
    parameters: [
      ...parametersOf(params, 'path', examples),
      ...parametersOf(query, 'query', examples),
      { $ref: '#/components/parameters/RequestId' },
      ...(waits(operation) ? [{ $ref: '#/components/parameters/DeadlineMs' }] : []),
    ],
    ...(body !== undefined && {
      requestBody: {
        required: isBodyOptional !== true,
        content: {
          [JSON_TYPE]: { schema: { $ref: body }, ...examplesOf(examples, ({ body: sent }) => sent) },
          [MSGPACK_TYPE]: { schema: { $ref: body } },
        },
      },
    }),
    responses: {
      200: {
        description: 'Done.',
        headers: { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } },
        content: {
          [JSON_TYPE]: { schema: { $ref: answer }, ...examplesOf(examples, ({ answer: got }) => got) },
          [MSGPACK_TYPE]: { schema: { $ref: answer } },
        },
      },
      ...refusals.of(codes),
    },
  };
}

function parametersOf(schema: ObjectSchema, place: 'path' | 'query', examples: readonly Example[]) {
  return Object.entries(schema.properties ?? {}).map(([name, { description, ...rest }]) => {
    const example = examples.map(({ params = {} }) => params[name]).find((value) => value !== undefined);
    return {
      name,
      in: place,
      required: schema.required?.includes(name) === true,
      ...(description !== undefined && { description }),
      schema: rest,
      ...(example !== undefined && { example }),
    };
  });
}

function examplesOf(examples: readonly Example[], of: (example: Example) => unknown) {
  const shown = examples.filter((example) => of(example) !== undefined);
  if (shown.length === 0) return {};
  const entries = shown.map((example) => [example.name, { summary: example.summary, value: of(example) }]);
  return { examples: Object.fromEntries(entries) };
}

/** The refusals of all routes: those that answer the same codes with a status share one description of it. */
class Refusals {
  readonly responses: Record<string, object> = {};
  readonly examples: Record<string, object> = {};
  readonly #names = new Map<string, string>();

  of(codes: readonly ErrorCode[]): Record<string, object> {
    const statuses = [...new Set(codes.map((code) => ERRORS[code].status))];
    return Object.fromEntries(
      statuses.map((status) => {
        const name = this.#nameOf(
          status,
          codes.filter((code) => ERRORS[code].status === status),
        );
        return [status, { $ref: `#/components/responses/${name}` }];
      }),
    );
  }

  #nameOf(status: number, codes: readonly ErrorCode[]): string {
    const key = codes.join();
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const same = Object.keys(this.responses).filter((name) => name.startsWith(`Refused${status}`)).length;
    const name = same === 0 ? `Refused${status}` : `Refused${status}-${same + 1}`;
    this.#names.set(key, name);
    const content = {
      schema: {
        $ref: 'Problem',
        properties: { status: { const: status }, code: { enum: codes } },
      },
    };
    for (const code of codes) this.examples[code] = problemExample(code);
    const examples = Object.fromEntries(
      codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
    );
    this.responses[name] = {
      description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' '),
      headers: {
        'X-Request-Id': { $ref: '#/components/headers/RequestId' },
        ...(codes.some((code) => RETRY_AFTER_CODES.includes(code)) && {
          'Retry-After': { $ref: '#/components/headers/RetryAfter' },
        }),
        ...(status === 401 && { 'WWW-Authenticate': { $ref: '#/components/headers/Challenge' } }),
      },
      content: { [PROBLEM_TYPE]: { ...content, examples }, [MSGPACK_TYPE]: content },
    };
    return name;
  }
}

function problemExample(code: ErrorCode): object {
  const { title, status } = ERRORS[code];
  const { detail = title, path } = ERROR_GUIDE[code].example;
  const message =
    path !== undefined && detail.startsWith(`${path}: `) ? detail.slice(path.length + 2) : detail;
  return {
    summary: title,
    value: {
      type: `/docs/errors#${code}`,
      title,
      status,
      code,
      detail,
      ...(path !== undefined && { errors: [{ path, message }] }),
    },
  };
}
