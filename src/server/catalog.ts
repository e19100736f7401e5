/** The port through which the server knows indexes: those that answer, and those that do not (yet), with why. */
import { errorAt, NearpinError } from '../lib/errors.ts';
import type { UnavailableIndex } from '../retrieval/contract.ts';
import { describeIndex } from '../retrieval/describe.ts';
import type { OpenIndex } from '../retrieval/open-index.ts';
import { toProblem } from '../retrieval/problem.ts';

export type CatalogEntry =
  | { readonly name: string; readonly status: 'ready'; readonly index: OpenIndex }
  | { readonly name: string; readonly status: 'loading' }
  | { readonly name: string; readonly status: 'failed'; readonly error: unknown };

/** One damaged index must not keep the others from serving: it stays listed, as failed. */
export interface Catalog {
  /** Every known index, in the order of their names. */
  list(): readonly CatalogEntry[];
  get(name: string): CatalogEntry | undefined;
}

/** The index to answer from; unknown_index, not_ready, or the error with which it failed to load. */
export function openIndex(catalog: Catalog, name: string): OpenIndex {
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
