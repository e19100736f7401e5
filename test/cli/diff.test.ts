/** `nearpin diff` as a user meets it: a file of requests, a server in this process, and what is printed. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { differences } from '../../src/cli/diff/compare.ts';
import { catalogOf, ready, serve } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const DIM = 4;

async function run(args: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, 'diff', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const read = async (stream: NodeJS.ReadableStream) => {
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return text;
  };
  const [[status], stdout, stderr] = await Promise.all([
    once(child, 'exit'),
    read(child.stdout),
    read(child.stderr),
  ]);
  return { status: status as number, stdout, stderr };
}

const REQUESTS = [
  { op: 'query', index: 'demo', request: { vector: [1, 0, 0, 0], k: 3, include: ['payload', 'vector'] } },
  { op: 'query', index: 'demo', request: { vectors: [[1, 0, 0, 0]], k: 3 } },
  { op: 'related', index: 'demo', request: { pins: ['p1', { id: 'p2', weight: 2 }], k: 3, explain: true } },
  { op: 'related', index: 'demo', request: { pins: ['gone'] } },
  { op: 'related', index: 'none', request: { pins: ['p1'] } },
  {
    op: 'homefeed',
    index: 'demo',
    request: { history: ['p1', { id: 'p3', at: '2026-01-01' }], seen: ['p4'], k: 3 },
  },
  {
    op: 'notifications',
    index: 'demo',
    request: { users: [{ user: 'ann', history: ['p1'] }], minScore: -1, maxAge: null, k: 2 },
  },
  {
    op: 'batch',
    index: 'demo',
    request: {
      requests: [
        { op: 'related', pins: ['p1'], k: 2 },
        { op: 'related', pins: ['gone'] },
      ],
    },
  },
  { op: 'pin', index: 'demo', request: { id: 'p1' } },
  { op: 'pin', index: 'demo', request: { id: 'gone' } },
];

describe('nearpin diff', () => {
  const servers: Awaited<ReturnType<typeof serve>>[] = [];
  let folder: string;
  let file: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nearpin-diff-'));
    file = join(folder, 'requests.jsonl');
    writeFileSync(file, REQUESTS.map((request) => JSON.stringify(request)).join('\n'));
    for (const seed of [1, 2]) {
      const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: somePins(20, DIM, seed) });
      servers.push(
        await serve({
          catalog: catalogOf([ready({ name: 'demo', engine, model: null })]),
          graphql: { introspection: false },
        }),
      );
    }
  });
  after(async () => {
    for (const { app } of servers) await app.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('says that REST and GraphQL answer the same, refusals among it', async () => {
    const { status, stdout, stderr } = await run([file, '--url', servers[0]!.url]);
    assert.equal(stdout, '10 requests: 10 the same, 0 differ\n', stderr);
    assert.equal(status, 0);
  });

  it('tells where two servers differ, and exits with 1', async () => {
    for (const api of ['graphql', 'rest']) {
      const both = ['--url', servers[0]!.url, '--other', servers[1]!.url, '--other-api', api];
      const { status, stdout } = await run([file, ...both]);
      assert.equal(status, 1);
      assert.match(stdout, /^1 query demo hits\[0\]\.(id|score): .*, .*$/m);
      assert.match(stdout, /^10 requests: 4 the same, 6 differ$/m);
      const asJson = await run([file, ...both, '--json']);
      assert.equal(asJson.status, 1);
      const report = JSON.parse(asJson.stdout);
      assert.deepEqual([report.requests, report.same, report.different.length], [10, 4, 6]);
      assert.deepEqual(report.different[0].request, REQUESTS[0]!.request);
      assert.deepEqual(Object.keys(report.different[0].differences[0]), ['path', 'left', 'right']);
    }
  });

  it('refuses a line that is no request with its place, and a server that is not there', async () => {
    const bad = join(folder, 'bad.jsonl');
    writeFileSync(bad, '{"op": "upsert", "index": "demo", "request": {}}\n');
    const line = await run([bad, '--url', servers[0]!.url]);
    assert.equal(line.status, 1);
    assert.match(line.stderr, /bad\.jsonl:1: needs an op/);
    const nobody = await run([file, '--url', 'http://127.0.0.1:1']);
    assert.equal(nobody.status, 1);
    assert.match(nobody.stderr, /no answer from/);
    assert.equal((await run([file])).status, 2);
  });
});

describe('differences of two answers', () => {
  it('are places, within a tolerance of numbers', () => {
    const left = {
      hits: [
        { id: 'a', score: 1 },
        { id: 'b', score: 0.5 },
      ],
      tookMs: 1,
      ef: 64,
    };
    assert.deepEqual(differences(left, { ...left, tookMs: 9 }, 0), []);
    assert.deepEqual(
      differences(left, { ...left, hits: [{ id: 'a', score: 1 + 1e-9 }, left.hits[1]] }, 1e-6),
      [],
    );
    assert.deepEqual(differences(left, { ...left, hits: [left.hits[1], left.hits[0]], ef: 65 }, 1e-6), [
      { path: 'hits[0].id', left: 'a', right: 'b' },
      { path: 'hits[0].score', left: 1, right: 0.5 },
      { path: 'hits[1].id', left: 'b', right: 'a' },
      { path: 'hits[1].score', left: 0.5, right: 1 },
      { path: 'ef', left: 64, right: 65 },
    ]);
    assert.deepEqual(differences(left, { ...left, hits: [left.hits[0]] }, 0), [
      { path: 'hits[1]', left: left.hits[1], right: undefined },
    ]);
  });

  it('of problems are those of their codes', () => {
    const problem = { code: 'bad_request', status: 400, detail: 'one', title: 't' };
    assert.deepEqual(differences(problem, { code: 'bad_request', status: 400, errors: [] }, 0), []);
    assert.equal(differences(problem, { code: 'unknown_pin', status: 404 }, 0).length, 2);
  });
});
