/**
 * One copy of the index however many threads: memory of a process that serves with 1, 2 and 4 of them, after some
 * thousands of queries.
 *
 *     node dist/bench/rss.js [INDEX] [--pins 200000] [--dim 128] [--queries 4000] [--workers 1,2,4]
 *
 * Without INDEX it builds one of seeded vectors, which takes a minute, in a temporary folder. Each number of threads
 * is measured in a process of its own: this script again, with --measure.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildIndex } from '../src/build/build-index.ts';
import { LAYOUT } from '../src/core/layout.ts';
import { createShard, Shard } from '../src/core/shard.ts';
import { wasm } from '../src/core/webassembly.ts';
import { createEngineHost } from '../src/engines/engine-host.ts';
import { LiveIndex } from '../src/engines/live-index.ts';
import { Prng } from '../src/lib/prng.ts';
import { shardConfigOf } from '../src/shards/shard-config.ts';
import { readCoreBinary } from '../src/storage/core-binary.ts';
import { drawClustered, take } from './clustered.ts';
import { writeNpy } from './npy.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pins: { type: 'string', default: '200000' },
    dim: { type: 'string', default: '128' },
    queries: { type: 'string', default: '4000' },
    workers: { type: 'string', default: '1,2,4' },
    measure: { type: 'string' },
  },
});
/** Searches in flight. */
const WINDOW = 64;
/** The threads collect their garbage a second after they have attached to an index. */
const SETTLE_MS = 2500;

interface Measured {
  readonly workers: number;
  /** Resident bytes once all is quiet, and, on Linux, those of the process itself without mapped files. */
  readonly rss: number;
  readonly anonymous: number | null;
  readonly indexBytes: number;
  /** Address space of one thread's scratch; only what a search touches of it becomes resident. */
  readonly scratchBytes: number;
}

async function build(indexDir: string, file: string): Promise<void> {
  const [pins, dim] = [Number(options.pins), Number(options.dim)];
  writeNpy(file, take(drawClustered(dim, 1), pins), pins, dim, '<f4');
  await buildIndex({
    files: [file],
    stdin: process.stdin,
    indexDir,
    config: { metric: 'cosine' },
    shards: 1,
    defaultModel: () => Promise.reject(new Error('there are no texts')),
    skipBad: false,
    onBad: () => {},
    onProgress: () => {},
    module: new wasm.Module(readCoreBinary()),
    threads: 1,
  });
}

async function measure(indexDir: string, workers: number): Promise<Measured> {
  const host = createEngineHost('wasm', workers);
  const attach = async () => ({ extra: undefined, close: async () => {} });
  const live = await LiveIndex.open(indexDir, host, { attach, readOnly: true });
  const { engine, manifest } = live.loaded;
  const { dim } = manifest.config;
  const prng = new Prng(1);
  for (let asked = 0; asked < Number(options.queries); asked += WINDOW) {
    await Promise.all(
      Array.from({ length: WINDOW }, () =>
        engine.search({ vector: Float32Array.from({ length: dim }, () => prng.normal()), k: 10 }),
      ),
    );
  }
  await setTimeout(SETTLE_MS);
  const { rss } = process.memoryUsage();
  const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '';
  const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  const empty = createShard(
    host.module,
    shardConfigOf(manifest.config, { blockShift: 10, heapBytes: 65536 }),
    { readers: 1 },
  );
  const result = {
    workers,
    rss,
    anonymous: anonymous === undefined ? null : Number(anonymous) * 1024,
    indexBytes: engine.describe().bytes,
    scratchBytes: new Shard(host.module, empty, 0).word(LAYOUT.H_SCRATCH_STRIDE),
  };
  await engine.close();
  await host.close();
  return result;
}

if (options.measure !== undefined) {
  console.log(JSON.stringify(await measure(positionals[0]!, Number(options.measure))));
} else {
  const dir = mkdtempSync(join(tmpdir(), 'nearpin-rss-'));
  try {
    const indexDir = positionals[0] ?? join(dir, 'index');
    if (positionals[0] === undefined) await build(indexDir, join(dir, 'vectors.npy'));
    const script = fileURLToPath(import.meta.url);
    const rows = options.workers.split(',').map((workers) => {
      const args = [script, indexDir, '--queries', options.queries, '--measure', workers];
      return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Measured;
    });
    const mb = (bytes: number) => (bytes / 1e6).toFixed(1).padStart(9);
    const [base] = rows;
    console.log(`index ${mb(base!.indexBytes)} MB, scratch of a thread at most ${mb(base!.scratchBytes)} MB`);
    console.log('threads   RSS MB   anonymous MB   against the first');
    for (const { workers, rss, anonymous } of rows) {
      const ratio = (rss / base!.rss).toFixed(3);
      console.log(
        `${String(workers).padStart(7)}${mb(rss)}${anonymous === null ? '' : mb(anonymous)}   ${ratio}`,
      );
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
