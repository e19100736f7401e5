/** Homefeed: pins for a person by what they saved and follow; fresh and popular ones for who is new. */
import type { HomefeedAnswer, HomefeedRequest } from './contract.ts';
import { underExperiments } from './experiments/run.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import { drawSeed, readPerson } from './person.ts';
import { planRequest } from './plan.ts';
import { runSurface } from './surfaces/run-surface.ts';
import { surfaceInForce } from './surfaces/surface.ts';

/**
 * Answers a homefeed request. No pin of the history, and none that was seen, is ever a hit. Where all was seen, or an
 * index holds nothing, there are no hits, which is no error.
 * @throws NearpinError with the path of the bad value; what a query and a search by text throw
 */
export function runHomefeed(
  index: OpenIndex,
  request: HomefeedRequest,
  clock: Clock,
): Promise<HomefeedAnswer> {
  return underExperiments(index, 'homefeed', request, (armed) => answerHomefeed(armed, request, clock));
}

async function answerHomefeed(
  index: OpenIndex,
  request: HomefeedRequest,
  clock: Clock,
): Promise<HomefeedAnswer> {
  const surface = surfaceInForce('homefeed', index, request);
  const plan = planRequest(index, request, clock, surface);
  const seed = drawSeed(request.seed, request.unit);
  const { input, isHidden, skipped } = await readPerson(index, request, '');
  const answer = await runSurface({ index, surface, plan, input, isHidden, seed }, clock);
  return { ...answer, skipped };
}
