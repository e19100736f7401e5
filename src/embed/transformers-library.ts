/**
 * The transformers.js library, whichever is installed: its successor `@huggingface/transformers` (faster) where the
 * deployment chose it, else `@xenova/transformers`, an optional dependency of ours. Only what both share is typed
 * here and used elsewhere.
 */
import { NearpinError } from '../lib/errors.ts';

const PACKAGES = ['@huggingface/transformers', '@xenova/transformers'] as const;

/** Token ids of each text, without padding or special tokens. */
export type Tokenizer = (
  texts: readonly string[],
  options: { add_special_tokens: false; return_tensor: false },
) => { readonly input_ids: readonly (readonly number[])[] };

export interface FeatureExtractor {
  (
    texts: readonly string[],
    options: { pooling: 'mean' | 'cls'; normalize: false },
  ): Promise<{ readonly dims: readonly number[]; readonly data: Float32Array }>;
  readonly tokenizer: Tokenizer;
  dispose(): Promise<unknown>;
}

export interface TransformersLibrary {
  readonly env: {
    allowRemoteModels: boolean;
    allowLocalModels: boolean;
    localModelPath: string;
    useFSCache: boolean;
  };
  /** Takes the contents of tokenizer.json and tokenizer_config.json. */
  readonly PreTrainedTokenizer: new (
    tokenizer: object,
    config: object,
  ) => Tokenizer;
  pipeline(task: 'feature-extraction', model: string, options: object): Promise<FeatureExtractor>;
}

/**
 * Loads the library. Rejects with `model_unavailable`, saying how to get it, when none is installed, and saying what
 * failed when one is there and does not load. `load` imports a package by name.
 */
export async function loadTransformers(
  load: (name: string) => Promise<unknown> = (name) => import(name),
): Promise<TransformersLibrary> {
  for (const name of PACKAGES) {
    try {
      return (await load(name)) as TransformersLibrary;
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`)) continue;
      throw new NearpinError('model_unavailable', `${name} is installed but does not load: ${message}`, [], {
        cause,
      });
    }
  }
  throw new NearpinError(
    'model_unavailable',
    `this model needs ${PACKAGES.join(' or ')}: npm install ${PACKAGES[1]}@2.17.2`,
  );
}
