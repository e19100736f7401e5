/**
 * What GraphQL costs: CPU of a request to a server whose engine has the same answer to everything, so that all of it is the
 * service's own. Asked are a server without the route and one with it, over REST, and the latter over GraphQL, by a
 * document and by the id of one on the list of operations; in turns, round by round.
 *
 *     node dist/bench/graphql.js [--rounds 31] [--requests 400]
 *
 * The servers are processes of their own: this script again, with --serve.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Engine, EngineAnswer } from '../src/engines/engine.ts';
import { resolveConfig } from '../src/index/config.ts';
import { quantile } from '../src/lib/quantile.ts';
import type { OpenIndex } from '../src/retrieval/open-index.ts';
import { createServer } from '../src/server/server.ts';
import { generateLoad, httpRequest } from './service/load-generator.ts';
import { cpuSecondsOf } from './service/process-cpu.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '31' },
    requests: { type: 'string', default: '400' },
    serve: { type: 'string' },
  },
});
const CONNECTIONS = 8;
/** V8 has compiled by then what it will compile. */
const WARM_ROUNDS = 15;
const K = 10;
const QUARTERS = [0.25, 0.5, 0.75];
const DOCUMENT =
  'query Q($request: QueryRequest!) { query(index: "bench", request: $request) { tookMs ef generation edges { score node { id } } } }';
const HEADERS = { 'content-type': 'application/json' };

const config = resolveConfig({ dim: 8, metric: 'cosine' });
const vector = Array.from({ length: config.dim }, (_, i) => i + 1);

async function serve(withGraphql: boolean): Promise<void> {
  const answer: EngineAnswer = {
    hits: Array.from({ length: K }, (_, i) => ({ id: `pin-${i}`, score: 1 - i / 100 })),
    ef: 128,
    generation: '000001',
    coverage: { shards: 1, answered: 1 },
    exhausted: false,
  };
  const engine = { config, search: async () => answer } as Partial<Engine> as Engine;
  const open: OpenIndex = { name: 'bench', engine, model: null };
  const index = {
    name: 'bench',
    use: <Result>(run: (index: OpenIndex) => Promise<Result>) => run(open),
    current: () => open,
  };
  const app = createServer({
    catalog: { list: () => [], get: () => ({ name: 'bench', status: 'ready', index }) },
    clock: () => performance.timeOrigin + performance.now(),
    ...(withGraphql && { graphql: { introspection: false, operations: { q: DOCUMENT } } }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  process.on('disconnect', () => process.exit());
  process.send!((app.server.address() as AddressInfo).port);
}

interface Started {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(kind: 'rest' | 'both'): Promise<Started> {
  const child = fork(fileURLToPath(import.meta.url), ['--serve', kind]);
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

async function measure(rest: Started, both: Started): Promise<void> {
  const asRest = httpRequest(
    '/v1/indexes/bench/query',
    HEADERS,
    Buffer.from(JSON.stringify({ vector, k: K })),
  );
  const asked = (document: object) => {
    const packed = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
    const variables = { request: { vector: packed, k: K } };
    return httpRequest('/graphql', HEADERS, Buffer.from(JSON.stringify({ ...document, variables })));
  };
  const variants = [
    { name: 'REST, without the route', server: rest, request: asRest },
    { name: 'REST, beside the route', server: both, request: asRest },
    { name: 'GraphQL, by a document', server: both, request: asked({ query: DOCUMENT }) },
    { name: 'GraphQL, by an id on the list', server: both, request: asked({ id: 'q' }) },
  ].map((variant) => ({ ...variant, us: [] as number[] }));
  const count = Number(options.requests);
  const run = async ({ server, request }: (typeof variants)[number]): Promise<number> => {
    const before = cpuSecondsOf(server.child.pid!)!;
    await generateLoad({ port: server.port, requests: [request], count, connections: CONNECTIONS });
    return ((cpuSecondsOf(server.child.pid!)! - before) / count) * 1e6;
  };
  for (let i = 0; i < WARM_ROUNDS; i++) for (const variant of variants) await run(variant);
  for (let round = 0; round < Number(options.rounds); round++)
    for (const variant of round % 2 === 0 ? variants : variants.toReversed())
      variant.us.push(await run(variant));
  for (const { name, us } of variants) {
    const [low, median, high] = QUARTERS.map((q) => quantile(us, q).toFixed(0));
    console.log(`${name}: ${median} us of CPU a request [${low}, ${high}]`);
  }
  const ratios = variants[1]!.us.map((us, i) => us / variants[0]!.us[i]!);
  const [low, median, high] = QUARTERS.map((q) => quantile(ratios, q).toFixed(2));
  console.log(`REST beside the route over REST without: ${median} [${low}, ${high}]`);
}

if (options.serve !== undefined) await serve(options.serve === 'both');
else {
  const [rest, both] = [await start('rest'), await start('both')];
  try {
    await measure(rest, both);
  } finally {
    for (const { child } of [rest, both]) child.disconnect();
  }
}
