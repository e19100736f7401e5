/** Related pins: the surface whose request brings seeds, and negatives to keep away from. */
import { errorAt, NearpinError } from '../lib/errors.ts';
import type { RelatedRequest, RetrievalAnswer } from './contract.ts';
import { underExperiments } from './experiments/run.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import { planRequest } from './plan.ts';
import { checkSeeds, type Seed } from './seeds.ts';
import type { WeightedPin } from './sources/source.ts';
import { runSurface } from './surfaces/run-surface.ts';
import { surfaceInForce } from './surfaces/surface.ts';

/**
 * Answers a related request. Neither a seed, nor a negative, nor an excluded pin, nor a near-duplicate of a seed is ever
 * a hit.
 * @throws NearpinError unknown_pin with the path of the seed; zero_vector when seeds cancel out; bad_request with the path
 * of what the request may not change of the surface; what a query throws
 */
export function runRelated(
  index: OpenIndex,
  request: RelatedRequest,
  clock: Clock,
): Promise<RetrievalAnswer> {
  return underExperiments(index, 'related', request, (armed) => answerRelated(armed, request, clock));
}

async function answerRelated(
  index: OpenIndex,
  request: RelatedRequest,
  clock: Clock,
): Promise<RetrievalAnswer> {
  const surface = surfaceInForce('related', index, request);
  const plan = planRequest(index, request, clock, surface);
  const seeds = checkSeeds(request.pins, 'pins');
  if (seeds.length === 0) throw errorAt('bad_request', 'pins', 'must name at least one pin');
  const negatives = request.negatives === undefined ? [] : checkSeeds(request.negatives, 'negatives');

  const pins = await readSeeds(index, [...seeds, ...negatives]);
  const input = { seeds: pins.slice(0, seeds.length), negatives: pins.slice(seeds.length) };
  const exclude = [...new Set([...pins.map(({ id }) => id), ...(plan.query.exclude ?? [])])];
  const anchors = input.seeds.map(({ vector }) => vector);
  return runSurface({ index, surface, plan, input, exclude, anchors }, clock);
}

/** The pins of all seeds, in order; unknown_pin names every seed that is not there. */
async function readSeeds(index: OpenIndex, seeds: readonly Seed[]): Promise<WeightedPin[]> {
  const ids = [...new Set(seeds.map(({ id }) => id))];
  const pins = await index.engine.pins(ids, { vector: true });
  const vectors = new Map(ids.map((id, i) => [id, pins[i]?.vector]));
  const unknown = seeds.filter(({ id }) => vectors.get(id) === undefined);
  if (unknown.length > 0)
    throw new NearpinError(
      'unknown_pin',
      `${unknown[0]!.path}: there is no pin ${unknown[0]!.id} in ${index.name}`,
      unknown.map(({ path, id }) => ({ path, message: `there is no pin ${id}` })),
    );
  return seeds.map(({ id, weight }) => ({ id, weight, vector: vectors.get(id)! }));
}
