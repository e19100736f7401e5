/**
 * What a manifest records of the model that made its vectors: enough to open the very same model again, in the very
 * same use. It is plain JSON.
 */
import { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Embedder } from './embedder.ts';
import type { Pooling } from './loaded-model.ts';

export const MODEL_KINDS = ['hashed', 'static', 'transformers'] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];

export interface ModelDescription {
  /** Of a local model, where its folder lies below the model folder: `potion-base-2M`, `org/model`. */
  readonly name: string;
  /** Fingerprint of the model's bytes and its use: 12 hex digits; `1` for the hashed model. */
  readonly revision: string;
  readonly kind: ModelKind;
  readonly dim: number;
  readonly normalize: boolean;
  /** Of transformers models only. */
  readonly pooling?: Pooling;
  readonly queryPrefix?: string;
  readonly documentPrefix?: string;
}

export interface DescribedEmbedder extends Embedder {
  readonly description: ModelDescription;
}

/**
 * Checks a description that was read from a file. Throws `corrupt_file` with the path of the bad value below `path`,
 * as in `manifest.model.dim`.
 */
export function parseModelDescription(value: unknown, path: string): ModelDescription {
  const check = (good: boolean, at: string, message: string): void => {
    if (!good) throw new NearpinError('corrupt_file', `${at}: ${message}`, [{ path: at, message }]);
  };
  check(typeof value === 'object' && value !== null && !Array.isArray(value), path, 'must be an object');
  const { name, revision, kind, dim, normalize, pooling, queryPrefix, documentPrefix } = value as Record<
    string,
    unknown
  >;
  check(isModelName(name), `${path}.name`, 'must be a relative path without ".."');
  check(typeof revision === 'string' && revision !== '', `${path}.revision`, 'must be a string');
  check(MODEL_KINDS.includes(kind as ModelKind), `${path}.kind`, `must be one of ${MODEL_KINDS.join(', ')}`);
  const dimGood = Number.isInteger(dim) && Number(dim) >= LIMITS.dimMin && Number(dim) <= LIMITS.dimMax;
  check(dimGood, `${path}.dim`, `must be a whole number from ${LIMITS.dimMin} to ${LIMITS.dimMax}`);
  check(typeof normalize === 'boolean', `${path}.normalize`, 'must be true or false');
  const poolingGood =
    kind === 'transformers' ? pooling === 'mean' || pooling === 'cls' : pooling === undefined;
  check(poolingGood, `${path}.pooling`, 'must be mean or cls for a transformers model, absent for others');
  const isText = (text: unknown): boolean => text === undefined || typeof text === 'string';
  check(isText(queryPrefix), `${path}.queryPrefix`, 'must be a string');
  check(isText(documentPrefix), `${path}.documentPrefix`, 'must be a string');
  return value as ModelDescription;
}

/** Whether a name stays below the folder that it is looked up in. */
export function isModelName(name: unknown): name is string {
  return typeof name === 'string' && name.split(/[/\\]/).every((part) => part !== '' && part !== '..');
}
