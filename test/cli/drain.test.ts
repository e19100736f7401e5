/** How a server ends: a signal while it is written to, clients that hold on, a second signal. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient } from '../../src/client/client.ts';
import { temporaryDir } from '../storage/temporary.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

async function start(t: TestContext, indexes: string, ...args: string[]) {
  const child = spawn(
    process.execPath,
    [MAIN, 'serve', '--indexes', indexes, '--port', '0', '--workers', '1', ...args],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  t.after(() => child.kill('SIGKILL'));
  const [url] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { child, url, client: createClient({ url, retries: 0 }) };
}

async function ended(child: ChildProcess): Promise<unknown> {
  return child.exitCode ?? child.signalCode ?? (await once(child, 'exit'))[0];
}

test('no write that was acknowledged is lost when a signal ends the server', async (t) => {
  const indexes = await temporaryDir(t);
  const { child, url, client } = await start(t, indexes);
  const made = await fetch(`${url}/v1/indexes/written`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ dim: 2, metric: 'l2' }),
  });
  assert.equal(made.status, 200);
  const acknowledged: string[] = [];
  let isOver = false;
  const write = async (writer: number) => {
    for (let i = 0; !isOver; i++) {
      const id = `w${writer}-${i}`;
      try {
        await client.upsert('written', { pins: [{ id, vector: [writer, i] }] });
        acknowledged.push(id);
      } catch {
        return;
      }
    }
  };
  const writing = Array.from({ length: 8 }, (_, writer) => write(writer));
  while (acknowledged.length < 50) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGTERM');
  assert.equal(await ended(child), 0);
  isOver = true;
  await Promise.all(writing);

  const again = await start(t, indexes);
  for (const id of acknowledged) assert.equal((await again.client.pin('written', id)).id, id);
  again.child.kill('SIGTERM');
  assert.equal(await ended(again.child), 0);
});

test('connections that are kept, and requests that are not sent to their end, do not hold up the end', async (t) => {
  const { child, url } = await start(t, await temporaryDir(t));
  const { port } = new URL(url);
  const kept = connect(Number(port), '127.0.0.1');
  kept.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await once(kept, 'data');
  const halfway = connect(Number(port), '127.0.0.1');
  halfway.write('GET /livez HTTP/1.1\r\nho');
  const gone = Promise.all(
    [kept, halfway].map((socket) =>
      once(
        socket.on('error', () => {}),
        'close',
      ),
    ),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  child.kill('SIGTERM');
  assert.equal(await ended(child), 0);
  await gone;
});

test('a second signal ends the server at once', async (t) => {
  const { child, url } = await start(t, await temporaryDir(t), '--drain-ms', '600000');
  child.kill('SIGTERM');
  while ((await fetch(`${url}/readyz`)).status === 200)
    await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGTERM');
  assert.equal(await ended(child), 1);
});
