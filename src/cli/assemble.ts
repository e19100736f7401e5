/** Puts an index together from its parts: the engine over its generation, and the model that made its vectors. */
import { basename, resolve } from 'node:path';
import { parseModelDescription } from '../embed/description.ts';
import { type ModelSource, reopenEmbedder } from '../embed/models.ts';
import { type EngineHost, openEngine } from '../engines/open-engine.ts';
import type { Manifest } from '../index/manifest.ts';
import type { OpenIndex } from '../retrieval/open-index.ts';

export interface AssembledIndex {
  readonly index: OpenIndex;
  readonly manifest: Manifest;
  /** Why texts cannot be embedded, when the index has a model that cannot be loaded here. */
  readonly modelError?: Error;
  close(): Promise<void>;
}

/**
 * Opens the index in a directory. An index whose model cannot be loaded still answers everything but texts, which
 * it refuses with the reason. Throws what openEngine throws.
 */
export async function assembleIndex(
  indexDir: string,
  host: EngineHost,
  source: ModelSource,
): Promise<AssembledIndex> {
  const { engine, manifest } = await openEngine(indexDir, host);
  const name = basename(resolve(indexDir));
  const { model } = manifest;
  const base = { name, engine, model: manifest.config.model };
  if (model === null) return { index: base, manifest, close: () => engine.close() };
  try {
    const embedder = await reopenEmbedder(parseModelDescription(model, `${name}: model`), source);
    return {
      index: { ...base, embed: (texts, kind) => embedder.embed(texts, kind) },
      manifest,
      close: async () => {
        await engine.close();
        await embedder.close();
      },
    };
  } catch (error) {
    const modelError = error as Error;
    return {
      index: { ...base, embed: () => Promise.reject(modelError) },
      manifest,
      modelError,
      close: () => engine.close(),
    };
  }
}
