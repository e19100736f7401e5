/**
 * Ids that are unique over a server, for clients that keep what they have read (Relay, "Global Object Identification"):
 * kind, index and pin in base64url. The index goes by the name that it was asked by, so that what is known by an alias
 * stays known when the alias moves on.
 */
import { errorAt } from '../../lib/errors.ts';

export type NodeRef =
  | { readonly kind: 'Index'; readonly index: string }
  | { readonly kind: 'Pin'; readonly index: string; readonly pin: string };

/** Names of indexes have no colon, so the first two part the rest. */
export function globalId(ref: NodeRef): string {
  const text = ref.kind === 'Pin' ? `Pin:${ref.index}:${ref.pin}` : `Index:${ref.index}`;
  return Buffer.from(text).toString('base64url');
}

/** What an id stands for; bad_request at the path for what this server has not made. */
export function parseGlobalId(id: string, path: string): NodeRef {
  const [, kind, index, , pin] =
    /^(Pin|Index):([^:]+)(:([\s\S]+))?$/.exec(Buffer.from(id, 'base64url').toString('utf8')) ?? [];
  if (kind === 'Pin' && index !== undefined && pin !== undefined) return { kind, index, pin };
  if (kind === 'Index' && index !== undefined && pin === undefined) return { kind, index };
  throw errorAt('bad_request', path, 'is not an id that this server gives');
}
