/** Search by words: the text becomes a vector of the index's own model. */
import { checkVector } from '../index/pin.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { completeAnswers, idsOf } from './answer.ts';
import type { RetrievalAnswer, SearchRequest } from './contract.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import { checkModel, planRequest, queryFor } from './plan.ts';

/**
 * Answers a search by `text`, or by a `vector` that the caller embedded with the same model.
 * @throws NearpinError no_model, model_mismatch, model_unavailable; bad_request, limit_exceeded or zero_vector
 * at `text`; what a query throws
 */
export async function runSearch(
  index: OpenIndex,
  request: SearchRequest,
  clock: Clock,
): Promise<RetrievalAnswer> {
  const plan = planRequest(index, request, clock);
  checkModel(index, request.model);
  const { text, vector: given, mode } = request;
  if (mode !== undefined && mode !== 'dense') throw errorAt('bad_request', 'mode', 'must be dense');
  if ((text === undefined) === (given === undefined))
    throw errorAt('bad_request', 'text', 'give exactly one of text and vector');

  const { dim, metric } = plan.config;
  const vector =
    text === undefined
      ? checkVector(given, dim, metric, 'vector')
      : checkVector(await embedText(index, text, 'text'), dim, metric, 'text');
  const found = [await index.engine.search(queryFor(plan, vector))];
  const pins = plan.parts && (await index.engine.pins(idsOf(found), plan.parts));
  return completeAnswers(index, plan, found, pins, clock)[0]!;
}

/**
 * The vector of a text by the index's own model. @param path of the text in the request
 * @throws NearpinError no_model, model_unavailable; bad_request, limit_exceeded or zero_vector at the path
 */
export async function embedText(index: OpenIndex, text: unknown, path: string): Promise<Float32Array> {
  if (typeof text !== 'string' || text.trim() === '') throw errorAt('bad_request', path, 'must hold words');
  if (text.length > LIMITS.textCharsMax)
    throw errorAt(
      'limit_exceeded',
      path,
      `${text.length} characters are over the limit of ${LIMITS.textCharsMax}`,
    );
  if (index.model === null)
    throw new NearpinError('no_model', `Index ${index.name} was built without a model: search it by vector`);
  if (index.embed === undefined)
    throw new NearpinError('model_unavailable', `The model ${index.model} is not loaded: search by vector`);
  const [vector] = await index.embed([text], 'query');
  // Under dot and L2 a zero vector is a legal query, but a text that becomes one was not understood.
  if (vector!.every((x) => x === 0)) throw errorAt('zero_vector', path, 'holds no word that the model knows');
  return vector!;
}
