import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { generateLoad, httpRequest, parseAnswer } from '../../bench/service/load-generator.ts';

/** A server that answers with what it was sent, in capitals; remembers what it was sent. @param status of its nth answer */
async function shouting(t: TestContext, status: (n: number) => number = () => 200) {
  const seen: string[] = [];
  let open = 0;
  let mostOpen = 0;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      seen.push(`${request.method} ${request.url} ${request.headers['content-type']} ${body}`);
      const answer = body.toUpperCase();
      response.writeHead(status(seen.length), { 'content-length': Buffer.byteLength(answer) }).end(answer);
    });
  });
  server.on('connection', (socket) => {
    mostOpen = Math.max(mostOpen, ++open);
    socket.once('close', () => open--);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, seen, mostOpen: () => mostOpen };
}

const requests = ['a', 'bb', 'ccc'].map((body) =>
  httpRequest('/x', { 'content-type': 'text/plain' }, Buffer.from(body)),
);

test('a load is so many requests over so many connections, and keeps the first answer to each', async (t) => {
  const server = await shouting(t);
  const load = await generateLoad({ port: server.port, requests, count: 10, connections: 2 });
  assert.deepEqual(load.bodies.map(String), ['A', 'BB', 'CCC']);
  assert.equal(load.latenciesUs.length, 10);
  assert.ok(load.latenciesUs.every((us) => us > 0));
  assert.equal(server.seen.length, 10);
  assert.deepEqual([...new Set(server.seen)].sort(), [
    'POST /x text/plain a',
    'POST /x text/plain bb',
    'POST /x text/plain ccc',
  ]);
  assert.equal(server.mostOpen(), 2);
});

test('a load ends with an error when an answer is none', async (t) => {
  const server = await shouting(t, () => 500);
  await assert.rejects(generateLoad({ port: server.port, requests, count: 3, connections: 1 }), /500: A/);
  await assert.rejects(generateLoad({ port: 1, requests, count: 3, connections: 1 }), /ECONNREFUSED/);
});

test('a load sends again what was refused, as often as it may', async (t) => {
  const server = await shouting(t, (n) => (n <= 4 ? 503 : 200));
  const load = { port: server.port, requests, count: 3, connections: 1 };
  await assert.rejects(generateLoad({ ...load, retries: 3 }), /503: A/);
  assert.equal(server.seen.length, 4);
  const { bodies, latenciesUs } = await generateLoad(load);
  assert.deepEqual([bodies.map(String), latenciesUs.length], [['A', 'BB', 'CCC'], 3]);

  const patient = await shouting(t, (n) => (n <= 4 ? 503 : 200));
  const answered = await generateLoad({ ...load, port: patient.port, retries: 4 });
  assert.deepEqual(answered.bodies.map(String), ['A', 'BB', 'CCC']);
  assert.equal(patient.seen.length, 7);
});

test('an answer is whole once its last byte is there', () => {
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP');
  for (let end = 0; end < bytes.length - 4; end++)
    assert.equal(parseAnswer(bytes.subarray(0, end)), undefined);
  const answer = parseAnswer(bytes)!;
  assert.deepEqual([answer.status, answer.body.toString(), answer.length], [200, 'hi', bytes.length - 4]);
  assert.throws(() => parseAnswer(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), /without a length/);
});
