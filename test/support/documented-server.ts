/** A server over a catalog of real indexes in an own folder, as the examples of the documents want it: empty at first. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCatalog } from '../../src/cli/catalog.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import type { ServerOptions } from '../../src/server/server.ts';
import { serve } from './http.ts';

export async function catalogServer(options: Partial<ServerOptions> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'nearpin-documents-'));
  const indexesDir = join(dir, 'indexes');
  await mkdir(indexesDir);
  const host = createEngineHost('wasm', 1);
  const catalog = await createCatalog(indexesDir, host, {}, () => {});
  await catalog.load(() => {});
  const server = await serve({ catalog, ...options });
  return {
    ...server,
    dir,
    close: async () => {
      await server.app.close();
      await catalog.close();
      await host.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
