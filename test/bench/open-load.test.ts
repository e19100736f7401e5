import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findAutocannon, fire } from '../../bench/service/autocannon.ts';
import { httpRequest } from '../../bench/service/load-generator.ts';
import type { OpenLoad, OpenLoadResult } from '../../bench/service/open-load.ts';
import { startProbes } from '../../bench/service/probes.ts';

const OPEN_LOAD = fileURLToPath(new URL('../../bench/service/open-load.js', import.meta.url));

/** A server, which also greets. */
async function answering(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer((request, response) => {
    if (request.url === '/livez') response.writeHead(200, { 'content-length': 0 }).end();
    else listener(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function load(options: OpenLoad): Promise<OpenLoadResult> {
  const child = fork(OPEN_LOAD, { serialization: 'advanced' });
  child.send(options);
  assert.equal((await once(child, 'message'))[0], 'begun');
  const [result] = (await once(child, 'message')) as [OpenLoadResult];
  return result;
}

const requests = ['a', 'bb'].map((body) =>
  httpRequest('/x', { 'content-type': 'text/plain' }, Buffer.from(body)),
);

test('a load at a rate of its own tells what was answered, refused and neither', async (t) => {
  let n = 0;
  const port = await answering(t, (_request, response) => {
    const status = [200, 503, 429, 500, 200][n++ % 5]!;
    response.writeHead(status, { 'content-length': 0 }).end();
  });
  const result = await load({
    port,
    requests,
    perSecond: 200,
    seconds: 1,
    connections: 10,
    patienceMs: 9999,
  });
  assert.deepEqual([result.due, result.latenciesUs.length, result.refused, result.failed], [200, 80, 80, 40]);
  assert.ok(result.latenciesUs.every((us) => us > 0));
});

test('the time of a request counts from when it was due, not from when there was a connection for it', async (t) => {
  const port = await answering(t, (_request, response) => {
    setTimeout(() => response.writeHead(200, { 'content-length': 0 }).end(), 150);
  });
  const options = { port, requests, perSecond: 10, seconds: 1, connections: 1 };
  const { latenciesUs, failed } = await load({ ...options, patienceMs: 9999 });
  assert.deepEqual([latenciesUs.length, failed], [10, 0]);
  // Three are due each time that two can be answered, so the last waits for a third of the others
  assert.ok(latenciesUs.at(-1)! > 500_000, String(latenciesUs.at(-1)));

  const standstill = monitorEventLoopDelay();
  standstill.enable();
  const hasty = await load({ ...options, patienceMs: 300 });
  standstill.disable();
  assert.ok(hasty.givenUp > 0 && hasty.givenUp < 10, String(hasty.givenUp));
  assert.equal(
    hasty.latenciesUs.length + hasty.givenUp,
    10,
    'whoever has waited for long is not sent any more',
  );
  // For as long as this process stood still it did not answer
  const stoodStillMs = standstill.max / 1e6;
  assert.ok(
    hasty.latenciesUs.every((us) => us < 900_000 + stoodStillMs * 1000),
    String(stoodStillMs),
  );
});

test('a probe that is not answered with 200 took for ever', async (t) => {
  let answered = 0;
  const port = await answering(t, (_request, response) => {
    answered++;
    response.writeHead(503).end();
  });
  const end = startProbes(port, 5);
  while (answered < 5) await new Promise((resolve) => setTimeout(resolve, 10));
  const times = await end();
  assert.ok(times.length >= 4);
  times.forEach((ms, i) => {
    assert.equal(Number.isFinite(ms), i % 2 === 0);
  });
});

test('autocannon sends every body, and an answer other than 200 is an error', async (t) => {
  const autocannon = findAutocannon();
  if (autocannon === undefined) return t.skip('autocannon is not installed');
  const seen = new Set<string>();
  let status = 200;
  const port = await answering(t, (request, response) => {
    request.on('data', (body: Buffer) => seen.add(`${request.headers.accept} ${body}`));
    request.on('end', () => response.writeHead(status, { 'content-length': 0 }).end());
  });
  const bodies = ['a', 'b', 'c'].map((body) => Buffer.from(body));
  const options = { port, path: '/x', headers: { accept: 'text/plain' }, bodies, connections: 2 };
  const { latenciesUs, wallS } = await fire(autocannon, { ...options, count: 20 });
  assert.deepEqual([...seen].sort(), ['text/plain a', 'text/plain b', 'text/plain c']);
  assert.equal(latenciesUs.length, 20);
  assert.ok(latenciesUs.every((us) => us > 0) && wallS > 0);
  status = 503;
  await assert.rejects(fire(autocannon, { ...options, count: 20 }), /503/);
});
