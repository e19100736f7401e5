/**
 * What serving costs beyond searching: `nearpin serve` over an index of the set, the same searches without a server, and
 * servers that take the same requests and return a constant body, in turns. Servers have a core of their own, the client
 * has the others. What is taken off a request is told twice: what a search takes in a process that does nothing else,
 * and what the searches of these very requests took in the core, which turns of the server leave with cold caches.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Packr, Unpackr } from 'msgpackr';
import { buildIndex } from '../../src/build/build-index.ts';
import { wasm } from '../../src/core/webassembly.ts';
import { DEFAULT_EF } from '../../src/engines/shard-engine.ts';
import { quantile } from '../../src/lib/quantile.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';
import { currentGeneration, readManifest } from '../../src/storage/generation.ts';
import { readMatrix } from '../data/matrix.ts';
import type { BenchSet } from '../data/sets.ts';
import { recallOf } from '../data/truth.ts';
import { writeNpy } from '../npy.ts';
import { leaveCores } from '../report/environment.ts';
import type { ServiceRecord } from '../report/record.ts';
import { spreadOf } from '../report/statistics.ts';
import type { ConstantAnswer } from '../service/constant-app.ts';
import { generateLoad, httpRequest } from '../service/load-generator.ts';
import { cpuSecondsOf, searchCpuSecondsOf } from '../service/process-cpu.ts';
import { EngineProcess, pinned } from './engine-process.ts';
import type { RunContext } from './run-context.ts';
import { setTruth } from './set-truth.ts';

export interface ServiceRunOptions {
  /** Of the definition. */
  readonly title: string;
  readonly set: BenchSet;
  readonly k: number;
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  readonly passes: number;
  readonly connections: readonly number[];
  /** Requests of one measurement. */
  readonly requests: number;
}

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const CONSTANT_APP = fileURLToPath(new URL('../service/constant-app.js', import.meta.url));
const INDEX = 'bench';
const WARM_UP = 500;

const FORMATS = {
  json: {
    type: 'application/json',
    encode: (vector: Float32Array, k: number) =>
      Buffer.from(JSON.stringify({ vector: Array.from(vector), k })),
    decode: (body: Buffer): unknown => JSON.parse(body.toString()),
  },
  msgpack: {
    type: 'application/msgpack',
    encode: (vector: Float32Array, k: number) =>
      new Packr({ useRecords: false, variableMapSize: true }).pack({
        vector: Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength),
        k,
      }),
    decode: (body: Buffer): unknown => new Unpackr({ useRecords: false }).unpack(body),
  },
} as const;

type Format = keyof typeof FORMATS;

interface Pass {
  readonly rps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number | null;
  readonly coreCpuUs: number | null;
}

/** What one search costs without a server. */
interface Searched {
  readonly p50Us: number;
  readonly cpuUs: number;
}

interface Server {
  readonly name: ServiceRecord['server'];
  readonly format: Format;
  readonly port: number;
  readonly child: ChildProcess;
  readonly requests: readonly Buffer[];
}

export async function runService(options: ServiceRunOptions, context: RunContext): Promise<ServiceRecord[]> {
  const { set } = options;
  const folder = mkdtempSync(join(tmpdir(), 'nearpin-bench-'));
  const children: ChildProcess[] = [];
  const stop = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  context.signal.addEventListener('abort', stop);
  let comeBack = () => {};
  let searching: EngineProcess | undefined;
  try {
    await buildServed(join(folder, INDEX), folder, options, context);
    searching = await openSearches(join(folder, INDEX), options, context);
    const searches: Searched[] = [];
    const nearpin = await startNearpin(folder, children, context);
    const queries = readMatrix(set.queries);
    const servers: Server[] = [];
    const recalls = new Map<Format, number>();
    for (const format of Object.keys(FORMATS) as Format[]) {
      const { type, encode, decode } = FORMATS[format];
      const requests = queries.map((query) =>
        httpRequest(`/v1/indexes/${INDEX}/query`, type, encode(query, options.k)),
      );
      const load = { port: nearpin.port, requests, count: requests.length, connections: 1 };
      const { bodies } = await generateLoad(load);
      recalls.set(format, await recallOfAnswers(bodies, format, options, context));
      servers.push({ name: 'nearpin', format, ...nearpin, requests });
      const answer = { name: INDEX, type, body: bodies[0]!, answer: decode(bodies[0]!) as object };
      for (const name of ['constant', 'bare'] as const) {
        const started = await startConstant({ ...answer, server: name }, children, context);
        servers.push({ name, format, ...started, requests });
      }
    }
    const points = options.connections.flatMap((connections) =>
      servers.map((server) => ({ server, connections, passes: [] as Pass[] })),
    );
    comeBack = leaveCores(context.cores);
    for (let pass = 0; pass < options.passes; pass++) {
      searches.push(await timeSearches(searching, options));
      for (const [i, point] of points.entries()) {
        point.passes.push(await measure(point.server, point.connections, options.requests));
        context.progress(
          `${set.name}: serving`,
          pass * points.length + i + 1,
          options.passes * points.length,
        );
      }
    }
    return points.map(({ server, connections, passes }): ServiceRecord => {
      const middle = (value: (pass: Pass) => number) => spreadOf(passes.map(value)).median;
      const middleOrNull = (value: (pass: Pass) => number | null) =>
        passes.some((pass) => value(pass) === null) ? null : middle((pass) => value(pass)!);
      const rps = spreadOf(passes.map((pass) => pass.rps));
      return {
        kind: 'service',
        run: options.title,
        server: server.name,
        dataset: set.name,
        n: set.base.rows,
        dim: set.base.dim,
        k: options.k,
        ef: DEFAULT_EF,
        format: server.format,
        connections,
        requests: options.requests,
        recall: server.name === 'nearpin' ? recalls.get(server.format)! : null,
        rps: rps.median,
        rpsSpread: rps,
        p50Us: middle(({ p50Us }) => p50Us),
        p99Us: middle(({ p99Us }) => p99Us),
        cpuUs: middleOrNull(({ cpuUs }) => cpuUs),
        coreCpuUs: middleOrNull(({ coreCpuUs }) => coreCpuUs),
        searchP50Us: spreadOf(searches.map(({ p50Us }) => p50Us)).median,
        searchCpuUs: spreadOf(searches.map(({ cpuUs }) => cpuUs)).median,
      };
    });
  } finally {
    comeBack();
    await searching?.close();
    context.signal.removeEventListener('abort', stop);
    stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An index of the set, whose pins have their ordinals as ids. */
async function buildServed(
  indexDir: string,
  folder: string,
  { set, m, efConstruction, seed }: ServiceRunOptions,
  context: RunContext,
): Promise<void> {
  const { base, metric } = set;
  const file = join(folder, 'vectors.npy');
  writeNpy(file, readMatrix(base), base.rows, base.dim, '<f4');
  await buildIndex({
    files: [file],
    stdin: process.stdin,
    indexDir,
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

/** A process that does the searches of the server and nothing else. */
async function openSearches(
  indexDir: string,
  { set, m, efConstruction, seed }: ServiceRunOptions,
  context: RunContext,
): Promise<EngineProcess> {
  const dir = join(indexDir, await currentGeneration(indexDir));
  const { shards } = await readManifest(dir);
  const process = new EngineProcess('wasm', context);
  try {
    await process.ask('open', { engine: 'wasm' });
    const { base, queries, metric } = set;
    const spec = { dim: base.dim, metric, count: base.rows, m, efConstruction, seed, threads: 1 };
    const [shard] = shards;
    const path = join(dir, shard!.file);
    await process.ask('load', { spec, attributes: [], base, queries, path, saved: shard });
    return process;
  } catch (error) {
    await process.close();
    throw error;
  }
}

/** Times every query once. */
async function timeSearches(process: EngineProcess, { set, k }: ServiceRunOptions): Promise<Searched> {
  const passed = await process.ask('pass', { k, ef: DEFAULT_EF, filter: null, threads: 1 });
  const { cpuS, latenciesUs } = passed!;
  return { p50Us: quantile(latenciesUs, 0.5), cpuUs: (cpuS * 1e6) / set.queries.rows };
}

async function startNearpin(indexes: string, children: ChildProcess[], { cores }: RunContext) {
  const args = ['serve', '--indexes', indexes, '--port', '0', '--workers', '1', '--json'];
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
  return { child, port: Number(new URL((JSON.parse(line) as { url: string }).url).port) };
}

async function startConstant(constant: ConstantAnswer, children: ChildProcess[], { cores }: RunContext) {
  const [command, ...rest] = pinned(cores, [process.execPath, CONSTANT_APP]);
  const child = spawn(command!, rest, { stdio: ['ignore', 2, 2, 'ipc'], serialization: 'advanced' });
  children.push(child);
  child.send(constant);
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

async function recallOfAnswers(
  bodies: readonly Buffer[],
  format: Format,
  { set, k }: ServiceRunOptions,
  context: RunContext,
): Promise<number> {
  const ordinals = new Uint32Array(bodies.length * k);
  const counts = new Uint32Array(bodies.length);
  for (const [q, body] of bodies.entries()) {
    const { hits } = FORMATS[format].decode(body) as { hits: { id: string }[] };
    counts[q] = hits.length;
    for (const [i, { id }] of hits.entries()) ordinals[q * k + i] = Number(id);
  }
  const truth = await setTruth(set, k, context);
  return recallOf({ ordinals, counts, k, truth, windows: undefined }, set).recall;
}

async function measure(server: Server, connections: number, count: number): Promise<Pass> {
  const { name, port, requests, child } = server;
  await generateLoad({ port, requests, count: Math.min(WARM_UP, count), connections });
  const searchedBefore = name === 'nearpin' ? await searchCpuSecondsOf(port) : null;
  const before = cpuSecondsOf(child.pid!);
  const { wallS, latenciesUs } = await generateLoad({ port, requests, count, connections });
  const after = cpuSecondsOf(child.pid!);
  const searchedAfter = name === 'nearpin' ? await searchCpuSecondsOf(port) : null;
  const perRequestUs = (from: number | null, to: number | null) =>
    from === null || to === null ? null : ((to - from) * 1e6) / count;
  return {
    rps: count / wallS,
    p50Us: quantile(latenciesUs, 0.5),
    p99Us: quantile(latenciesUs, 0.99),
    cpuUs: perRequestUs(before, after),
    coreCpuUs: perRequestUs(searchedBefore, searchedAfter),
  };
}
