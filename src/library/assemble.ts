/** Puts an index together from its parts: the engine over its generations, and the model that made the vectors of each. */
import { basename, resolve } from 'node:path';
import { type DescribedEmbedder, parseModelDescription } from '../embed/description.ts';
import { type ModelSource, reopenEmbedder } from '../embed/models.ts';
import type { EngineHost } from '../engines/engine-host.ts';
import { LiveIndex, type LiveIndexOptions } from '../engines/live-index.ts';
import type { Attach } from '../engines/loaded-generation.ts';
import type { Manifest } from '../index/manifest.ts';
import { NearpinError } from '../lib/errors.ts';
import type { OpenIndex, ServedIndex } from '../retrieval/open-index.ts';

/** What is kept with each generation. */
interface Assembled {
  readonly index: OpenIndex;
  /** Why texts cannot be embedded, when the generation has a model that cannot be loaded here. */
  readonly modelError?: Error;
}

export interface AssembledIndex extends ServedIndex {
  readonly manifest: Manifest;
  /** Why texts could not be embedded when the index was opened. */
  readonly modelError?: Error;
  close(): Promise<void>;
}

/**
 * Opens the index in a directory. An index whose model cannot be loaded still answers everything but texts, which
 * it refuses with the reason, trying anew each time. Throws what LiveIndex.open throws.
 */
export async function assembleIndex(
  indexDir: string,
  host: EngineHost,
  source: ModelSource,
  options: Omit<LiveIndexOptions<unknown>, 'attach'> = {},
): Promise<AssembledIndex> {
  const name = basename(resolve(indexDir));
  const live = await LiveIndex.open(indexDir, host, { ...options, attach: attachModel(name, source) });
  const { manifest, extra } = live.loaded;
  return {
    name,
    live,
    manifest,
    ...(extra.modelError && { modelError: extra.modelError }),
    current: () => live.loaded.extra.index,
    use: (run) => live.use((loaded) => run(loaded.extra.index)),
    close: () => live.close(),
  };
}

/** Opens the model of each generation that is loaded. */
function attachModel(name: string, source: ModelSource): Attach<Assembled> {
  return async ({ model, config }, engine) => {
    const base = { name, engine, model: config.model };
    if (model === null) return { extra: { index: base }, close: async () => {} };
    const open = async () => reopenEmbedder(parseModelDescription(model, `${name}: model`), source);
    let embedder: DescribedEmbedder | undefined;
    let modelError: Error | undefined;
    try {
      embedder = await open();
    } catch (error) {
      modelError = error as Error;
    }
    const embed: OpenIndex['embed'] = async (texts, kind) => {
      embedder ??= await open();
      try {
        return await embedder.embed(texts, kind);
      } catch (error) {
        // Its process has died; the next text gets a new one
        if (error instanceof NearpinError && error.code === 'model_unavailable') embedder = undefined;
        throw error;
      }
    };
    return {
      extra: { index: { ...base, embed: embed! }, ...(modelError && { modelError }) },
      embed: (texts) => embed!(texts, 'document'),
      close: async () => {
        await embedder?.close();
      },
    };
  };
}
