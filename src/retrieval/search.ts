/** Search: the surface whose request brings a text. */
import { checkVector } from '../index/pin.ts';
import { errorAt } from '../lib/errors.ts';
import type { RetrievalAnswer, SearchRequest } from './contract.ts';
import { checkText } from './embed-text.ts';
import { underExperiments } from './experiments/run.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import { checkModel, planRequest } from './plan.ts';
import { checkFusion, TEXT_MODES } from './sources/text.ts';
import { runSurface } from './surfaces/run-surface.ts';
import { surfaceInForce } from './surfaces/surface.ts';

/**
 * Answers a search by `text`, or by a `vector` that the caller embedded with the same model.
 * @throws NearpinError no_model, model_mismatch, model_unavailable; bad_request, limit_exceeded or zero_vector
 * at `text`; bad_request at `mode` or `fusion`, or with the path of what the request may not change of the surface; what a
 * query throws
 */
export async function runSearch(
  index: OpenIndex,
  request: SearchRequest,
  clock: Clock,
): Promise<RetrievalAnswer> {
  const own = withMode(request);
  return underExperiments(index, 'search', own, (armed) => answerSearch(armed, own, clock));
}

async function answerSearch(
  index: OpenIndex,
  request: SearchRequest,
  clock: Clock,
): Promise<RetrievalAnswer> {
  const surface = surfaceInForce('search', index, request);
  const plan = planRequest(index, request, clock, surface);
  checkModel(index, request.model);
  const { text, vector } = request;
  if ((text === undefined) === (vector === undefined))
    throw errorAt('bad_request', 'text', 'give exactly one of text and vector');
  if (text === undefined && request.mode !== undefined && request.mode !== 'dense')
    throw errorAt('bad_request', 'mode', 'needs a text where it is not dense');
  const { dim, metric } = plan.config;
  const input =
    text === undefined
      ? { vector: checkVector(vector, dim, metric, 'vector') }
      : { words: checkText(text, 'text') };
  return runSurface({ index, surface, plan, input: { text: input } }, clock);
}

/** The mode and fusion of a request are parameters of the surface's source of texts. */
function withMode(request: SearchRequest): SearchRequest {
  const { mode, fusion } = request;
  if (mode === undefined && fusion === undefined) return request;
  if (mode !== undefined && !(TEXT_MODES as readonly unknown[]).includes(mode))
    throw errorAt('bad_request', 'mode', `must be one of ${TEXT_MODES.join(', ')}`);
  if (fusion !== undefined) checkFusion(fusion, 'fusion', 'bad_request');
  const changes = { ...(mode !== undefined && { mode }), ...(fusion !== undefined && { fusion }) };
  return { ...request, sources: { ...request.sources, text: { ...request.sources?.text, ...changes } } };
}
