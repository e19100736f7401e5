/** From a text of a request to a vector of the index's own model. */
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { STAGE } from '../lib/watch.ts';
import type { OpenIndex } from './open-index.ts';

/** A text that can be searched with; bad_request or limit_exceeded at the path. */
export function checkText(text: unknown, path: string): string {
  if (typeof text !== 'string' || text.trim() === '') throw errorAt('bad_request', path, 'must hold words');
  if (text.length > LIMITS.textCharsMax)
    throw errorAt(
      'limit_exceeded',
      path,
      `${text.length} characters are over the limit of ${LIMITS.textCharsMax}`,
    );
  return text;
}

/**
 * The vector of a text by the index's own model. @param path of the text in the request
 * @throws NearpinError no_model, model_unavailable; bad_request, limit_exceeded or zero_vector at the path
 */
export async function embedText(index: OpenIndex, text: unknown, path: string): Promise<Float32Array> {
  const checked = checkText(text, path);
  if (index.model === null)
    throw new NearpinError('no_model', `Index ${index.name} was built without a model: search it by vector`);
  if (index.embed === undefined)
    throw new NearpinError('model_unavailable', `The model ${index.model} is not loaded: search by vector`);
  const { watch } = index;
  const sinceMs = watch ? watch.now() : 0;
  const [vector] = await index.embed([checked], 'query');
  watch?.took(STAGE.embed, sinceMs);
  // Under dot and L2 a zero vector is a legal query, but a text that becomes one was not understood.
  if (vector!.every((x) => x === 0)) throw errorAt('zero_vector', path, 'holds no word that the model knows');
  return vector!;
}
