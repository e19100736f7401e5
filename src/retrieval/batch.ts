/** Several requests in one: each is answered, or refused, on its own. */
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { BatchAnswer, BatchItem, BatchRequest } from './contract.ts';
import { embedTogether } from './embed-together.ts';
import { runHomefeed } from './homefeed.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import { checkList } from './plan.ts';
import { errorWithin, toProblem } from './problem.ts';
import { runQuery } from './query.ts';
import { runRelated } from './related.ts';
import { runSearch } from './search.ts';

export interface BatchHooks {
  /** Refuses an item by its shape before it runs, with paths as seen from the item. */
  readonly check?: (item: unknown) => void;
  /** Hears of errors that are faults of the program: the answer says only that they happened. */
  readonly onFault?: (error: unknown) => void;
}

/**
 * Runs all requests at once, so that the engine sees their searches in the same turn of the event loop, and
 * the model their texts in one call. Paths in an item's problem start with `requests[i]`.
 * @throws NearpinError bad_request or limit_exceeded at `requests`
 */
export async function runBatch(
  index: OpenIndex,
  request: BatchRequest,
  clock: Clock,
  hooks: BatchHooks = {},
): Promise<BatchAnswer> {
  const items = checkList(request.requests, 'requests', LIMITS.batchRequestsMax);
  const shared = index.embed === undefined ? index : { ...index, embed: embedTogether(index.embed) };
  const answers = await Promise.all(
    items.map(async (item, i) => {
      try {
        hooks.check?.(item);
        return await runItem(shared, item as BatchItem, clock);
      } catch (error) {
        if (error instanceof NearpinError) return toProblem(errorWithin(`requests[${i}]`, error));
        hooks.onFault?.(error);
        return toProblem(error);
      }
    }),
  );
  return { answers };
}

function runItem(index: OpenIndex, item: BatchItem, clock: Clock) {
  switch (item?.op) {
    case 'query':
      return runQuery(index, item, clock);
    case 'related':
      return runRelated(index, item, clock);
    case 'search':
      return runSearch(index, item, clock);
    case 'homefeed':
      return runHomefeed(index, item, clock);
    default:
      throw errorAt('bad_request', 'op', 'must be one of query, related, search, homefeed');
  }
}
