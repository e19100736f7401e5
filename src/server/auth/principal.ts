/**
 * Who asks, and what they may do. Scopes do not hold each other: a key that writes need not read. An index is granted by
 * its name or by an alias, and then may be used by every name that it goes by; `*` grants all indexes, and with them
 * what belongs to none of them alone.
 */
import { NearpinError } from '../../lib/errors.ts';
import type { Catalog } from '../catalog.ts';

export const SCOPES = ['read', 'write', 'admin', 'metrics'] as const;
export type Scope = (typeof SCOPES)[number];
export const isScope = (word: unknown): word is Scope => (SCOPES as readonly unknown[]).includes(word);
/** What a route asks for; `open` is answered to everybody. */
export type RouteScope = Scope | 'open';

/** Whether it is for whoever runs the server: of all indexes, unless a path names one, and on the admin listener. */
export const isOfOperation = (scope: RouteScope | undefined): boolean =>
  scope === 'admin' || scope === 'metrics';

export interface Principal {
  readonly kind: 'anyone' | 'key' | 'token';
  /** Name of the key, or the token's subject. */
  readonly id: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Names of indexes and aliases. */
  readonly indexes: '*' | ReadonlySet<string>;
}

/** Who asks where nobody has to say who they are. */
export const ANYONE: Principal = { kind: 'anyone', id: 'anyone', scopes: new Set(SCOPES), indexes: '*' };

/** The index behind a name; the name itself when there is none. */
const indexBehind = (catalog: Catalog, name: string): string => catalog.get(name)?.name ?? name;

/** Whether the index that goes by `name` is granted, be there one or not. */
export function maySee(catalog: Catalog, principal: Principal | null, name: string): boolean {
  if (principal === null) return false;
  const { indexes } = principal;
  if (indexes === '*' || indexes.has(name)) return true;
  const index = indexBehind(catalog, name);
  for (const granted of indexes) if (indexBehind(catalog, granted) === index) return true;
  return false;
}

/** Throws forbidden for an index that is not granted; the same whether there is one or not. */
export function checkIndex(catalog: Catalog, principal: Principal | null, name: string): void {
  if (!maySee(catalog, principal, name))
    throw new NearpinError('forbidden', `Index ${name} is not among those that you may use`);
}
