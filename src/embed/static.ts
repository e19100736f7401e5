/**
 * Static models as Model2Vec makes them (van Dongen and Tulkens, 2024): a table with one vector a token. A text is
 * the mean of its tokens' vectors, then brought to unit length when the model says so. No network runs, so it is
 * nearly as fast as its tokenizer, and its vectors do carry meaning, though not word order.
 *
 * As in Model2Vec, no special tokens are added, unknown tokens are dropped before the mean, and a text counts up to
 * 512 tokens. (The ONNX export of such a model keeps unknown tokens: the two agree on texts that have none.)
 *
 * The tokenizer is transformers.js'. Against the rules of the reference implementation it gave the same tokens for
 * every one of 127,000 titles and captions, at 30,000 to 60,000 texts a second. It differs for combining marks
 * outside U+0300 to U+036F (Hebrew points, Indic vowel signs), which it keeps and the reference strips.
 */
import { join } from 'node:path';
import { LIMITS } from '../lib/limits.ts';
import type { LoadedModel } from './loaded-model.ts';
import { errorIn, isFile, readJsonObject, TOKENIZER, TOKENIZER_CONFIG } from './model-files.ts';
import { readTensor, readTensorInfos } from './safetensors.ts';
import { loadTransformers } from './transformers-library.ts';
import { writeVector } from './unit.ts';

export const STATIC_WEIGHTS = 'model.safetensors';
export const STATIC_TENSOR = 'embeddings';
const TOKENS_MAX = 512;
/** Model2Vec's vocabulary quantisation: rows shared by tokens and weighed by them. Without it the vectors were wrong. */
const UNREAD_TENSORS = ['mapping', 'weights'];

/**
 * Loads the static model in a folder. Rejects with `missing_file`, `corrupt_file` (file and tensor named) or
 * `model_unavailable` (no tokenizer library, or a kind of table that is not read).
 */
export async function loadStaticModel(folder: string, normalize: boolean): Promise<LoadedModel> {
  const weights = join(folder, STATIC_WEIGHTS);
  const tokenizerFile = join(folder, TOKENIZER);
  const configFile = join(folder, TOKENIZER_CONFIG);
  const tensors = await readTensorInfos(weights);
  for (const name of UNREAD_TENSORS)
    if (tensors.has(name))
      throw errorIn('model_unavailable', weights, `tensor ${name}: a quantised vocabulary is not supported`);
  const { shape, numbers: table } = await readTensor(weights, STATIC_TENSOR);
  const [rows, dim] = shape;
  if (shape.length !== 2 || !rows || !dim || dim < LIMITS.dimMin || dim > LIMITS.dimMax)
    throw errorIn('corrupt_file', weights, `tensor ${STATIC_TENSOR}: shape [${shape}] is not [tokens, dim]`);
  const json = await readJsonObject(tokenizerFile);
  const { ids, unknown } = vocabulary(json, tokenizerFile);
  if (ids > rows)
    throw errorIn(
      'corrupt_file',
      weights,
      `tensor ${STATIC_TENSOR}: ${rows} rows for the tokenizer's ${ids} tokens`,
    );

  const { PreTrainedTokenizer } = await loadTransformers();
  const config = (await isFile(configFile)) ? await readJsonObject(configFile) : {};
  const tokenize = attempt(tokenizerFile, () => new PreTrainedTokenizer(json, config));

  const sum = new Float64Array(dim);
  return {
    dim,
    async embed(texts) {
      const vectors = new Float32Array(texts.length * dim);
      const { input_ids: tokens } = tokenize(texts, { add_special_tokens: false, return_tensor: false });
      for (const [i, all] of tokens.entries()) {
        const known = all.filter((id) => id !== unknown).slice(0, TOKENS_MAX);
        sum.fill(0);
        for (const id of known) {
          const row = id * dim;
          for (let d = 0; d < dim; d++) sum[d]! += table[row + d]!;
        }
        // The length of a sum does not matter when it is normalised, but keeps its meaning when it is not.
        for (let d = 0; d < dim; d++) sum[d]! /= known.length || 1;
        writeVector(sum, vectors.subarray(i * dim, (i + 1) * dim), normalize);
      }
      return vectors;
    },
    async dispose() {},
  };
}

/** The tokenizer library reads the JSON without checking it, so whatever it throws means that the file is wrong. */
function attempt<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw errorIn('corrupt_file', file, `is no tokenizer (${(cause as Error).message})`);
  }
}

/** How many ids (highest + 1) the tokenizer may give, and the one that stands for an unknown token. */
function vocabulary(
  json: Record<string, unknown>,
  file: string,
): { readonly ids: number; readonly unknown: number | undefined } {
  const model = (json.model ?? {}) as Record<string, unknown>;
  const { vocab } = model;
  if (typeof vocab !== 'object' || vocab === null)
    throw errorIn('corrupt_file', file, 'model.vocab is missing');
  const added = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  // Unigram models list [token, score] pairs by id; all others map a token to its id.
  const inModel: unknown[] = Array.isArray(vocab) ? [vocab.length - 1] : Object.values(vocab);
  const unknown = Array.isArray(vocab)
    ? model.unk_id
    : (vocab as Record<string, unknown>)[String(model.unk_token)];
  let ids = 0;
  for (const id of [...inModel, ...added.map((token) => (token as { id?: unknown } | null)?.id)]) {
    if (!Number.isSafeInteger(id) || (id as number) < 0)
      throw errorIn('corrupt_file', file, `token id ${id} is not valid`);
    ids = Math.max(ids, (id as number) + 1);
  }
  return { ids, unknown: typeof unknown === 'number' ? unknown : undefined };
}
