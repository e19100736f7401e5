/**
 * Model names: what a name stands for, which revision it is, and an embedder for it.
 *
 * - `hashed-ngrams`, `hashed-ngrams-512`, `hashed-ngrams-512@1`: the built-in model (256 dims by default).
 * - a folder, by its name below the model folder or by a path: a static model when it has `model.safetensors` with a
 *   tensor `embeddings`, else a transformers model when it has `onnx/model.onnx`; with both, `kind` chooses.
 * - `org/model` of the hub, fetched into the model folder once, when downloads are allowed.
 *
 * A local model's revision is a fingerprint of its bytes and its use (kind, pooling, normalising, prefixes), since
 * the same weights used in another way are another model. A name may carry a revision, `name@revision`, which is
 * then held against what was found.
 */
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { errorAt, type NearpinError } from '../lib/errors.ts';
import type { DescribedEmbedder, ModelDescription, ModelKind } from './description.ts';
import { HASHED_DIM_DEFAULT, HASHED_NAME, HASHED_REVISION, HashedEmbedder } from './hashed.ts';
import { downloadModel } from './hub.ts';
import type { Pooling } from './loaded-model.ts';
import {
  CONFIG,
  errorIn,
  isFile,
  isFolder,
  readJsonObject,
  revisionOf,
  TOKENIZER,
  TOKENIZER_CONFIG,
} from './model-files.ts';
import { ProcessEmbedder } from './process-embedder.ts';
import { readTensorInfos } from './safetensors.ts';
import { STATIC_TENSOR, STATIC_WEIGHTS } from './static.ts';
import { ONNX_WEIGHTS } from './transformers.ts';

/** Where models come from; a deployment's choice, not a part of the model. */
export interface ModelSource {
  /** Folder of model folders; the working folder by default. Downloads need it and go there. */
  readonly modelDir?: string | undefined;
  /** Fetch a model that is not there from the hub. Off by default. */
  readonly allowDownload?: boolean | undefined;
  /** Address of the hub or a mirror. */
  readonly hubUrl?: string | undefined;
}

export interface ModelSpec extends ModelSource {
  readonly name: string;
  readonly kind?: ModelKind | undefined;
  /** Of transformers models; mean by default. */
  readonly pooling?: Pooling | undefined;
  /** By default what a static model's config says (no, if nothing), and yes for transformers models. */
  readonly normalize?: boolean | undefined;
  readonly queryPrefix?: string | undefined;
  readonly documentPrefix?: string | undefined;
}

/** `name@revision`; a revision is 12 hex digits, or the small number of a built-in model. */
const VERSIONED = /^(.*)@([0-9a-f]{12}|[0-9]+)$/s;
const HASHED = new RegExp(`^${HASHED_NAME}(?:-([0-9]+))?$`);

/**
 * Opens the model that a spec names. Rejects with `bad_config` (a setting that the model does not have),
 * `model_unavailable` (no such model, or its library is missing), `model_mismatch` (another revision than the name
 * asks for), `missing_file` or `corrupt_file` (a model folder that is not whole).
 */
export async function openEmbedder(spec: ModelSpec): Promise<DescribedEmbedder> {
  const [, name = spec.name, revision] = VERSIONED.exec(spec.name) ?? [];
  if (name === '') throw errorAt('bad_config', 'model', 'the name is empty');
  const hashed = HASHED.exec(name);
  return hashed
    ? openHashed(Number(hashed[1] ?? HASHED_DIM_DEFAULT), revision, spec)
    : openLocal(name, revision, spec);
}

/**
 * Opens the model that a manifest describes: the same name, revision and use, or an error as of `openEmbedder`. The
 * description is one that `parseModelDescription` let through.
 */
export function reopenEmbedder(
  description: ModelDescription,
  source: ModelSource,
): Promise<DescribedEmbedder> {
  const { name, revision, dim: _, ...use } = description;
  return openEmbedder({ ...use, ...source, name: `${name}@${revision}` });
}

function openHashed(dim: number, revision: string | undefined, spec: ModelSpec): DescribedEmbedder {
  if (spec.kind !== undefined && spec.kind !== 'hashed') throw unfitting('kind');
  if (spec.pooling !== undefined) throw unfitting('pooling');
  if (spec.normalize === false) throw unfitting('normalize');
  if (spec.queryPrefix) throw unfitting('queryPrefix');
  if (spec.documentPrefix) throw unfitting('documentPrefix');
  const embedder = new HashedEmbedder(dim);
  checkRevision(embedder.description.name, revision, HASHED_REVISION);
  return embedder;
}

function unfitting(setting: string): NearpinError {
  return errorAt('bad_config', `model.${setting}`, 'this kind of model does not have that setting');
}

function checkRevision(name: string, asked: string | undefined, found: string): void {
  if (asked !== undefined && asked !== found)
    throw errorAt('model_mismatch', 'model', `${name}@${asked} is asked for, ${name}@${found} is there`);
}

async function openLocal(
  asked: string,
  askedRevision: string | undefined,
  spec: ModelSpec,
): Promise<DescribedEmbedder> {
  if (spec.kind === 'hashed') throw unfitting('kind');
  const { folder, name } = await findFolder(asked, spec.kind, spec);
  const kind = spec.kind ?? (await kindOf(folder));
  if (kind === 'static' && spec.pooling !== undefined && spec.pooling !== 'mean') throw unfitting('pooling');
  // Asked for even where it is not needed: without it the folder is not whole.
  const config = await readJsonObject(join(folder, CONFIG));
  const normalize = spec.normalize ?? (kind === 'static' ? normalizeOf(config, join(folder, CONFIG)) : true);
  const pooling = spec.pooling ?? 'mean';
  const { queryPrefix = '', documentPrefix = '' } = spec;
  const files = [kind === 'static' ? STATIC_WEIGHTS : ONNX_WEIGHTS, TOKENIZER];
  // A transformers model needs it, a static model may do without.
  if (kind === 'transformers' || (await isFile(join(folder, TOKENIZER_CONFIG)))) files.push(TOKENIZER_CONFIG);
  const use = [kind, pooling, normalize, queryPrefix, documentPrefix];
  const revision = await revisionOf(folder, files, use);
  checkRevision(name, askedRevision, revision);
  return ProcessEmbedder.open(
    { kind, folder, pooling, normalize },
    {
      name,
      revision,
      kind,
      normalize,
      ...(kind === 'transformers' && { pooling }),
      ...(queryPrefix && { queryPrefix }),
      ...(documentPrefix && { documentPrefix }),
    },
  );
}

/** The model's folder and the name that it is recorded under, by which the model folder finds it again. */
async function findFolder(
  asked: string,
  kind: 'static' | 'transformers' | undefined,
  source: ModelSource,
): Promise<{ readonly folder: string; readonly name: string }> {
  const modelDir = resolve(source.modelDir ?? '.');
  for (const folder of [resolve(modelDir, asked), resolve(asked)])
    if (await isFolder(folder)) return { folder, name: recordedName(folder, source.modelDir) };
  if (!source.allowDownload) {
    const message = `there is no folder ${asked} in ${modelDir}, and downloads are not allowed`;
    throw errorAt('model_unavailable', 'model', message);
  }
  if (source.modelDir === undefined)
    throw errorAt('bad_config', 'modelDir', 'a download needs a model folder to go to');
  const folder = join(modelDir, asked);
  await downloadModel(asked, folder, kind, source.hubUrl);
  return { folder, name: asked };
}

function recordedName(folder: string, modelDir: string | undefined): string {
  const below = modelDir === undefined ? '' : relative(resolve(modelDir), folder);
  const inside = below !== '' && below.split(sep)[0] !== '..' && !isAbsolute(below);
  return inside ? below.split(sep).join('/') : basename(folder);
}

async function kindOf(folder: string): Promise<'static' | 'transformers'> {
  const weights = join(folder, STATIC_WEIGHTS);
  const onnx = await isFile(join(folder, ONNX_WEIGHTS));
  // Neural models may carry their own weights under this name too; the tensor tells. A damaged file is an error even
  // beside ONNX weights: the same name must not become another model.
  if (await isFile(weights)) {
    if ((await readTensorInfos(weights)).has(STATIC_TENSOR)) return 'static';
    if (!onnx)
      throw errorIn(
        'missing_file',
        folder,
        `${STATIC_WEIGHTS} has no tensor ${STATIC_TENSOR}, and there is no ${ONNX_WEIGHTS}`,
      );
  }
  if (onnx) return 'transformers';
  throw errorIn('missing_file', folder, `there is neither ${STATIC_WEIGHTS} nor ${ONNX_WEIGHTS}`);
}

function normalizeOf(config: Record<string, unknown>, file: string): boolean {
  const { normalize = false } = config;
  if (typeof normalize === 'boolean') return normalize;
  throw errorIn('corrupt_file', file, 'normalize is neither true nor false');
}
