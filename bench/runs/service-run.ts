/**
 * What serving costs beyond searching: `nearpin serve` over an index of the set, the same searches without a server, and
 * servers that take the same requests and return a constant body, in turns. Servers have a core of their own, the client
 * has the others. What is taken off a request is told twice: what a search takes in a process that does nothing else,
 * and what the searches of these very requests took in the core, which turns of the server leave with cold caches.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_EF } from '../../src/engines/shard-engine.ts';
import { quantile } from '../../src/lib/quantile.ts';
import { currentGeneration, readManifest } from '../../src/storage/generation.ts';
import { recallOf } from '../data/truth.ts';
import { leaveCores } from '../report/environment.ts';
import type { ServiceRecord } from '../report/record.ts';
import { spreadOf } from '../report/statistics.ts';
import { findAutocannon, fire } from '../service/autocannon.ts';
import type { ConstantAnswer } from '../service/constant-app.ts';
import { generateLoad } from '../service/load-generator.ts';
import { cpuSecondsOf, searchCpuSecondsOf } from '../service/process-cpu.ts';
import {
  FORMATS,
  type Format,
  INDEX,
  QUERY_PATH,
  queryBodies,
  queryHeaders,
  queryRequests,
  type ServedSet,
  startNearpin,
  withServed,
} from '../service/served.ts';
import { EngineProcess, pinned } from './engine-process.ts';
import type { RunContext } from './run-context.ts';
import { setTruth } from './set-truth.ts';

export interface ServiceRunOptions extends ServedSet {
  /** Of the definition. */
  readonly title: string;
  readonly k: number;
  readonly passes: number;
  readonly connections: readonly number[];
  /** Connections of load by autocannon. */
  readonly cannons: readonly number[];
  /** Requests of one measurement. */
  readonly requests: number;
}

const CONSTANT_APP = fileURLToPath(new URL('../service/constant-app.js', import.meta.url));
const WARM_UP = 500;
/** What an answer costs is measured: nothing is refused when the machine stands still for a moment. */
const PATIENT = ['--max-wait-ms', '10000'];

interface Pass {
  readonly rps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
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
  readonly key: string;
  readonly bodies: readonly Buffer[];
  readonly requests: readonly Buffer[];
}

/** So many requests on so many connections. */
type Ask = (
  server: Server,
  load: { readonly count: number; readonly connections: number },
) => Promise<{ readonly wallS: number; readonly latenciesUs: Float64Array }>;

interface Point {
  readonly server: Server;
  readonly connections: number;
  readonly client: ServiceRecord['client'];
  readonly ask: Ask;
  readonly passes: Pass[];
}

export async function runService(options: ServiceRunOptions, context: RunContext): Promise<ServiceRecord[]> {
  const { set } = options;
  return withServed(options, context, async (folder, children) => {
    const searching = await openSearches(join(folder, INDEX), options, context);
    let comeBack = () => {};
    try {
      const searches: Searched[] = [];
      const nearpin = await startNearpin(folder, children, context, PATIENT);
      const { key, keyId } = nearpin;
      const servers: Server[] = [];
      const recalls = new Map<Format, number>();
      for (const format of Object.keys(FORMATS) as Format[]) {
        const { type, decode } = FORMATS[format];
        const bodies = queryBodies(set, format, options.k);
        const requests = queryRequests(bodies, format, key);
        const load = { port: nearpin.port, requests, count: requests.length, connections: 1 };
        const { bodies: answers } = await generateLoad(load);
        recalls.set(format, await recallOfAnswers(answers, format, options, context));
        servers.push({ name: 'nearpin', format, ...nearpin, bodies, requests });
        const answer = {
          name: INDEX,
          type,
          body: answers[0]!,
          answer: decode(answers[0]!) as object,
          key,
          keyId,
        };
        for (const name of ['constant', 'bare'] as const) {
          const started = await startConstant({ ...answer, server: name }, children, context);
          servers.push({ name, format, ...started, key, bodies, requests });
        }
      }
      const points = pointsOf(servers, options, context);
      comeBack = leaveCores(context.cores);
      for (let pass = 0; pass < options.passes; pass++) {
        searches.push(await timeSearches(searching, options));
        for (const [i, point] of points.entries()) {
          point.passes.push(await measure(point, options.requests));
          context.progress(
            `${set.name}: serving`,
            pass * points.length + i + 1,
            options.passes * points.length,
          );
        }
      }
      return points.map(({ server, connections, client, passes }): ServiceRecord => {
        const middle = (value: (pass: Pass) => number) => spreadOf(passes.map(value)).median;
        const spread = (value: (pass: Pass) => number | null) =>
          passes.some((pass) => value(pass) === null) ? null : spreadOf(passes.map((pass) => value(pass)!));
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
          ...(client !== undefined && { client }),
          connections,
          requests: options.requests,
          recall: server.name === 'nearpin' ? recalls.get(server.format)! : null,
          rps: rps.median,
          rpsSpread: rps,
          p50Us: spreadOf(passes.map(({ p50Us }) => p50Us)),
          p99Us: middle(({ p99Us }) => p99Us),
          p999Us: middle(({ p999Us }) => p999Us),
          cpuUs: spread(({ cpuUs }) => cpuUs),
          coreCpuUs: spread(({ coreCpuUs }) => coreCpuUs),
          searchP50Us: spreadOf(searches.map(({ p50Us }) => p50Us)),
          searchCpuUs: spreadOf(searches.map(({ cpuUs }) => cpuUs)),
        };
      });
    } finally {
      comeBack();
      await searching.close();
    }
  });
}

/** What is measured in turns: each server by the benchmark's own load, and by autocannon's. */
function pointsOf(
  servers: readonly Server[],
  { connections, cannons }: ServiceRunOptions,
  context: RunContext,
): Point[] {
  const own: Ask = ({ port, requests }, load) => generateLoad({ port, requests, ...load });
  const point = (ask: Ask, client: Point['client']) => (count: number) =>
    servers.map((server): Point => ({ server, connections: count, client, ask, passes: [] }));
  const autocannon = findAutocannon();
  if (autocannon === undefined && cannons.length > 0) context.note('autocannon is not installed');
  const cannon: Ask = ({ port, bodies, format, key }, load) =>
    fire(autocannon!, { port, path: QUERY_PATH, headers: queryHeaders(format, key), bodies, ...load });
  return [
    ...connections.flatMap(point(own, undefined)),
    ...(autocannon === undefined ? [] : cannons.flatMap(point(cannon, 'autocannon'))),
  ];
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

async function measure({ server, connections, ask }: Point, count: number): Promise<Pass> {
  const { name, port, child, key } = server;
  await generateLoad({ port, requests: server.requests, count: Math.min(WARM_UP, count), connections });
  const searchedBefore = name === 'nearpin' ? await searchCpuSecondsOf(port, key) : null;
  const before = cpuSecondsOf(child.pid!);
  const { wallS, latenciesUs } = await ask(server, { count, connections });
  const after = cpuSecondsOf(child.pid!);
  const searchedAfter = name === 'nearpin' ? await searchCpuSecondsOf(port, key) : null;
  const perRequestUs = (from: number | null, to: number | null) =>
    from === null || to === null ? null : ((to - from) * 1e6) / count;
  return {
    rps: count / wallS,
    p50Us: quantile(latenciesUs, 0.5),
    p99Us: quantile(latenciesUs, 0.99),
    p999Us: quantile(latenciesUs, 0.999),
    cpuUs: perRequestUs(before, after),
    coreCpuUs: perRequestUs(searchedBefore, searchedAfter),
  };
}
