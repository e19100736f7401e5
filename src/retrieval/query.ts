/** Nearest pins to one vector, or to several at once. */
import { checkVector } from '../index/pin.ts';
import { errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { completeAnswers, readParts } from './answer.ts';
import type { MultiAnswer, QueryRequest, RetrievalAnswer } from './contract.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import { checkList, checkModel, planRequest, queryFor } from './plan.ts';

/**
 * Answers a query: with `vector` one answer, with `vectors` one per vector. All searches of a query are handed to
 * the engine in the same turn of the event loop.
 * @throws NearpinError with the path of the bad value; bad_filter comes from the engine
 */
export async function runQuery(
  index: OpenIndex,
  request: QueryRequest,
  clock: Clock,
): Promise<RetrievalAnswer | MultiAnswer> {
  const plan = planRequest(index, request, clock);
  checkModel(index, request.model);
  const { dim, metric } = plan.config;
  if ((request.vector === undefined) === (request.vectors === undefined))
    throw errorAt('bad_request', 'vector', 'give exactly one of vector and vectors');

  const search = (vector: Float32Array) => index.engine.search(queryFor(plan.query, vector, plan.query.k));
  if (request.vectors === undefined) {
    const vector = checkVector(request.vector, dim, metric, 'vector');
    const found = [await search(vector)];
    const pins = await readParts(index, plan, found);
    return completeAnswers(index, plan, found, pins, clock)[0]!;
  }
  const vectors = checkList(request.vectors, 'vectors', LIMITS.queryVectorsMax).map((vector, i) =>
    checkVector(vector, dim, metric, `vectors[${i}]`),
  );
  const found = await Promise.all(vectors.map(search));
  const pins = await readParts(index, plan, found);
  return { results: completeAnswers(index, plan, found, pins, clock) };
}
