/**
 * Recall@10 of built indexes at default settings against exact search, on real and seeded data: what must hold
 * before anything is called fast.
 *
 *     node dist/bench/acceptance.js --data DIR [--sets tate,mnist,clustered] [--queries 500] [--out DIR]
 *
 * DIR holds tate/tate_artworks.jsonl.gz, potion-base-2M/ and mnist/mnist_63000x784.u8.gz; sets whose files are not
 * there are skipped, and said to be. The seeded set needs no data.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createGunzip, gunzipSync } from 'node:zlib';
import { Prng } from '../src/lib/prng.ts';
import { openIndex } from '../src/library/library.ts';
import { drawClustered, take } from './clustered.ts';
import { writeNpy } from './npy.ts';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: '' },
    sets: { type: 'string', default: 'tate,mnist,clustered' },
    queries: { type: 'string', default: '500' },
    out: { type: 'string', default: 'indexes/acceptance' },
  },
});
const queries = Number(options.queries);
const CLI = new URL('../src/cli/main.js', import.meta.url).pathname;

/** Builds with the command line, as a user does; returns seconds. */
function build(...args: string[]): number {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, [CLI, 'build', ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error(`nearpin build ended with ${status}`);
  return (performance.now() - start) / 1000;
}

/** Recall@10 of queries at default settings, and the median time of one in this process. */
async function measure(indexDir: string, vectors: readonly Float32Array[], exclude: readonly string[] = []) {
  const index = await openIndex(indexDir, { workers: Math.max(1, availableParallelism() - 1) });
  let found = 0;
  let wanted = 0;
  const times: number[] = [];
  for (const [i, vector] of vectors.entries()) {
    const request = { vector, k: 10, ...(exclude[i] !== undefined && { exclude: [exclude[i]] }) };
    const truth = await index.query({ ...request, exact: true });
    const start = performance.now();
    const answer = await index.query(request);
    times.push(performance.now() - start);
    const ids = new Set(answer.hits.map((hit) => hit.id));
    wanted += truth.hits.length;
    found += truth.hits.filter((hit) => ids.has(hit.id)).length;
  }
  const description = index.describe();
  await index.close();
  times.sort((a, b) => a - b);
  return {
    recall: found / wanted,
    queries: vectors.length,
    ef: description.defaultEf,
    shards: description.shards.length,
    p50Ms: times[times.length >> 1],
    bytesPerPin: description.bytes / description.count,
  };
}

/** Artworks as pins; `subjects` stay out of the text, so that they can judge it. */
async function writeTate(source: string, target: string): Promise<void> {
  const out = createWriteStream(target);
  for await (const line of createInterface({ input: createReadStream(source).pipe(createGunzip()) })) {
    const { id, title, artists, medium, classification, date, url } = JSON.parse(line);
    const text = [title, artists, medium, classification, date].filter(Boolean).join('. ');
    const attributes = { ...(classification && { classification }), ...(artists && { artists: [artists] }) };
    const pin = { id: String(id), text, attributes, payload: { title, url } };
    if (!out.write(`${JSON.stringify(pin)}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

async function tate(): Promise<object> {
  const source = join(options.data, 'tate/tate_artworks.jsonl.gz');
  if (!existsSync(source)) return { skipped: `${source} is not there` };
  const file = join(options.out, 'tate.jsonl');
  await writeTate(source, file);
  const indexDir = join(options.out, 'tate');
  const types = '{"classification":"keyword","artists":"keyword[]"}';
  const model = ['--model', 'potion-base-2M', '--model-dir', options.data];
  const buildS = build(file, '--out', indexDir, '--shards', '2', '--attributes', types, ...model);
  const index = await openIndex(indexDir, { workers: 1, modelDir: options.data });
  const prng = new Prng(1);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const ids = Array.from({ length: queries }, () => String(JSON.parse(prng.pick(lines)).id));
  const vectors = await Promise.all(ids.map(async (id) => (await index.pin(id, { vector: true })).vector!));
  await index.close();
  return { buildS, ...(await measure(indexDir, vectors, ids)) };
}

async function mnist(): Promise<object> {
  const source = join(options.data, 'mnist/mnist_63000x784.u8.gz');
  if (!existsSync(source)) return { skipped: `${source} is not there` };
  const bytes = gunzipSync(readFileSync(source));
  const row = (i: number) => bytes.subarray(i * 784, (i + 1) * 784);
  const file = join(options.out, 'mnist.npy');
  writeNpy(
    file,
    Array.from({ length: 60_000 }, (_, i) => row(i)),
    60_000,
    784,
    '|u1',
  );
  const indexDir = join(options.out, 'mnist');
  const buildS = build(file, '--out', indexDir, '--metric', 'l2');
  const vectors = Array.from({ length: queries }, (_, i) => Float32Array.from(row(60_000 + i)));
  return { buildS, ...(await measure(indexDir, vectors)) };
}

async function clustered(): Promise<object> {
  const sequence = drawClustered(128, 1);
  const file = join(options.out, 'clustered.npy');
  const count = 200_000;
  writeNpy(file, take(sequence, count), count, 128, '<f4');
  const indexDir = join(options.out, 'clustered');
  const buildS = build(file, '--out', indexDir);
  return { buildS, ...(await measure(indexDir, take(sequence, queries))) };
}

mkdirSync(options.out, { recursive: true });
const runs: Record<string, () => Promise<object>> = { tate, mnist, clustered };
for (const name of options.sets.split(',')) {
  const run = runs[name];
  if (!run) throw new Error(`there is no set ${name}`);
  console.log(JSON.stringify({ set: name, ...(await run()) }));
}
