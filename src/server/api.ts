/** What the routes of the API share: two formats in and out, one way to answer, one way to be documented. */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import Type from 'typebox';
import { type ErrorCode, errorAt } from '../lib/errors.ts';
import { STAGE } from '../lib/watch.ts';
import { encodeAnswer, hasVectors } from './codec/encode.ts';
import { JSON_TYPE, type MediaType, MSGPACK_TYPE, MSGPACK_TYPES, negotiate } from './codec/format.ts';
import { decodeJson } from './codec/json.ts';
import { decodeMsgpack } from './codec/msgpack.ts';
import { addVary, PACK_BYTES_MIN, packAnswer } from './compress.ts';
import type { SchemaName } from './schemas.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the answer is encoded as. */
    answerType: MediaType;
  }
  interface FastifySchema {
    /** What OpenAPI says of the route beside the schemas that it is checked by. */
    operation?: Operation;
    /** Of routes that are no part of the API: pages, files, and what answers wrong methods. */
    hide?: boolean;
  }
}

const HEADERS: Readonly<Record<MediaType, string>> = {
  [JSON_TYPE]: `${JSON_TYPE}; charset=utf-8`,
  ...(Object.fromEntries(MSGPACK_TYPES.map((type) => [type, type])) as Record<
    (typeof MSGPACK_TYPES)[number],
    string
  >),
};

/**
 * Teaches an instance both formats. A request that accepts neither is refused before its body is read, unless
 * `always` says to answer it all the same, in JSON.
 */
export function useFormats(app: FastifyInstance, always = false): void {
  app.removeAllContentTypeParsers();
  const parsers = [
    [JSON_TYPE, decodeJson] as const,
    ...MSGPACK_TYPES.map((type) => [type, decodeMsgpack] as const),
  ];
  for (const [type, decode] of parsers)
    app.addContentTypeParser(type, { parseAs: 'buffer' }, ({ watch }, body, done) => {
      const sinceMs = watch.now();
      let decoded: unknown;
      try {
        decoded = decode(body as Buffer);
      } catch (error) {
        done(error as Error);
        return;
      }
      watch.took(STAGE.decode, sinceMs);
      done(null, decoded);
    });

  app.decorateRequest('answerType', JSON_TYPE);
  app.addHook('onRequest', (request, _reply, done) => {
    const type = negotiate(request.headers.accept);
    const encoding = request.headers['content-encoding'];
    if (type === null && !always)
      return done(errorAt('not_acceptable', 'accept', `this API produces ${JSON_TYPE} and ${MSGPACK_TYPE}`));
    if (encoding !== undefined && encoding !== 'identity')
      return done(errorAt('unsupported_media_type', 'content-encoding', `${encoding} is not supported`));
    request.answerType = type ?? JSON_TYPE;
    done();
  });
}

/**
 * Encodes a value as the request accepts it: what a handler returns. (To return the reply costs Fastify more.) Long
 * answers are packed where the client takes that, off the thread.
 */
export function sendAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  value: object,
): Buffer | string | Promise<Buffer | string> {
  const { answerType: type, watch } = request;
  reply.header('content-type', HEADERS[type]);
  // Only these may be kept by caches, which must know what the answer hangs on.
  if (request.method === 'GET' || request.method === 'HEAD') {
    addVary(reply, 'accept, accept-encoding');
    reply.header('x-content-type-options', 'nosniff');
  }
  const sinceMs = watch.now();
  const body = encodeAnswer(value, type);
  watch.took(STAGE.encode, sinceMs);
  if (body.length < PACK_BYTES_MIN || (type !== JSON_TYPE && hasVectors(value))) return body;
  return packAnswer(request, reply, body);
}

/** A route as OpenAPI shows it. */
export interface Operation {
  /** Its name for generated clients, the same for ever. */
  readonly id: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  /** Schema of the body; a route without one takes none. */
  readonly body?: SchemaName;
  readonly isBodyOptional?: true;
  readonly answer: SchemaName;
  /** Codes that it refuses with, beside those that follow from its shape (`openapi.ts`). */
  readonly errors?: readonly ErrorCode[];
}

interface Documentation extends Operation {
  readonly params?: object;
  readonly querystring?: object;
}

/** Of the routes of one index. */
export const INDEX_PARAMS = Type.Object({
  index: Type.String({ description: 'Name of the index, or an alias of it.' }),
});
const NO_FIELDS = { type: 'object', properties: {}, additionalProperties: false };

/** The schema of a route: what is checked, and what OpenAPI says of it. */
export function documented({ params, querystring = NO_FIELDS, ...operation }: Documentation): FastifySchema {
  const { body } = operation;
  return {
    operation,
    querystring,
    ...(params !== undefined && { params }),
    ...(body !== undefined && { body: { $ref: body } }),
  };
}
