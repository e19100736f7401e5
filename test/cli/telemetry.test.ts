/** What a server that was started from the command line says of itself: its log, its traces. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient } from '../../src/client/client.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'nearpin-telemetry-'));
mkdirSync(join(dir, 'indexes'));
after(() => rmSync(dir, { recursive: true, force: true }));

/** Serves, runs something, and stops; what stood on stderr, line by line. */
async function serving(
  args: readonly string[],
  env: Record<string, string>,
  run: (url: string) => Promise<void>,
): Promise<string[]> {
  const all = ['serve', '--indexes', join(dir, 'indexes'), '--port', '0', '--workers', '1', ...args];
  const child = spawn(process.execPath, [MAIN, ...all], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const exit = once(child, 'exit');
  const [url] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    exit.then(([code]) => Promise.reject(new Error(`exited with ${code}: ${stderr}`))),
  ])) as [string];
  try {
    await run(url);
  } finally {
    child.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
  }
  return stderr.split('\n').filter((line) => line !== '');
}

describe('a server', () => {
  it('logs lines of JSON, with the ids of requests and what was slow', async () => {
    const lines = await serving(['--slow-query-ms', '0', '--access-log'], {}, async (url) => {
      const client = createClient({ url });
      await client.createIndex('tiny', { dim: 2, metric: 'l2' });
      await client.upsert('tiny', { pins: [{ id: 'a', vector: [1, 2] }] });
      await client.query('tiny', { vector: [1, 2] });
    });
    const records = lines.map((line) => JSON.parse(line));
    for (const { level, time, message } of records) {
      assert.ok(['info', 'warn'].includes(level), level);
      assert.ok(!Number.isNaN(Date.parse(time)) && message.length > 0);
    }
    const slow = records.filter(({ message }) => message === 'slow request');
    assert.deepEqual(
      slow.map(({ route }) => route),
      ['/v1/indexes/:index', '/v1/indexes/:index/pins', '/v1/indexes/:index/query'],
    );
    assert.equal(slow[2].asked.vector, '2 numbers');
    assert.equal(slow[2].searches[0][0].plan, 'graph');
    const ids = records.filter(({ message }) => message === 'request').map(({ requestId }) => requestId);
    assert.equal(new Set(ids).size, 3);
    assert.ok(records.some(({ message }) => message.startsWith('SIGTERM')));
  });

  it('logs nothing below the level that is asked for', async () => {
    const lines = await serving(['--access-log', '--log-level', 'warn'], {}, async (url) => {
      await createClient({ url }).query('tiny', { vector: [1, 2] });
    });
    assert.deepEqual(lines, []);
  });

  it('sends traces to the collector that the environment names', async () => {
    const names: string[] = [];
    const collector = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      for (const [, name] of body.matchAll(/"name":"([^"]+)"/g)) names.push(name!);
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { port } = collector.address() as AddressInfo;
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` };
    await serving([], env, async (url) => {
      await createClient({ url }).query('tiny', { vector: [1, 2] });
    });
    collector.close();
    for (const name of ['POST /v1/indexes/:index/query', 'shard search', 'decode', 'encode'])
      assert.ok(names.includes(name), `${name} of ${names.join(', ')}`);
  });
});
