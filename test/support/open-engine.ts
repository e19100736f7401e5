/** An index opened with nothing beside its engine. */
import type { Engine } from '../../src/engines/engine.ts';
import type { EngineHost } from '../../src/engines/engine-host.ts';
import { LiveIndex, type LiveIndexOptions } from '../../src/engines/live-index.ts';
import type { Manifest } from '../../src/index/manifest.ts';

export interface OpenedIndex {
  /** The generation that is served at each call. */
  readonly engine: Engine;
  readonly manifest: Manifest;
  readonly live: LiveIndex<undefined>;
}

/** Opens the index in a directory; closing the engine closes the index. */
export async function openEngine(
  indexDir: string,
  host: EngineHost,
  options: Omit<LiveIndexOptions<undefined>, 'attach'> = {},
): Promise<OpenedIndex> {
  const live = await LiveIndex.open(indexDir, host, {
    ...options,
    attach: async () => ({ extra: undefined, close: async () => {} }),
  });
  const engine: Engine = {
    get config() {
      return live.loaded.engine.config;
    },
    describe: () => live.loaded.engine.describe(),
    search: (query) => live.use(({ engine }) => engine.search(query)),
    lexical: {
      describe: () => live.loaded.lexical.describe(),
      search: (query) => live.use(({ lexical }) => lexical.search(query)),
    },
    pins: (ids, parts) => live.use(({ engine }) => engine.pins(ids, parts)),
    productsWith: (vectors) => live.loaded.engine.productsWith(vectors),
    sample: (count, seed) => live.use(({ engine }) => engine.sample(count, seed)),
    close: () => live.close(),
  };
  return { engine, manifest: live.loaded.manifest, live };
}
