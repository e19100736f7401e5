/** Health at an address of its own: what it tells, and that it tells it while the event loop stands still. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NearpinError } from '../../../src/lib/errors.ts';
import { HealthListener } from '../../../src/server/health/health-listener.ts';
import { createServer } from '../../../src/server/server.ts';
import { catalogOf, clock, exchange } from '../../support/http.ts';

const HERE = { host: '127.0.0.1', port: 0 };
const READY = { status: 'ready', ready: [], failed: [] };

async function open(t: TestContext, readiness: () => object = () => READY, silentMs?: number) {
  const listener = await HealthListener.open(HERE, readiness, silentMs);
  t.after(() => listener.close());
  return listener.url;
}

/** Asks until the answer has this status. */
async function until(url: string, status: number) {
  for (;;) {
    const answer = await exchange(url);
    if (answer.status === status) return answer;
    await sleep(10);
  }
}

/** Asks again and again, in another process, and prints the status of every answer. */
const ASKER = `
for (;;) {
  const { status } = await fetch(process.argv[1]);
  console.log(status);
  await new Promise((resolve) => setTimeout(resolve, 20));
}`;

describe('the health listener', () => {
  it('tells liveness and readiness, whatever is added to the path', async (t) => {
    const url = await open(t);
    for (const add of ['', '?verbose=1']) {
      const live = await exchange(`${url}/livez${add}`, { headers: { accept: 'text/plain' } });
      assert.deepEqual([live.status, live.type, live.body], [200, 'application/json', { status: 'live' }]);
      const ready = await exchange(`${url}/readyz${add}`);
      assert.deepEqual([ready.status, ready.type, ready.body], [200, 'application/json', READY]);
      assert.equal(ready.headers.get('cache-control'), 'no-store');
    }
    const head = await exchange(`${url}/readyz`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.body], [200, undefined]);
  });

  it('follows the readiness of the server, and stays live', async (t) => {
    let problem: NearpinError | undefined = new NearpinError('not_ready', 'Indexes are still loading');
    const url = await open(t, () => {
      if (problem) throw problem;
      return READY;
    });
    const { status, type, body, headers } = await exchange(`${url}/readyz`);
    assert.deepEqual(
      [status, type, body.code, body.detail, headers.get('retry-after')],
      [503, 'application/problem+json', 'not_ready', 'Indexes are still loading', '1'],
    );
    assert.equal((await exchange(`${url}/livez`)).status, 200);
    problem = undefined;
    await until(`${url}/readyz`, 200);
  });

  it('is told by a server nothing that names an index', async (t) => {
    const error = new NearpinError('corrupt_file', 'secret.seg is broken');
    const app = createServer({ catalog: catalogOf([{ name: 'secret', status: 'failed', error }]), clock });
    t.after(() => app.close());
    await app.ready();
    const url = await open(t, () => app.readiness());
    const { status, body } = await exchange(`${url}/readyz`);
    assert.deepEqual([status, body.detail], [503, 'No index could be loaded']);
    assert.doesNotMatch(JSON.stringify(body), /secret/);
  });

  it('refuses other paths, methods and bytes, and goes on', async (t) => {
    const url = await open(t);
    for (const path of ['/', '/metrics', '/v1/indexes', '/livez/', '//livez', '/LIVEZ', '/%6civez']) {
      const { status, type, body } = await exchange(url + path);
      assert.deepEqual([status, type, body.code], [404, 'application/problem+json', 'unknown_route'], path);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status, body, headers } = await exchange(`${url}/livez`, { method });
      assert.deepEqual([status, body.code, headers.get('allow')], [405, 'method_not_allowed', 'GET, HEAD']);
    }
    const nonsense = await new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(Number(new URL(url).port), HERE.host, () => socket.write('NONSENSE\r\n\r\n'));
      socket.on('data', (part) => {
        answer += part;
      });
      socket.on('close', () => resolve(answer));
    });
    assert.match(nonsense, /^HTTP\/1\.1 400 /);
    assert.equal((await exchange(`${url}/livez`)).status, 200);
  });

  it('answers while the event loop stands still, and says so when it does for too long', async (t) => {
    const SILENT_MS = 400;
    const url = await open(t, () => READY, SILENT_MS);
    for (const path of ['/livez', '/readyz']) {
      const asker = spawn(process.execPath, ['--input-type=module', '-e', ASKER, url + path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => asker.kill());
      const statuses: string[] = [];
      for await (const status of createInterface({ input: asker.stdout })) {
        statuses.push(status);
        if (statuses.length === 3)
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * SILENT_MS);
        if (statuses.includes('503') && status === '200') break;
      }
      asker.kill();
      assert.deepEqual([...new Set(statuses)], ['200', '503'], path);
      // One that cannot answer before the loop turns has no answer to give meanwhile
      assert.ok(statuses.filter((status) => status === '503').length > 3, path);
    }
    await until(`${url}/livez`, 200);
  });

  it('rejects where the port is taken', async (t) => {
    const port = Number(new URL(await open(t)).port);
    await assert.rejects(
      HealthListener.open({ ...HERE, port }, () => READY),
      { code: 'EADDRINUSE' },
    );
  });

  it('ends with its connections', async () => {
    const listener = await HealthListener.open(HERE, () => READY);
    assert.equal((await exchange(`${listener.url}/livez`)).status, 200);
    await listener.close();
    await assert.rejects(fetch(`${listener.url}/livez`));
  });
});
