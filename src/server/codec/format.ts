/** Which of the two formats an answer takes: content negotiation by Accept (RFC 9110, section 12.5.1). */

export const JSON_TYPE = 'application/json';
/** Of problem details in JSON. */
export const PROBLEM_TYPE = 'application/problem+json';
export const MSGPACK_TYPE = 'application/msgpack';
/** All names under which msgpack comes and goes; the first is what we call it ourselves. */
export const MSGPACK_TYPES = [MSGPACK_TYPE, 'application/vnd.msgpack', 'application/x-msgpack'] as const;

/** A media type that an answer can have. */
export type MediaType = typeof JSON_TYPE | (typeof MSGPACK_TYPES)[number];

const PRODUCED: readonly MediaType[] = [JSON_TYPE, ...MSGPACK_TYPES];
const CACHE_MAX = 256;
const cache = new Map<string, MediaType | null>();

/**
 * The media type to answer with, or null when nothing accepted can be produced. The greatest q wins, then the
 * range that is most specific, then the one named first; JSON where the client does not care.
 */
export function negotiate(accept: string | undefined): MediaType | null {
  if (accept === undefined || accept === '*/*' || accept === '') return JSON_TYPE;
  const known = cache.get(accept);
  if (known !== undefined) return known;
  const chosen = choose(accept);
  if (cache.size < CACHE_MAX) cache.set(accept, chosen);
  return chosen;
}

/** What a header of the kind of Accept names, in small letters, each with how much it is liked (RFC 9110, section 12.4.2). */
export function preferencesOf(header: string): { readonly name: string; readonly q: number }[] {
  return header.split(',').map((each) => {
    const [name = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    return { name, q: q === undefined ? 1 : Number(q.slice(2)) };
  });
}

function choose(accept: string): MediaType | null {
  const ranges = preferencesOf(accept);
  const named = ranges.map(({ name }) => name);
  const candidates = PRODUCED.flatMap((type) => {
    // The most specific range that covers a type decides on it, even when that is q=0.
    const covering = [type, 'application/*', '*/*'];
    const width = covering.findIndex((name) => named.includes(name));
    if (width === -1) return [];
    const position = named.indexOf(covering[width]!);
    const { q } = ranges[position]!;
    return q > 0 ? [{ type, q, width, position }] : [];
  });
  candidates.sort((a, b) => b.q - a.q || a.width - b.width || a.position - b.position);
  return candidates[0]?.type ?? null;
}
