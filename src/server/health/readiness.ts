/** Whether a server should get traffic: its indexes are loaded, and it is not ending. */
import { NearpinError } from '../../lib/errors.ts';
import { type Catalog, describeEntry } from '../catalog.ts';

export interface ReadinessOptions {
  readonly isDraining: boolean;
  /** Whether whoever asks may know what indexes there are. */
  readonly namesIndexes: boolean;
}

/**
 * What a server that is ready says of itself: what it serves, and what it could not load beside that. Throws not_ready, with each
 * index that is not.
 */
export function readinessOf(catalog: Catalog, { isDraining, namesIndexes }: ReadinessOptions) {
  if (isDraining) throw new NearpinError('not_ready', 'The server is draining');
  const entries = catalog.list();
  const named = namesIndexes ? entries : [];
  const isLoading = entries.some(({ status }) => status === 'loading');
  if (isLoading || (entries.length > 0 && entries.every(({ status }) => status === 'failed')))
    throw new NearpinError(
      'not_ready',
      isLoading ? 'Indexes are still loading' : 'No index could be loaded',
      named.flatMap((entry) => {
        const shown = describeEntry(entry);
        return shown.status === 'ready'
          ? []
          : [{ path: `indexes.${shown.name}`, message: `${shown.status}: ${shown.problem.detail}` }];
      }),
    );
  return {
    status: 'ready',
    ready: named.filter(({ status }) => status === 'ready').map(({ name }) => name),
    failed: named.filter(({ status }) => status === 'failed').map(describeEntry),
  };
}
