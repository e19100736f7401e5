/**
 * What a surface costs beside its engine: the time of a request less the time in which the engine was at work for it.
 *
 *     node dist/bench/surfaces.js [--pins 20000] [--dim 128] [--requests 400] [--index DIR --group FIELD]
 *
 * Builds an index of seeded clustered vectors with boards in a temporary folder, unless --index names one, whose
 * attribute FIELD then groups. Prints for each kind of request the medians of its time in all, of the engine's, and of
 * the difference, which is retrieval's own.
 */
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { buildIndex } from '../src/build/build-index.ts';
import { wasm } from '../src/core/webassembly.ts';
import type { Engine } from '../src/engines/engine.ts';
import { createEngineHost } from '../src/engines/engine-host.ts';
import { Prng } from '../src/lib/prng.ts';
import { assembleIndex } from '../src/library/assemble.ts';
import type { RelatedRequest } from '../src/retrieval/contract.ts';
import { runRelated } from '../src/retrieval/related.ts';
import { readCoreBinary } from '../src/storage/core-binary.ts';
import { drawClustered, take } from './clustered.ts';

const { values: options } = parseArgs({
  options: {
    pins: { type: 'string', default: '20000' },
    dim: { type: 'string', default: '128' },
    requests: { type: 'string', default: '400' },
    index: { type: 'string' },
    group: { type: 'string', default: 'board' },
  },
});
/** Pins of a board, in the mean. */
const BOARD = 10;
/** Requests before the ones that count: the compiler of the machine has to have seen the code. */
const WARM_UP = 100;

const clock = () => performance.timeOrigin + performance.now();
const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1]!;

async function build(indexDir: string, file: string): Promise<void> {
  const random = new Prng(3);
  const pins = Number(options.pins);
  const vectors = take(drawClustered(Number(options.dim), 1), pins);
  const line = (vector: Float32Array, i: number) =>
    `${JSON.stringify({
      id: `pin-${i}`,
      vector: [...vector],
      attributes: { board: `board-${random.below(pins / BOARD)}` },
      payload: { title: `Pin ${i}` },
    })}\n`;
  await pipeline(Readable.from(vectors.map(line)), createWriteStream(file));
  await buildIndex({
    files: [file],
    stdin: process.stdin,
    indexDir,
    config: { metric: 'cosine', attributes: { board: 'keyword' } },
    shards: 1,
    defaultModel: () => Promise.reject(new Error('there are no texts')),
    skipBad: false,
    onBad: () => {},
    onProgress: () => {},
    module: new wasm.Module(readCoreBinary()),
    threads: 1,
  });
}

/** The same engine, and for how long there was a call to it under way. */
function timed(engine: Engine): { engine: Engine; takenMs: () => number } {
  let taken = 0;
  let underWay = 0;
  let since = 0;
  const count = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    if (underWay++ === 0) since = performance.now();
    try {
      return await call();
    } finally {
      if (--underWay === 0) taken += performance.now() - since;
    }
  };
  return {
    takenMs: () => taken,
    engine: {
      config: engine.config,
      describe: () => engine.describe(),
      search: (query) => count(() => engine.search(query)),
      pins: (ids, parts) => count(() => engine.pins(ids, parts)),
      productsWith: (vectors) => engine.productsWith(vectors),
      sample: (n, seed) => engine.sample(n, seed),
      close: () => engine.close(),
    },
  };
}

const folder = mkdtempSync(join(tmpdir(), 'nearpin-surfaces-'));
try {
  const indexDir = options.index ?? join(folder, 'index');
  if (options.index === undefined) await build(indexDir, join(folder, 'pins.jsonl'));
  const host = createEngineHost('wasm', 1);
  const assembled = await assembleIndex(indexDir, host, {}, { readOnly: true });
  const groupBy = { field: options.group, size: 2 };
  const seeds = (request: Omit<RelatedRequest, 'pins'>, count = 1) => ({ request, count });
  const kinds = {
    'plain, k 10': seeds({ k: 10 }),
    'plain, k 50': seeds({ k: 50 }),
    'groups, k 50': seeds({ k: 50, groupBy }),
    'diversity, k 50': seeds({ k: 50, diversity: {} }),
    'diversity and groups, k 50': seeds({ k: 50, diversity: {}, groupBy }),
    '5 seeds, bestScore, k 50': seeds({ k: 50, sources: { seeds: { strategy: 'bestScore' } } }, 5),
    '5 seeds, perSeed, k 50': seeds({ k: 50, sources: { seeds: { strategy: 'perSeed' } } }, 5),
  };
  await assembled.use(async (open) => {
    const { engine, takenMs } = timed(open.engine);
    const index = { ...open, engine };
    const random = new Prng(7);
    const ids = await engine.sample(1000, 7);
    for (const [kind, { request, count }] of Object.entries(kinds)) {
      const totals: number[] = [];
      const engines: number[] = [];
      const own: number[] = [];
      for (let i = -WARM_UP; i < Number(options.requests); i++) {
        const pins = Array.from({ length: count }, () => random.pick(ids));
        const before = takenMs();
        const start = performance.now();
        await runRelated(index, { ...request, pins }, clock);
        const total = performance.now() - start;
        if (i < 0) continue;
        totals.push(total);
        engines.push(takenMs() - before);
        own.push(total - (takenMs() - before));
      }
      const figures = [totals, engines, own].map((times) => `${median(times).toFixed(3)} ms`);
      process.stdout.write(
        `${kind.padEnd(28)} ${figures[0]} in all, ${figures[1]} the engine, ${figures[2]} retrieval\n`,
      );
    }
  });
  await assembled.close();
  await host.close();
} finally {
  rmSync(folder, { recursive: true });
}
