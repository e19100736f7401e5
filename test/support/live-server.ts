/** A server over real indexes in a folder of its own, for tests of what is seen of it. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCatalog } from '../../src/cli/catalog.ts';
import { HASHED_NAME } from '../../src/embed/hashed.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import type { ServerOptions } from '../../src/server/server.ts';
import { exchange, serve } from './http.ts';
import { parseMetrics } from './prometheus.ts';

export interface LiveServer {
  readonly url: string;
  /** Of one index, `demo`. */
  readonly demo: string;
  metrics(): Promise<ReturnType<typeof parseMetrics>>;
  /** A server over the same indexes, of other options. */
  another(
    options: Omit<ServerOptions, 'clock' | 'catalog'>,
  ): Promise<{ url: string; close(): Promise<void> }>;
  close(): Promise<void>;
}

/** Pins of `demo`, which takes texts. */
export const DEMO_PINS = 300;

/** Serves `demo`: pins p0 to p299 in two shards, with words, prices and payloads. */
export async function liveServer(
  options: Omit<ServerOptions, 'clock' | 'catalog'> = {},
): Promise<LiveServer> {
  const dir = await mkdtemp(join(tmpdir(), 'nearpin-live-'));
  const indexes = join(dir, 'indexes');
  await mkdir(indexes);
  const host = createEngineHost('wasm', 1, { background: true });
  const catalog = await createCatalog(indexes, host, {}, () => {});
  await catalog.load(() => {});
  const { telemetry, ...rest } = options;
  const withCpu = { searchCpuS: host.searchCpuS, ...telemetry };
  const server = await serve({ catalog, telemetry: withCpu, ...rest });
  const demo = `${server.url}/v1/indexes/demo`;
  const send = (url: string, body: unknown) =>
    exchange(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const config = {
    model: HASHED_NAME,
    dim: 256,
    shards: 2,
    attributes: { price: 'number', category: 'keyword' },
  };
  const made = await send(demo, config);
  const pins = Array.from({ length: DEMO_PINS }, (_, i) => ({
    id: `p${i}`,
    text: `lamp number ${i} of ${['brass', 'glass', 'steel'][i % 3]}`,
    attributes: { price: i, category: ['lamps', 'chairs'][i % 2]! },
    payload: { title: `Lamp ${i}` },
  }));
  const written = await send(`${demo}/pins`, { pins });
  if (made.status !== 200 || written.status !== 200)
    throw new Error(JSON.stringify([made.body, written.body]));
  return {
    url: server.url,
    demo,
    metrics: async () => parseMetrics((await exchange(`${server.url}/metrics`)).body as string),
    another: async (other) => {
      const { app, url } = await serve({ catalog, ...other });
      return { url, close: () => app.close() };
    },
    close: async () => {
      await server.app.close();
      await catalog.close();
      await host.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
