/**
 * Fetches a model from the Hugging Face hub, or a mirror of it, into a local folder: once it is there it is a local
 * model like any other, opened without the network. The folder appears with all its files or not at all.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { errorAt, type NearpinError } from '../lib/errors.ts';
import { CONFIG, readJsonObject, TOKENIZER, TOKENIZER_CONFIG } from './model-files.ts';
import { STATIC_WEIGHTS } from './static.ts';
import { ONNX_WEIGHTS } from './transformers.ts';

export const HUB_URL = 'https://huggingface.co';
const HUB_NAME = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

/**
 * Fetches hub model `name` (`org/model`) into `folder`, which must not exist yet: the tokenizer, and the table of a
 * Model2Vec model or the ONNX weights of any other, as `kind` says or else the model's own config. Rejects with
 * `model_unavailable`, naming the address that failed.
 */
export async function downloadModel(
  name: string,
  folder: string,
  kind: 'static' | 'transformers' | undefined,
  hubUrl: string = HUB_URL,
): Promise<void> {
  if (!HUB_NAME.test(name)) throw unavailable(name, 'is not a hub name of the form org/model');
  await mkdir(dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}.download-`);
  const fetchFile = (file: string, optional = false): Promise<void> =>
    download(name, `${hubUrl}/${name}/resolve/main/${file}`, join(partial, file), optional);
  try {
    await fetchFile(CONFIG);
    await fetchFile(TOKENIZER);
    await fetchFile(TOKENIZER_CONFIG, true);
    const isStatic =
      kind === undefined
        ? (await readJsonObject(join(partial, CONFIG))).model_type === 'model2vec'
        : kind === 'static';
    await fetchFile(isStatic ? STATIC_WEIGHTS : ONNX_WEIGHTS);
    await rename(partial, folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function download(name: string, url: string, file: string, optional: boolean): Promise<void> {
  try {
    const response = await fetch(url);
    if (response.status === 404 && optional) return;
    if (!response.ok || response.body === null) throw new Error(`status ${response.status}`);
    await mkdir(dirname(file), { recursive: true });
    await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(file));
  } catch (cause) {
    throw unavailable(name, `cannot be fetched from ${url}: ${reason(cause)}`);
  }
}

/** fetch() says "fetch failed" and keeps why in the cause. */
function reason(cause: unknown): string {
  const inner = (cause as Error).cause;
  return inner instanceof Error ? inner.message || String(inner) : (cause as Error).message;
}

function unavailable(name: string, message: string): NearpinError {
  return errorAt('model_unavailable', 'model', `${name} ${message}`);
}
