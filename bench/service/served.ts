/** What runs against a server have in common: its index, its process, and requests with the set's queries. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Packr, Unpackr } from 'msgpackr';
import { buildIndex } from '../../src/build/build-index.ts';
import { wasm } from '../../src/core/webassembly.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';
import { readMatrix } from '../data/matrix.ts';
import type { BenchSet } from '../data/sets.ts';
import { writeNpy } from '../npy.ts';
import { pinned } from '../runs/engine-process.ts';
import type { RunContext } from '../runs/run-context.ts';
import { httpRequest } from './load-generator.ts';

/** How an index is made. */
export interface ServedSet {
  readonly set: BenchSet;
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
}

/** Name of the index that is served. */
export const INDEX = 'bench';
const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

const packr = new Packr({ useRecords: false, variableMapSize: true });

export const FORMATS = {
  json: {
    type: 'application/json',
    encode: (vector: Float32Array, k: number) =>
      Buffer.from(JSON.stringify({ vector: Array.from(vector), k })),
    decode: (body: Buffer): unknown => JSON.parse(body.toString()),
  },
  msgpack: {
    type: 'application/msgpack',
    encode: (vector: Float32Array, k: number) =>
      packr.pack({
        vector: Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength),
        k,
      }),
    decode: (body: Buffer): unknown => new Unpackr({ useRecords: false }).unpack(body),
  },
} as const;

export type Format = keyof typeof FORMATS;

const pathTo = (asks: string) => `/v1/indexes/${INDEX}/${asks}`;
export const QUERY_PATH = pathTo('query');

/** The body of a request for each query of the set. */
export function queryBodies({ queries }: BenchSet, format: Format, k: number): Buffer[] {
  return readMatrix(queries).map((query) => FORMATS[format].encode(query, k));
}

/** The headers of a request by who has a key. */
export const queryHeaders = (format: Format, key: string): Readonly<Record<string, string>> => ({
  'content-type': FORMATS[format].type,
  accept: FORMATS[format].type,
  authorization: `Bearer ${key}`,
});

/** Pins that Related Pins are asked for, spread over the set. */
const SEEDS = 2000;

/** Whole requests for Related Pins with diversity, in msgpack. */
export function relatedRequests({ base }: BenchSet, k: number, key: string): Buffer[] {
  return Array.from({ length: SEEDS }, (_, i) => {
    const seed = String(Math.floor((i * base.rows) / SEEDS));
    const body = packr.pack({ pins: [seed], k, diversity: {} });
    return httpRequest(pathTo('related'), queryHeaders('msgpack', key), body);
  });
}

/** Whole requests with these bodies. */
export function queryRequests(bodies: readonly Buffer[], format: Format, key: string): Buffer[] {
  return bodies.map((body) => httpRequest(QUERY_PATH, queryHeaders(format, key), body));
}

/**
 * Runs with an index of the set in a folder of indexes, and ends the processes that were added to `children`, also when
 * the run is aborted.
 */
export async function withServed<Result>(
  served: ServedSet,
  context: RunContext,
  run: (indexes: string, children: ChildProcess[]) => Promise<Result>,
): Promise<Result> {
  const indexes = mkdtempSync(join(tmpdir(), 'nearpin-bench-'));
  const children: ChildProcess[] = [];
  const stop = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  context.signal.addEventListener('abort', stop);
  try {
    await buildServed(indexes, served, context);
    return await run(indexes, children);
  } finally {
    context.signal.removeEventListener('abort', stop);
    stop();
    rmSync(indexes, { recursive: true, force: true });
  }
}

/** Its pins have their ordinals as ids. */
async function buildServed(
  indexes: string,
  { set, m, efConstruction, seed }: ServedSet,
  context: RunContext,
): Promise<void> {
  const { base, metric } = set;
  const file = join(indexes, 'vectors.npy');
  writeNpy(file, readMatrix(base), base.rows, base.dim, '<f4');
  await buildIndex({
    files: [file],
    stdin: process.stdin,
    indexDir: join(indexes, INDEX),
    config: { metric, m, efConstruction, seed },
    shards: 1,
    defaultModel: () => Promise.reject(new Error('there are no texts')),
    skipBad: false,
    onBad: () => {},
    onProgress: ({ done }) => context.progress(`${set.name}: building`, done, base.rows),
    module: new wasm.Module(readCoreBinary()),
    threads: 1,
    signal: context.signal,
  });
  rmSync(file);
}

/**
 * `nearpin serve` with one search thread over a folder of indexes, for who has a key, and the key.
 * @param settings in flags, beside those
 */
export async function startNearpin(
  indexes: string,
  children: ChildProcess[],
  { cores }: RunContext,
  settings: readonly string[] = [],
) {
  const keysFile = join(indexes, 'keys.json');
  const add = ['keys', 'add', 'bench', '--scopes', 'read,metrics', '--keys-file', keysFile, '--json'];
  const made = execFileSync(process.execPath, [CLI, ...add], { stdio: ['ignore', 'pipe', 'ignore'] });
  const { key, id: keyId } = JSON.parse(made.toString()) as { key: string; id: string };
  const args = [
    'serve',
    '--indexes',
    indexes,
    '--port',
    '0',
    '--workers',
    '1',
    '--keys-file',
    keysFile,
    '--health-port',
    '0',
    ...settings,
    '--json',
  ];
  const [command, ...rest] = pinned(cores, [process.execPath, CLI, ...args]);
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 2] });
  children.push(child);
  const lines = createInterface({ input: child.stdout! });
  const [line] = (await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`nearpin serve ended with ${code}`);
    }),
  ])) as [string];
  const { url, healthUrl } = JSON.parse(line) as { url: string; healthUrl: string };
  const portOf = (address: string) => Number(new URL(address).port);
  return { child, port: portOf(url), healthPort: portOf(healthUrl), key, keyId };
}
