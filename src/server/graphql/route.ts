/**
 * `POST /graphql`: mercurius keeps, validates and executes documents; what may come in, and how errors go out, is decided
 * here. The route is our own, and not the plugin's, because that also takes GET, documents as parsed JSON and other media types.
 *
 * HTTP refusals before a document is looked at (media type, broken JSON, size of the body) are problem details as everywhere;
 * from the document on they are `errors`, and the status is that of the first when nothing was executed (GraphQL over
 * HTTP). A browser cannot send JSON to another site without asking first, so no form can.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  type ExecutionResult,
  type GraphQLFormattedError,
  NoSchemaIntrospectionCustomRule,
  specifiedRules,
} from 'graphql';
import mercurius from 'mercurius';
import Type from 'typebox';
import { errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { JSON_TYPE } from '../codec/format.ts';
import { decodeJson } from '../codec/json.ts';
import { compileCheck } from '../validate.ts';
import { costOf } from './cost.ts';
import { DOCUMENTS_REMEMBERED, Documents } from './document.ts';
import { formatError } from './errors.ts';
import { type Asked, Operations } from './operations.ts';
import { type Context, createResolvers } from './resolvers.ts';
import { createSchema } from './schema.ts';
import { type Service, Session } from './session.ts';

export interface GraphqlOptions {
  /** Whether the schema may be asked for, and told of in errors. */
  readonly introspection: boolean;
  /** Documents by ids; none when absent. */
  readonly operations?: unknown;
  /** Whether nothing else is answered. */
  readonly operationsOnly?: boolean;
}

interface Body extends Asked {
  readonly variables?: Readonly<Record<string, unknown>> | null;
  readonly operationName?: string | null;
}

declare module 'mercurius' {
  interface MercuriusContext extends Context {
    readonly operationName?: string | undefined;
  }
}

/** The media type of GraphQL over HTTP. */
const GRAPHQL_TYPE = 'application/graphql-response+json';
/** Errors of a document that are told at most. */
const ERRORS_MAX = 20;

const optional = Type.Optional;
const orNull = <Schema extends Type.TSchema>(schema: Schema) => optional(Type.Union([schema, Type.Null()]));
const BODY = Type.Object(
  {
    query: orNull(Type.String()),
    id: orNull(Type.String()),
    operationName: orNull(Type.String()),
    variables: orNull(Type.Object({})),
    extensions: orNull(
      Type.Object({
        persistedQuery: optional(Type.Object({ version: Type.Literal(1), sha256Hash: Type.String() })),
      }),
    ),
  },
  { additionalProperties: false },
);

/** Registers the route. Rejects, and so does the start of the server, for a bad list of operations. */
export async function graphqlRoute(
  app: FastifyInstance,
  service: Service,
  { introspection, operations: list = {}, operationsOnly = false }: GraphqlOptions,
): Promise<void> {
  const rules = introspection ? [] : [NoSchemaIntrospectionCustomRule];
  const schema = createSchema();
  await app.register(mercurius, {
    schema,
    resolvers: createResolvers(),
    routes: false,
    cache: DOCUMENTS_REMEMBERED,
    validationRules: rules,
    graphql: {
      parseOptions: { maxTokens: LIMITS.graphqlTokensMax },
      validateOptions: { maxErrors: ERRORS_MAX },
    },
    // They are told below, where those that come before execution are
    errorFormatter: (execution) => ({ statusCode: 200, response: execution }),
  });
  app.graphql.addHook('preExecution', async (schema, document, context, variables) => {
    costOf(schema, document, variables, context.operationName);
  });
  const documents = new Documents();
  const operations = new Operations(list, operationsOnly, schema, [...specifiedRules, ...rules], documents);
  const check = compileCheck(BODY);

  async function execute(body: Body, session: Session): Promise<ExecutionResult> {
    const document = operations.documentOf(body);
    documents.check(document);
    const operationName = body.operationName ?? undefined;
    const context = { session, operationName };
    return app.graphql(document, context, { ...body.variables }, operationName);
  }

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, decodeJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  app.post('/graphql', { config: { scope: 'read' }, schema: { hide: true } }, async (request, reply) => {
    const type = answerType(request);
    check(request.body);
    const session = new Session(service, request, reply);
    service.admission.began(service.clock());
    service.aftermath.began();
    try {
      const { data, errors = [] } = await execute(request.body as Body, session).catch(refused);
      const told = errors.map((error) => formatError(error, introspection, session.onFault));
      // Without data nothing was executed
      if (data === undefined) reply.code(statusOf(told[0]!));
      reply.header('content-type', `${type}; charset=utf-8`);
      return JSON.stringify({ ...(told.length > 0 && { errors: told }), data });
    } finally {
      session.close();
      service.admission.ended(service.clock());
      service.aftermath.ended();
    }
  });
}

/** JSON under the name that the client prefers; not_acceptable. */
function answerType({ headers: { accept = '*/*' } }: FastifyRequest): string {
  if (accept.includes(GRAPHQL_TYPE)) return GRAPHQL_TYPE;
  if (/(^|[ ,])(\*\/\*|application\/(\*|json))/.test(accept)) return JSON_TYPE;
  throw errorAt('not_acceptable', 'accept', `GraphQL is answered as ${GRAPHQL_TYPE} or ${JSON_TYPE}`);
}

/** What kept an operation from being executed: the errors that mercurius has gathered, or the one that was thrown. */
function refused(thrown: unknown): { data: undefined; errors: readonly unknown[] } {
  const { errors } = thrown as { errors?: readonly unknown[] };
  return { data: undefined, errors: Array.isArray(errors) && errors.length > 0 ? errors : [thrown] };
}

function statusOf({ extensions }: GraphQLFormattedError): number {
  return (extensions as { status: number }).status;
}
