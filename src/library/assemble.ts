/** Puts an index together from its parts: the engine over its generation, and the model that made its vectors. */
import { basename, resolve } from 'node:path';
import { type DescribedEmbedder, parseModelDescription } from '../embed/description.ts';
import { type ModelSource, reopenEmbedder } from '../embed/models.ts';
import { type EngineHost, openEngine } from '../engines/open-engine.ts';
import type { Manifest } from '../index/manifest.ts';
import { NearpinError } from '../lib/errors.ts';
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
 * it refuses with the reason, trying anew each time. Throws what openEngine throws.
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
  const open = async () => reopenEmbedder(parseModelDescription(model, `${name}: model`), source);
  let embedder: DescribedEmbedder | undefined;
  let modelError: Error | undefined;
  try {
    embedder = await open();
  } catch (error) {
    modelError = error as Error;
  }
  return {
    index: {
      ...base,
      embed: async (texts, kind) => {
        embedder ??= await open();
        try {
          return await embedder.embed(texts, kind);
        } catch (error) {
          // Its process has died; the next text gets a new one
          if (error instanceof NearpinError && error.code === 'model_unavailable') embedder = undefined;
          throw error;
        }
      },
    },
    manifest,
    ...(modelError && { modelError }),
    close: async () => {
      await engine.close();
      await embedder?.close();
    },
  };
}
