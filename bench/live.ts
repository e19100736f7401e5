/**
 * What writing costs, against the least that it could cost in the same run: a bare fsync and a bare insert.
 *
 *     node dist/bench/live.js [--pins 200000] [--dim 128] [--only upsert,batch,queries,restart,churn,hole,swaps]
 *         [--index DIR] [--rounds 50] [--seed 5]
 *
 * Builds an index of seeded clustered vectors in a temporary folder, unless --index names one, which is copied first.
 * Rounds and seed are those of the churn: which pins go in each.
 * Prints a line per figure: what, the ratio that the bar is about, and what it is made of.
 */
import { fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildIndex } from '../src/build/build-index.ts';
import { Shard } from '../src/core/shard.ts';
import { wasm } from '../src/core/webassembly.ts';
import { Prng } from '../src/lib/prng.ts';
import { type EmbeddedIndex, openIndex } from '../src/library/library.ts';
import { loadShard } from '../src/shards/shard-file.ts';
import { readCoreBinary } from '../src/storage/core-binary.ts';
import { adoptGeneration, readManifest } from '../src/storage/generation.ts';
import { drawClustered, take } from './clustered.ts';
import { writeNpy } from './npy.ts';

const { values: options } = parseArgs({
  options: {
    pins: { type: 'string', default: '200000' },
    dim: { type: 'string', default: '128' },
    only: { type: 'string', default: 'upsert,batch,queries,restart,churn,hole,swaps' },
    index: { type: 'string' },
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '5' },
  },
});
const dim = Number(options.dim);
const rounds = Number(options.rounds);
const module = new wasm.Module(readCoreBinary());
/** What comes after the pins of the index in the sequence that they were drawn from. */
let fresh: Generator<Float32Array>;
const draw = (): Float32Array => fresh.next().value as Float32Array;
let made = 0;
const newId = () => `new-${made++}`;

const at = (share: number, times: number[]): number =>
  times.sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))]!;
const ms = (n: number) => `${n.toFixed(2)} ms`;
const say = (what: string, ratio: number, parts: string) =>
  process.stdout.write(`${what.padEnd(44)} ${ratio.toFixed(3)}   ${parts}\n`);

/** Bytes of memory: this process's own, shared memories included, and pages of files that are mapped. */
function residentBytes(): { own: number; mapped: number } {
  if (process.platform !== 'linux') return { own: process.memoryUsage.rss(), mapped: 0 };
  const status = readFileSync('/proc/self/status', 'utf8');
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)![1]);
  return { own: (kilobytes('RssAnon') + kilobytes('RssShmem')) * 1024, mapped: kilobytes('RssFile') * 1024 };
}
const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);

async function build(indexDir: string, pins: number, seed: number): Promise<void> {
  const file = join(dir, 'vectors.npy');
  writeNpy(file, take(drawClustered(dim, seed), pins), pins, dim, '<f4');
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
    module,
    threads: 1,
  });
}

/** The first shard of an index, in this thread. */
async function bareShard(indexDir: string): Promise<{ shard: Shard; loadMs: number }> {
  const dir = join(indexDir, '000001');
  const manifest = await readManifest(dir);
  const entry = manifest.shards[0]!;
  const start = performance.now();
  const memory = loadShard(join(dir, entry.file), entry, manifest.config, module, { readers: 0 });
  return { shard: new Shard(module, memory, 0), loadMs: performance.now() - start };
}

function bareInserts(shard: Shard, n: number): number {
  const vectors = take(fresh, n);
  const start = performance.now();
  for (const [i, vector] of vectors.entries()) shard.insert(vector, Buffer.from(`bare-${i}`));
  return performance.now() - start;
}

const one = (id: string, vector: Float32Array) => ({ id, vector });
const batch = () => ({ pins: Array.from({ length: 100 }, () => one(newId(), draw())) });

async function upserts(index: EmbeddedIndex, bare: Shard, dir: string): Promise<void> {
  const fd = openSync(join(dir, 'fsync'), 'w');
  const record = Buffer.alloc(dim * 4 + 64, 1);
  const bareMs: number[] = [];
  const liveMs: number[] = [];
  const ackMs: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const vector = draw();
    const id = Buffer.from(`one-${i}`);
    const start = performance.now();
    writeSync(fd, record);
    fsyncSync(fd);
    bare.insert(vector, id);
    bareMs.push(performance.now() - start);
    const pin = one(newId(), draw());
    const asked = performance.now();
    await index.upsert({ pins: [pin] });
    ackMs.push(performance.now() - asked);
    const { hits } = await index.query({ vector: pin.vector, k: 1 });
    liveMs.push(performance.now() - asked);
    if (hits[0]?.id !== pin.id) throw new Error(`${pin.id} is acknowledged and not found`);
  }
  say(
    'one upsert to found, p99 / bare fsync + insert',
    at(0.99, liveMs) / at(0.99, bareMs),
    `p99 ${ms(at(0.99, liveMs))} (acknowledged ${ms(at(0.99, ackMs))}) / ${ms(at(0.99, bareMs))}; ` +
      `p50 ${ms(at(0.5, liveMs))} (${ms(at(0.5, ackMs))}) / ${ms(at(0.5, bareMs))}`,
  );
}

async function batches(index: EmbeddedIndex, bare: Shard): Promise<void> {
  for (const inFlight of [1, 4]) {
    const requests = Array.from({ length: 60 }, batch);
    const before = 3000 / (bareInserts(bare, 3000) / 1000);
    const start = performance.now();
    const work = requests.values();
    const client = async () => {
      for (const request of work) await index.upsert(request);
    };
    await Promise.all(Array.from({ length: inFlight }, client));
    const rate = 6000 / ((performance.now() - start) / 1000);
    const bareRate = (before + 3000 / (bareInserts(bare, 3000) / 1000)) / 2;
    say(
      `upserts/s in batches of 100, ${inFlight} in flight / bare`,
      rate / bareRate,
      `${Math.round(rate)} / ${Math.round(bareRate)}`,
    );
  }
}

async function queryRate(index: EmbeddedIndex, forMs: number): Promise<number> {
  const vectors = take(fresh, 500);
  const end = performance.now() + forMs;
  let asked = 0;
  const client = async () => {
    while (performance.now() < end) await index.query({ vector: vectors[asked++ % vectors.length]!, k: 10 });
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: 32 }, client));
  return asked / ((performance.now() - start) / 1000);
}

async function queries(index: EmbeddedIndex): Promise<void> {
  const idle: number[] = [];
  const busy: number[] = [];
  for (let pass = 0; pass < 3; pass++) {
    idle.push(await queryRate(index, 2000));
    let writing = true;
    let written = 0;
    const start = performance.now();
    const writer = (async () => {
      for (; writing; written++) {
        const due = start + written * 2;
        if (due > performance.now()) await sleep(Math.max(1, due - performance.now()));
        void index.upsert({ pins: [one(newId(), draw())] });
      }
    })();
    busy.push(await queryRate(index, 2000));
    writing = false;
    await writer;
    if (pass === 0)
      process.stdout.write(`  (${Math.round(written / ((performance.now() - start) / 1000))} upserts/s)\n`);
  }
  say(
    'queries/s under 500 upserts/s / idle',
    at(0.5, busy) / at(0.5, idle),
    `${Math.round(at(0.5, busy))} / ${Math.round(at(0.5, idle))}`,
  );
}

async function restart(indexDir: string): Promise<void> {
  let index = await openIndex(indexDir, { workers: 1 });
  for (let i = 0; i < 100; i++) await index.upsert(batch());
  await index.close();
  const readyMs: number[] = [];
  const bareMs: number[] = [];
  for (let pass = 0; pass < 3; pass++) {
    const { shard, loadMs } = await bareShard(indexDir);
    bareMs.push(loadMs + bareInserts(shard, 10_000));
    const start = performance.now();
    index = await openIndex(indexDir, { workers: 1 });
    readyMs.push(performance.now() - start);
    await index.close();
  }
  say(
    'restart with 10,000 updates / bare load + inserts',
    at(0.5, readyMs) / at(0.5, bareMs),
    `${ms(at(0.5, readyMs))} / ${ms(at(0.5, bareMs))}`,
  );
}

async function recallOf(index: EmbeddedIndex, vectors: readonly Float32Array[]): Promise<number> {
  let found = 0;
  for (const vector of vectors) {
    const exact = await index.query({ vector, k: 10, exact: true });
    const ids = new Set((await index.query({ vector, k: 10 })).hits.map(({ id }) => id));
    found += exact.hits.filter(({ id }) => ids.has(id)).length;
  }
  return found / (vectors.length * 10);
}

/** Waits until no checkpoint has come for a while. */
async function quiet(index: EmbeddedIndex): Promise<void> {
  for (let before = ''; before !== index.describe().generation; ) {
    before = index.describe().generation;
    await sleep(4000);
  }
}

async function churn(indexDir: string): Promise<void> {
  const index = await openIndex(indexDir, { workers: 1 });
  const { count } = index.describe();
  const asked = take(fresh, 500);
  const before = await recallOf(index, asked);
  const prng = new Prng(Number(options.seed));
  const ids = Array.from({ length: count }, (_, i) => String(i));
  const sizes: ReturnType<typeof residentBytes>[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (let left = Math.round(count * 0.05); left > 0; left -= 500) {
      const n = Math.min(left, 500);
      const gone = Array.from({ length: n }, () => {
        const i = prng.below(ids.length);
        const [id] = ids.splice(i, 1, ids.at(-1)!);
        ids.pop();
        return id!;
      });
      await index.delete({ ids: [...new Set(gone)] });
      const pins = Array.from({ length: n }, () => one(newId(), draw()));
      await index.upsert({ pins });
      ids.push(...pins.map(({ id }) => id));
    }
    // Without the copies of a checkpoint that is being written
    if (round === 5 || round === rounds) await quiet(index);
    sizes.push(residentBytes());
  }
  const last = sizes.at(-1)!;
  const after = await recallOf(index, asked);
  say('recall@10 after churn / before', after / before, `${after.toFixed(4)} / ${before.toFixed(4)}`);
  const fifth = sizes[Math.min(4, sizes.length - 1)]!;
  say(
    `memory after ${rounds} rounds of 5 % / after 5`,
    last.own / fifth.own,
    `${mebibytes(last.own)} / ${mebibytes(fifth.own)} MiB, mapped files ${mebibytes(last.mapped)} / ` +
      `${mebibytes(fifth.mapped)}; ${sizes.map(({ own }) => mebibytes(own)).join(' ')}`,
  );
  await index.close();
}

/** Deletes half of the pins, neighbourhood by neighbourhood. */
async function hole(indexDir: string): Promise<void> {
  const index = await openIndex(indexDir, { workers: 1 });
  const { count } = index.describe();
  const asked = take(fresh, 500);
  const before = await recallOf(index, asked);
  const centres = drawClustered(dim, 1);
  for (let left = count; left > count / 2; left = index.describe().count) {
    const vector = centres.next().value as Float32Array;
    const { hits } = await index.query({ vector, k: 1000 });
    await index.delete({ ids: hits.slice(0, left - count / 2).map(({ id }) => id) });
  }
  const after = await recallOf(index, asked);
  say(
    'recall@10 after half is deleted / before',
    after / before,
    `${after.toFixed(4)} / ${before.toFixed(4)}`,
  );
  await index.close();
}

const SWAPS = 100;

/** An answer that was not expected of its generation. */
interface Suspect {
  readonly generation: string;
  readonly vector: Float32Array;
  readonly hits: readonly { readonly id: string; readonly score: number }[];
}

/** Whether each hit has the score that its pin has in the generation that is served now. */
async function isOfGeneration(index: EmbeddedIndex, { vector, hits }: Suspect): Promise<boolean> {
  const length = (of: Float32Array) => Math.sqrt(of.reduce((sum, x) => sum + x * x, 0));
  for (const { id, score } of hits) {
    const pin = await index.pin(id, { vector: true });
    const stored = Float32Array.from(pin.vector!);
    const dot = stored.reduce((sum, x, i) => sum + x * vector[i]!, 0);
    if (Math.abs(dot / length(stored) / length(vector) - score) > 0.01) return false;
  }
  return true;
}

/**
 * Swaps to a generation that was built elsewhere, of other vectors under the same ids, and back, while clients ask. An
 * answer is mixed when a hit has another score than its pin has in the generation that the answer names. Nearly all are
 * told by the hundred nearest of each, asked before; the others, whose hits are further off, afterwards.
 */
async function swaps(indexDir: string, elsewhere: string): Promise<void> {
  const second = await adoptGeneration(indexDir, join(elsewhere, '000001'));
  const index = await openIndex(indexDir, { workers: 1 });
  await index.upsert(batch());
  const vectors = take(fresh, 200);
  const scores = new Map<string, Map<string, number>[]>();
  for (const generation of [second, '000001']) {
    await index.publish(generation);
    const answers = await Promise.all(vectors.map((vector) => index.query({ vector, k: 100, exact: true })));
    const scoresOf = ({ hits }: { hits: readonly { id: string; score: number }[] }) =>
      new Map(hits.map(({ id, score }) => [id, score]));
    scores.set(generation, answers.map(scoresOf));
  }
  let running = true;
  let asked = 0;
  let failed = 0;
  const suspects: Suspect[] = [];
  const client = async () => {
    for (; running; ) {
      const which = asked++ % vectors.length;
      const vector = vectors[which]!;
      const answer = await index.query({ vector, k: 10 }).catch(() => undefined);
      if (answer?.hits.length !== 10) failed++;
      else {
        const { generation, hits } = answer;
        const expected = scores.get(generation)?.[which];
        if (!hits.every(({ id, score }) => expected?.get(id) === score))
          suspects.push({ generation, vector, hits });
      }
      await sleep(1);
    }
  };
  const clients = [client(), client(), client()];
  const sizes: number[] = [];
  for (let swap = 1; swap <= SWAPS; swap++) {
    await index.publish(swap % 2 === 1 ? second : '000001');
    // Where sizes are compared, until what was swapped out is gone
    await sleep(swap === 5 || swap === 50 || swap === SWAPS ? 2000 : 100);
    sizes.push(residentBytes().own);
  }
  running = false;
  await Promise.all(clients);
  let mixed = suspects.filter(({ generation }) => !scores.has(generation)).length;
  for (const served of scores.keys()) {
    await index.publish(served);
    for (const suspect of suspects) {
      if (suspect.generation === served && !(await isOfGeneration(index, suspect))) mixed++;
    }
  }
  const [early, late, last] = [sizes[4]!, sizes[49]!, sizes.at(-1)!];
  say(
    'memory after 50 swaps / after 5',
    late / early,
    `${mebibytes(late)} / ${mebibytes(early)} MiB, after ${SWAPS} ${mebibytes(last)}; ${sizes.map(mebibytes).join(' ')}`,
  );
  say(`answers failed or mixed in ${SWAPS} swaps`, failed + mixed, `${failed} and ${mixed} of ${asked}`);
  await index.close();
}

const dir = mkdtempSync(join(tmpdir(), 'nearpin-bench-live-'));
try {
  const built = options.index ?? join(dir, 'built');
  if (!options.index) await build(built, Number(options.pins), 1);
  const { count } = await readManifest(join(built, '000001'));
  fresh = drawClustered(dim, 1);
  // One by one: an array of them all would leave a heap behind in which growth does not show
  for (let i = 0; i < count; i++) fresh.next();
  const parts = new Set(options.only.split(','));
  const copy = async (name: string) => {
    await cp(built, join(dir, name), { recursive: true });
    return join(dir, name);
  };
  if (parts.has('upsert') || parts.has('batch') || parts.has('queries')) {
    const indexDir = await copy('written');
    const index = await openIndex(indexDir, { workers: 1 });
    const { shard } = await bareShard(indexDir);
    if (parts.has('upsert')) await upserts(index, shard, dir);
    if (parts.has('batch')) await batches(index, shard);
    if (parts.has('queries')) await queries(index);
    await index.close();
  }
  if (parts.has('restart')) await restart(await copy('restarted'));
  if (parts.has('churn')) await churn(await copy('churned'));
  if (parts.has('hole')) await hole(await copy('holed'));
  if (parts.has('swaps')) {
    const elsewhere = join(dir, 'elsewhere');
    await build(elsewhere, count, 2);
    await swaps(await copy('swapped'), elsewhere);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
