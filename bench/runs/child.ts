/** The process of one engine: holds its index and does what it is told, all in the main thread. */
import { statSync } from 'node:fs';
import { toErrorRecord } from '../../src/lib/errors.ts';
import { MatrixReader, readMatrix } from '../data/matrix.ts';
import type { BenchEngine, BenchIndex } from '../engines/adapter.ts';
import { openBenchEngine } from '../engines/registry.ts';
import type { AnswerOf, RequestName, Requests, Timing } from './protocol.ts';

/** Queries before each pass that are not timed: they bring code and data back into the caches. */
const WARM_UP = 50;

let engine: BenchEngine;
let index: BenchIndex;
let dim = 0;
let count = 0;
let reader: MatrixReader;
let rows = new Float32Array(0);
let rssBefore = 0;

/** Resident bytes once garbage is gone. */
function settledRss(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage.rss();
}

async function timed(job: () => unknown): Promise<Timing> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await job();
  const wallS = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { wallS, cpuS: (user + system) / 1e6 };
}

const handlers: { [R in RequestName]: (request: Requests[R]) => Promise<AnswerOf[R]> } = {
  async open(request) {
    engine = await openBenchEngine(request.engine);
    return { version: engine.version, isGraph: engine.isGraph };
  },

  async create({ spec, base, queries }) {
    dim = spec.dim;
    count = queries.rows;
    reader = new MatrixReader(base);
    const prepared = readMatrix(queries);
    rssBefore = settledRss();
    index = await engine.create(spec);
    index.prepare(prepared);
    return {};
  },

  async add(request) {
    if (rows.length < request.count * dim) rows = new Float32Array(request.count * dim);
    const part = reader.read(request.first, request.count, rows);
    return timed(() => index.add(part, request.first));
  },

  async finish() {
    const timing = await timed(() => index.finish?.());
    rows = new Float32Array(0);
    return { ...timing, bytes: index.bytes?.() ?? null, rssBytes: settledRss() - rssBefore };
  },

  async save({ path }) {
    if (!index.save || !engine.load) return null;
    let saved: unknown;
    const timing = await timed(() => {
      saved = index.save?.(path);
    });
    return { ...timing, bytes: statSync(path).size, saved };
  },

  async load({ path, saved, spec, queries }) {
    count = queries.rows;
    const prepared = readMatrix(queries);
    const timing = await timed(async () => {
      index = await engine.load!(spec, path, saved);
    });
    index.prepare(prepared);
    return { ...timing, bytes: index.bytes?.() ?? null };
  },

  async answer({ k, ef }) {
    const ordinals = new Uint32Array(count * k);
    const counts = new Uint32Array(count);
    for (let q = 0; q < count; q++) {
      counts[q] = await index.search(q, k, ef, ordinals.subarray(q * k, (q + 1) * k));
    }
    return { ordinals, counts };
  },

  async pass({ k, ef }) {
    const out = new Uint32Array(k);
    const latenciesUs = new Float64Array(count);
    for (let q = 0; q < Math.min(WARM_UP, count); q++) await index.search(q, k, ef, out);
    const timing = await timed(async () => {
      for (let q = 0; q < count; q++) {
        const start = performance.now();
        const found = index.search(q, k, ef, out);
        // To await a number would cost a turn of the event loop
        if (typeof found !== 'number') await found;
        latenciesUs[q] = (performance.now() - start) * 1000;
      }
    });
    return { ...timing, latenciesUs };
  },
};

interface Call<R extends RequestName = RequestName> {
  readonly name: R;
  readonly request: Requests[R];
}

process.on('message', async ({ name, request }: Call) => {
  try {
    const answer = await (handlers[name] as (request: unknown) => Promise<unknown>)(request);
    process.send!({ answer });
  } catch (error) {
    process.send!({ error: { ...toErrorRecord(error), stack: (error as Error).stack } });
  }
});
