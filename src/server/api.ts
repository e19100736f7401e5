/** What the routes of the API share: two formats in and out, one way to answer, one way to be documented. */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { errorAt } from '../lib/errors.ts';
import { encodeAnswer } from './codec/encode.ts';
import { JSON_TYPE, type MediaType, MSGPACK_TYPE, MSGPACK_TYPES, negotiate } from './codec/format.ts';
import { decodeJson } from './codec/json.ts';
import { decodeMsgpack } from './codec/msgpack.ts';
import { PROBLEM_TYPE } from './problems.ts';
import type { SchemaName } from './schemas.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the answer is encoded as. */
    answerType: MediaType;
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
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => {
      try {
        done(null, decode(body as Buffer));
      } catch (error) {
        done(error as Error);
      }
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

/** Encodes a value as the request accepts it: what a handler returns. (To return the reply costs Fastify more.) */
export function sendAnswer(request: FastifyRequest, reply: FastifyReply, value: object): Buffer | string {
  reply.header('content-type', HEADERS[request.answerType]);
  return encodeAnswer(value, request.answerType);
}

interface Documentation {
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  /** Schema of the body; a route without one takes none. */
  readonly body?: SchemaName;
  readonly answer: SchemaName;
  readonly params?: object;
  readonly querystring?: object;
}

const PROBLEM_RESPONSE = {
  description: 'Refused: problem details with a stable code.',
  content: Object.fromEntries(
    [PROBLEM_TYPE, MSGPACK_TYPE].map((type) => [type, { schema: { $ref: 'Problem' } }]),
  ),
};
const NO_FIELDS = { type: 'object', properties: {}, additionalProperties: false };

/** The schema of a route: what is checked, and what OpenAPI says of it. */
export function documented({ body, answer, querystring = NO_FIELDS, ...rest }: Documentation): FastifySchema {
  return {
    ...rest,
    tags: [...rest.tags],
    consumes: [JSON_TYPE, MSGPACK_TYPE],
    produces: [JSON_TYPE, MSGPACK_TYPE],
    querystring,
    ...(body !== undefined && { body: { $ref: body } }),
    response: { 200: { $ref: answer }, '4xx': PROBLEM_RESPONSE, '5xx': PROBLEM_RESPONSE },
  };
}
