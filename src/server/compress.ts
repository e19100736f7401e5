/**
 * Packed answers, where that pays: the client accepts it, the answer is long, and it is no heap of numbers. zlib works in
 * threads of its own, so requests beside it do not wait. Bodies of requests are taken unpacked only (`api.ts`): what a
 * few bytes may become is nobody's to say but the limit's. docs/decisions/0020-api-documents.md has the figures.
 */
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { preferencesOf } from './codec/format.ts';

export type Encoding = 'br' | 'gzip';

/** Shorter answers are sent as they are: in a data centre they arrive before they could be packed. */
export const PACK_BYTES_MIN = 16_384;
/** Of an answer that is made for one request; what is packed once and sent often may take its time. */
const QUICK = { br: 1, gzip: 1 } as const;
const THOROUGH = { br: 11, gzip: 9 } as const;

const brotli = promisify(brotliCompress);
const deflate = promisify(gzip);

/** The bytes in an encoding. */
export function pack(bytes: Buffer | string, encoding: Encoding, levels: Record<Encoding, number>) {
  return encoding === 'gzip'
    ? deflate(bytes, { level: levels.gzip })
    : brotli(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: levels.br,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      });
}

/** As `pack`, as small as it gets. */
export const packOnce = (bytes: Buffer | string, encoding: Encoding) => pack(bytes, encoding, THOROUGH);

/** The encoding that an Accept-Encoding likes best; undefined for none (RFC 9110, section 12.5.3). */
export function chooseEncoding(accepted: string | undefined): Encoding | undefined {
  if (accepted === undefined) return undefined;
  const weights = new Map(preferencesOf(accepted).map(({ name, q }) => [name, q]));
  const weight = (name: string) => weights.get(name) ?? weights.get('*') ?? 0;
  const [best] = (['br', 'gzip'] as const).toSorted((a, b) => weight(b) - weight(a));
  return best !== undefined && weight(best) > 0 && weight(best) >= (weights.get('identity') ?? 0)
    ? best
    : undefined;
}

/** Adds to what the answer varies by. */
export function addVary(reply: FastifyReply, names: string): void {
  const known = reply.getHeader('vary');
  reply.header('vary', known === undefined ? names : `${known}, ${names}`);
}

/** A long answer, packed if the request accepts that and it gets smaller by it. */
export async function packAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  body: Buffer | string,
): Promise<Buffer | string> {
  if (request.method !== 'GET' && request.method !== 'HEAD') addVary(reply, 'accept-encoding');
  const encoding = chooseEncoding(request.headers['accept-encoding']);
  if (encoding === undefined) return body;
  const packed = await pack(body, encoding, QUICK);
  reply.header('content-encoding', encoding);
  return packed;
}
