/**
 * Neural models: a feature-extraction pipeline of transformers.js over ONNX Runtime. A batch is padded to its
 * longest text, so texts are sorted by their number of tokens first: a long one then slows down its like only.
 *
 * Runs in the embedding process alone: ONNX Runtime blocks its thread, and the library's settings are global.
 */
import { basename, dirname, sep } from 'node:path';
import type { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { LoadedModel, Pooling } from './loaded-model.ts';
import { errorIn } from './model-files.ts';
import { type FeatureExtractor, loadTransformers } from './transformers-library.ts';
import { writeVector } from './unit.ts';

export const ONNX_WEIGHTS = 'onnx/model.onnx';
const BATCH_TEXTS = 16;

/**
 * Loads the ONNX model in a local folder; nothing is ever fetched. Rejects with `model_unavailable` when the library
 * is missing or refuses the model.
 */
export async function loadTransformersModel(
  folder: string,
  pooling: Pooling,
  normalize: boolean,
): Promise<LoadedModel> {
  const library = await loadTransformers();
  library.env.allowRemoteModels = false;
  library.env.allowLocalModels = true;
  library.env.localModelPath = dirname(folder) + sep;
  // The library's own cache of downloads would win over the folder when it holds a model of the same name.
  library.env.useFSCache = false;
  let extract: FeatureExtractor;
  try {
    // The two libraries name full precision differently and ignore each other's word.
    extract = await library.pipeline('feature-extraction', basename(folder), {
      quantized: false,
      dtype: 'fp32',
      local_files_only: true,
    });
  } catch (cause) {
    throw failed('cannot be loaded', cause);
  }

  function failed(what: string, cause: unknown): NearpinError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return errorIn('model_unavailable', folder, `the model ${what}: ${why}`, cause);
  }

  /** f32[texts x dim], pooled. */
  async function run(
    texts: readonly string[],
  ): Promise<{ readonly dim: number; readonly data: Float32Array }> {
    try {
      const { dims, data } = await extract(texts, { pooling, normalize: false });
      const dim = dims[1];
      if (dims.length !== 2 || !dim || data.length !== texts.length * dim)
        throw new Error(`the output has shape [${dims}]`);
      return { dim, data };
    } catch (cause) {
      throw failed('cannot embed', cause);
    }
  }

  // The config need not say the dimension, so one text is embedded to see it, and that the model works at all.
  const { dim } = await run(['text']);
  if (dim < LIMITS.dimMin || dim > LIMITS.dimMax) throw failed('cannot be used', `it has ${dim} dims`);

  return {
    dim,
    async embed(texts) {
      const vectors = new Float32Array(texts.length * dim);
      const sum = new Float64Array(dim);
      const { input_ids: tokens } = extract.tokenizer(texts, {
        add_special_tokens: false,
        return_tensor: false,
      });
      // Texts without a token of their own stay zero: special tokens alone mean nothing, and a batch of none at all
      // would have width 0, which the runtime refuses.
      const order = [...texts.keys()]
        .filter((i) => tokens[i]!.length > 0)
        .sort((a, b) => tokens[a]!.length - tokens[b]!.length);
      for (let start = 0; start < order.length; start += BATCH_TEXTS) {
        const batch = order.slice(start, start + BATCH_TEXTS);
        const { data } = await run(batch.map((i) => texts[i]!));
        for (const [row, i] of batch.entries()) {
          sum.set(data.subarray(row * dim, (row + 1) * dim));
          writeVector(sum, vectors.subarray(i * dim, (i + 1) * dim), normalize);
        }
      }
      return vectors;
    },
    async dispose() {
      await extract.dispose();
    },
  };
}
