/** Puts an index together from its parts: the engine over its generations, and the model that made the vectors of each. */
import { basename, resolve } from 'node:path';
import { type DescribedEmbedder, parseModelDescription } from '../embed/description.ts';
import { type ModelSource, reopenEmbedder } from '../embed/models.ts';
import type { EngineHost } from '../engines/engine-host.ts';
import { LiveIndex, type LiveIndexOptions } from '../engines/live-index.ts';
import type { Attach, LoadedGeneration } from '../engines/loaded-generation.ts';
import type { Manifest } from '../index/manifest.ts';
import { NearpinError } from '../lib/errors.ts';
import type { MixerConfig } from '../retrieval/mixer-config.ts';
import type { OpenIndex, ServedIndex } from '../retrieval/open-index.ts';
import { rememberQueries } from '../retrieval/query-embeddings.ts';
import { Besides, type OnProblem } from './besides.ts';

/** Embeddings of queries that are kept with each model. */
const QUERIES_REMEMBERED = 1024;

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
  /** Requests that come from now on are answered by this mixer config; `problem` says why it is not a newer one. */
  setMixer(mixer: MixerConfig | undefined, problem?: NearpinError): void;
  /**
   * Loads these generations beside the one that is served, where that is not done yet, and lets go of others. `onProblem`
   * hears of each that cannot be loaded.
   */
  keepBeside(generations: readonly string[], onProblem: OnProblem): Promise<void>;
  /** Brings those the updates up to now; one that cannot take them is let go of, and `onProblem` hears why. */
  followBeside(onProblem: OnProblem): Promise<void>;
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
  const besides = new Besides(live);
  let mixer: MixerConfig | undefined;
  let problem: NearpinError | undefined;
  /** Generations as requests see them, under the mixer config of now. */
  let mixed = new WeakMap<OpenIndex, OpenIndex>();
  const withMixer = ({ extra: { index } }: LoadedGeneration<Assembled>): OpenIndex => {
    if (mixer === undefined) return index;
    let made = mixed.get(index);
    if (made === undefined) {
      made = { ...index, mixer };
      mixed.set(index, made);
    }
    return made;
  };
  return {
    name,
    live,
    manifest,
    ...(extra.modelError && { modelError: extra.modelError }),
    current: () => withMixer(live.loaded),
    use: (run) => live.use((loaded) => run(withMixer(loaded))),
    mixerProblem: () => problem,
    setMixer: (next, why) => {
      mixer = next;
      problem = why;
      mixed = new WeakMap();
    },
    keepBeside: (generations, onProblem) => besides.keep(generations, onProblem),
    followBeside: (onProblem) => besides.follow(onProblem),
    beside: (generation) => {
      const loaded = besides.get(generation);
      if (loaded === undefined) return undefined;
      return {
        name,
        current: () => withMixer(loaded),
        use: async (run) => {
          const release = loaded.hold();
          try {
            return await run(withMixer(loaded));
          } finally {
            release();
          }
        },
      };
    },
    close: async () => {
      await besides.close();
      await live.close();
    },
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
      extra: {
        index: { ...base, embed: rememberQueries(embed!, QUERIES_REMEMBERED) },
        ...(modelError && { modelError }),
      },
      embed: (texts) => embed!(texts, 'document'),
      close: async () => {
        await embedder?.close();
      },
    };
  };
}
