/** The HTTP contract over real engines: an index built to disk, loaded, and searched by worker threads. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buildIndex } from '../../src/build/build-index.ts';
import type { EngineName } from '../../src/engines/engine.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { httpSuite, type OpenEngine } from '../support/http-suite.ts';
import { openEngine } from '../support/open-engine.ts';

const openBuilt =
  (name: EngineName, shards: number): OpenEngine =>
  async ({ dim: _, model, ...config }, pins) => {
    const dir = await mkdtemp(join(tmpdir(), 'nearpin-http-'));
    const host = createEngineHost(name, 1);
    const file = join(dir, 'pins.jsonl');
    await writeFile(file, pins.map((pin) => JSON.stringify(pin)).join('\n'));
    const indexDir = join(dir, 'demo');
    await buildIndex({
      files: [file],
      stdin: Readable.from([]),
      indexDir,
      config,
      shards,
      ...(model !== undefined && { vectorsFrom: model }),
      defaultModel: () => Promise.reject(new Error('the pins have vectors')),
      skipBad: false,
      onBad: () => {},
      onProgress: () => {},
      module: host.module,
      threads: 1,
    });
    const { engine } = await openEngine(indexDir, host);
    const cleanUp = async () => {
      await host.close();
      await rm(dir, { recursive: true, force: true });
    };
    return { engine, cleanUp };
  };

httpSuite('the wasm engine', openBuilt('wasm', 1));
httpSuite('the wasm engine with three shards', openBuilt('wasm', 3));
httpSuite('the exact engine', openBuilt('exact', 1));
