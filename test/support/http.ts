/** A server on a free port for tests, and requests to it in both formats, with real fetch. */
import type { AddressInfo } from 'node:net';
import { Packr, Unpackr } from 'msgpackr';
import type { OpenIndex, ServedIndex } from '../../src/retrieval/open-index.ts';
import type { Catalog, CatalogEntry } from '../../src/server/catalog.ts';
import { createServer, type ServerOptions } from '../../src/server/server.ts';

// The test's own codec, so that encoder and decoder of the server are not tested against themselves.
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false });
export const pack = (value: unknown): Buffer => packr.pack(value);
export const unpack = (bytes: Uint8Array): unknown => unpackr.unpack(bytes);

export const clock = (): number => performance.timeOrigin + performance.now();

/** An index of one generation for ever. */
export const served = (index: OpenIndex): ServedIndex => ({
  name: index.name,
  use: (run) => run(index),
  current: () => index,
});

export const ready = (index: OpenIndex): CatalogEntry => ({
  name: index.name,
  status: 'ready',
  index: served(index),
});

export function catalogOf(entries: readonly CatalogEntry[]): Catalog {
  return { list: () => entries, get: (name) => entries.find((entry) => entry.name === name) };
}

export async function serve(options: Omit<ServerOptions, 'clock'>) {
  const app = createServer({ clock, ...options });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return { app, port, url: `http://127.0.0.1:${port}` };
}

export interface Exchange {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  /** Decoded by its type; undefined when empty. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and assert on them
  readonly body: any;
}

/** fetch, with the body of the answer read and decoded. */
export async function exchange(url: string, init: RequestInit = {}): Promise<Exchange> {
  const response = await fetch(url, init);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  const text = () => new TextDecoder().decode(bytes);
  const body =
    bytes.length === 0
      ? undefined
      : type.includes('msgpack')
        ? unpack(bytes)
        : type.includes('json')
          ? JSON.parse(text())
          : text();
  return { status: response.status, type, headers: response.headers, body };
}

export function postJson(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Exchange> {
  return exchange(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** Posts msgpack, and asks for it; raw bytes are sent as they are. */
export function postMsgpack(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Exchange> {
  const bytes = Buffer.isBuffer(body) ? body : pack(body);
  return exchange(url, {
    method: 'POST',
    headers: { 'content-type': 'application/msgpack', accept: 'application/msgpack', ...headers },
    body: new Uint8Array(bytes),
  });
}
