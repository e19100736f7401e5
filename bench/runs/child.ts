/** The process of one engine: holds its index and does what it is told, in the main thread unless told otherwise. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wasm } from '../../src/core/webassembly.ts';
import { toErrorRecord } from '../../src/lib/errors.ts';
import { makeAttribute } from '../data/attributes.ts';
import { filtersOf } from '../data/filters.ts';
import { MatrixReader, readMatrix } from '../data/matrix.ts';
import type { BenchEngine, BenchIndex, IndexSpec } from '../engines/adapter.ts';
import { openBenchEngine } from '../engines/registry.ts';
import { timeKernels } from './kernel-timing.ts';
import type { AnswerOf, IndexTask, RequestName, Requests, SearchTask, Sizes } from './protocol.ts';
import { SearchThreads } from './search-threads.ts';
import { answerAll, timed, WARM_UP } from './timing.ts';

const PAGE = 65536;
/** One read call takes less than 2 GiB. */
const READ_BYTES = 1024 * 1024 * 1024;

let name: string;
let engine: BenchEngine;
let task: IndexTask;
let index: BenchIndex;
let reader: MatrixReader;
let rows = new Float32Array(0);
let rssBefore = 0;
let threads: SearchThreads | undefined;
/** Rounds of searches so far, so that fresh filters are. */
let rounds = 0;

/** Resident bytes once garbage is gone. */
function settledRss(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage.rss();
}

function sizes(rssBytes: number): Sizes {
  const held = engine.readsAttributes ? task.attributes.length * task.base.rows * 8 : 0;
  return { bytes: index.bytes?.() ?? null, filterBytes: held, rssBytes };
}

function specOf({ spec, attributes, base }: IndexTask): IndexSpec {
  return {
    ...spec,
    attributes: Object.fromEntries(attributes.map((each) => [each, makeAttribute(each, base)])),
  };
}

function drawSample(count: number): Float32Array {
  const { dim, rows: total } = task.base;
  const sample = new Float32Array(count * dim);
  for (let i = 0; i < count; i++) {
    reader.read(Math.floor((i * total) / count), 1, sample.subarray(i * dim, (i + 1) * dim));
  }
  return sample;
}

/** Threads on the index as it is now; undefined when the engine cannot. */
async function threadsFor(count: number): Promise<SearchThreads | undefined> {
  if (threads?.count === count) return threads;
  await threads?.close();
  threads = undefined;
  if (!index.share || !engine.attach) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'nearpin-threads-'));
  try {
    threads = await SearchThreads.start(name, task, index.share(folder), count);
    return threads;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function setFilter({ filter }: SearchTask): void {
  index.filter?.(filter === null ? [] : filtersOf(filter, task.queries.rows, rounds++));
}

const handlers: { [R in RequestName]: (request: Requests[R]) => Promise<AnswerOf[R]> } = {
  async open(request) {
    name = request.engine;
    engine = await openBenchEngine(name);
    return { version: engine.version, takesEf: engine.takesEf, build: engine.build };
  },

  async create(request) {
    task = request;
    reader = new MatrixReader(task.base);
    const queries = readMatrix(task.queries);
    const spec = specOf(task);
    rssBefore = settledRss();
    const timing = await timed(async () => {
      index = await engine.create(spec, drawSample);
    });
    index.prepare(queries);
    return timing;
  },

  async add(request) {
    const values = request.count * task.spec.dim;
    if (rows.length < values) rows = new Float32Array(values);
    const part = reader.read(request.first, request.count, rows);
    return timed(() => index.add(part, request.first));
  },

  async finish() {
    const timing = await timed(() => index.finish?.());
    rows = new Float32Array(0);
    return { ...timing, ...sizes(settledRss() - rssBefore) };
  },

  async save({ path }) {
    if (!index.save || !engine.load) return null;
    let saved: unknown;
    const timing = await timed(() => {
      saved = index.save?.(path);
    });
    return { ...timing, bytes: statSync(path).size, saved };
  },

  async load({ path, saved, ...request }) {
    task = request;
    const queries = readMatrix(task.queries);
    const spec = specOf(task);
    const before = settledRss();
    const timing = await timed(async () => {
      index = await engine.load!(spec, path, saved);
    });
    const rssBytes = settledRss() - before;
    index.prepare(queries);
    return { ...timing, ...sizes(rssBytes) };
  },

  async bareRead({ path }) {
    const { size } = statSync(path);
    const pages = Math.ceil(size / PAGE);
    const fd = openSync(path, 'r');
    settledRss();
    try {
      return await timed(() => {
        const memory = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
        const bytes = new Uint8Array(memory.buffer, 0, size);
        for (let at = 0; at < size; ) at += readSync(fd, bytes, at, Math.min(READ_BYTES, size - at), at);
      });
    } finally {
      closeSync(fd);
    }
  },

  async answer(request) {
    const { k, ef, filter } = request;
    const { rows: count } = task.queries;
    if (filter && !index.filter) return null;
    const ordinals = new Uint32Array(count * k);
    const counts = new Uint32Array(count);
    const work: Record<string, number> = {};
    setFilter(request);
    for (let q = 0; q < count; q++) {
      counts[q] = await index.search(q, k, ef, ordinals.subarray(q * k, (q + 1) * k));
      for (const [name, done] of Object.entries(index.work?.() ?? {})) {
        work[name] = (work[name] ?? 0) + done / count;
      }
    }
    return { ordinals, counts, work };
  },

  async pass(request) {
    const { rows: count } = task.queries;
    if (request.filter && !index.filter) return null;
    if (request.threads > 1) return (await threadsFor(request.threads))?.pass(request) ?? null;
    setFilter(request);
    await answerAll(index, count, 0, Math.min(WARM_UP, count), request, null);
    setFilter(request);
    const latenciesUs = new Float64Array(count);
    const timing = await timed(() => answerAll(index, count, 0, count, request, latenciesUs));
    return { ...timing, latenciesUs };
  },

  async kernels(request) {
    return name === 'wasm' ? timeKernels(request) : null;
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
// Whoever started this process is gone
process.on('disconnect', () => process.exit());
