/**
 * Documents that are the same for everyone: made when they are first asked for, packed once, and answered with 304 to
 * whoever has them already. Each encoding is another representation, so each has a tag of its own (RFC 9110, 8.8.3).
 */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { addVary, chooseEncoding, type Encoding, packOnce } from './compress.ts';

export interface Document {
  readonly type: string;
  readonly body: string;
  /** Beside those that every document has. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface Representation {
  readonly bytes: Buffer;
  readonly tag: string;
}

const hashOf = (text: string, form: 'base64' | 'base64url') => createHash('sha256').update(text).digest(form);
const TAG_CHARS = 22;

/** Headers of an HTML page that brings its own script and style and asks nothing but this server. */
export function pageHeaders(script: string, style: string): Record<string, string> {
  const named = (text: string) => `'sha256-${hashOf(text, 'base64')}'`;
  return {
    'content-security-policy': [
      "default-src 'none'",
      `script-src ${named(script)}`,
      `style-src ${named(style)}`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  };
}

/** Registers GET (and HEAD) of a document. */
export function documentRoute(app: FastifyInstance, url: string, make: () => Document): void {
  let document: (Document & { readonly tag: string }) | undefined;
  const packed = new Map<Encoding, Promise<Representation>>();

  app.get(url, { config: { scope: 'open' }, schema: { hide: true } }, async (request, reply) => {
    if (document === undefined) {
      const made = make();
      document = { ...made, tag: hashOf(made.body, 'base64url').slice(0, TAG_CHARS) };
    }
    const { type, body, headers, tag } = document;
    const encoding = chooseEncoding(request.headers['accept-encoding']);
    let chosen: Representation = { bytes: Buffer.from(body), tag: `"${tag}"` };
    if (encoding !== undefined) {
      let packing = packed.get(encoding);
      if (packing === undefined) {
        packing = packOnce(body, encoding).then((bytes) => ({ bytes, tag: `"${tag}-${encoding}"` }));
        packed.set(encoding, packing);
      }
      chosen = await packing;
      reply.header('content-encoding', encoding);
    }
    addVary(reply, 'accept-encoding');
    reply.headers({
      etag: chosen.tag,
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      ...headers,
    });
    return isKnown(request.headers['if-none-match'], chosen.tag)
      ? notModified(reply)
      : reply.header('content-type', type).send(chosen.bytes);
  });
}

function isKnown(tags: string | undefined, tag: string): boolean {
  if (tags === undefined) return false;
  return tags.split(',').some((each) => each.trim().replace(/^W\//, '') === tag || each.trim() === '*');
}

function notModified(reply: FastifyReply): FastifyReply {
  return reply.removeHeader('content-encoding').code(304).send();
}
