/** The port through which the server knows indexes: those that answer, and those that do not (yet), with why. */
import { errorAt, NearpinError } from '../lib/errors.ts';
import type { UnavailableIndex } from '../retrieval/contract.ts';
import { describeIndex } from '../retrieval/describe.ts';
import type { ServedIndex } from '../retrieval/open-index.ts';
import { toProblem } from '../retrieval/problem.ts';

export type CatalogEntry =
  | { readonly name: string; readonly status: 'ready'; readonly index: ServedIndex }
  | { readonly name: string; readonly status: 'loading' }
  | { readonly name: string; readonly status: 'failed'; readonly error: unknown };

/** One damaged index must not keep the others from serving: it stays listed, as failed. */
/** Making and removing indexes, and the other names that they go by. */
export interface CatalogAdmin {
  /** Makes an empty index, or finds the one that has this config already. index_exists, bad_config, io_error … */
  create(name: string, config: unknown): Promise<ServedIndex>;
  /** Removes an index with all its files. unknown_index; bad_request while an alias stands for it. */
  remove(name: string): Promise<void>;
  /** Index by alias. */
  aliases(): ReadonlyMap<string, string>;
  /** Lets an alias stand for an index from now on. unknown_index, index_exists, bad_request or io_error. */
  setAlias(alias: string, index: string): Promise<void>;
  /** unknown_alias or io_error. */
  removeAlias(alias: string): Promise<void>;
}

export interface Catalog {
  /** Every known index, in the order of their names. */
  list(): readonly CatalogEntry[];
  /** By its name or an alias. */
  get(name: string): CatalogEntry | undefined;
  /** Absent where the indexes are given. */
  readonly admin?: CatalogAdmin;
}

/** Throws not_supported where the indexes are given. */
export function adminOf({ admin }: Catalog): CatalogAdmin {
  if (admin === undefined) throw new NearpinError('not_supported', 'the indexes of this server are given');
  return admin;
}

/** The index to answer from; unknown_index, not_ready, or the error with which it failed to load. */
export function openIndex(catalog: Catalog, name: string): ServedIndex {
  const entry = catalog.get(name);
  if (entry === undefined) throw errorAt('unknown_index', 'index', `there is no index ${name}`);
  if (entry.status === 'ready') return entry.index;
  throw unavailable(entry);
}

/** How the entry is shown in the list of indexes. */
export function describeEntry(entry: CatalogEntry) {
  if (entry.status === 'ready') return describeIndex(entry.index);
  const { name, status } = entry;
  return { name, status, problem: toProblem(unavailable(entry)) } satisfies UnavailableIndex;
}

function unavailable(entry: Exclude<CatalogEntry, { status: 'ready' }>): unknown {
  return entry.status === 'failed'
    ? entry.error
    : new NearpinError('not_ready', `Index ${entry.name} is still loading`);
}
