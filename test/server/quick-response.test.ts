/** Answers that go out in one write are, to every client, what Node would have sent. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { quickResponses } from '../../src/server/quick-response.ts';

const SILENT_MS = 300;
const NOW_MS = Date.UTC(2026, 0, 1, 12, 0, 0);
const ServerClass = { quick: quickResponses(() => NOW_MS, 5), node: ServerResponse };

/** All that a server sends to these bytes, until it has sent all and is silent for a while, or ends the connection. */
async function said(
  t: TestContext,
  kind: keyof typeof ServerClass,
  listener: RequestListener,
  bytes: string,
): Promise<string> {
  const server = createServer({ ServerResponse: ServerClass[kind], keepAliveTimeout: 5000 }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  const [peer] = (await once(server, 'connection')) as [Socket];
  socket.write(bytes);
  await new Promise<void>((resolve) => {
    socket.on('close', () => resolve());
    const lookAgain = () => {
      const { bytesRead } = socket;
      if (bytesRead > 0 && bytesRead === peer.bytesWritten) resolve();
      else socket.setTimeout(SILENT_MS, lookAgain);
    };
    socket.setTimeout(SILENT_MS, lookAgain);
  });
  socket.destroy();
  return Buffer.concat(chunks)
    .toString('latin1')
    .replaceAll(/^Date: .*$/gm, 'Date: now');
}

const get = (path = '/', more = '') => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
const headersOf = (body: string | Buffer, over: object = {}) => ({
  'content-type': 'text/plain',
  'content-length': String(Buffer.byteLength(body)),
  ...over,
});

const CASES: Readonly<Record<string, { listener: RequestListener; bytes: string }>> = {
  'a text': {
    listener: (_request, response) => response.writeHead(200, headersOf('grün €')).end('grün €'),
    bytes: get(),
  },
  'bytes of every value': {
    listener: (_request, response) => {
      const body = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      response.writeHead(200, headersOf(body)).end(body);
    },
    bytes: get(),
  },
  'requests in a row on one connection, the first of which is answered last': {
    listener: ({ url }, response) => {
      const answer = () => response.writeHead(200, headersOf(url!)).end(url);
      if (url === '/slow') setTimeout(answer, 50);
      else answer();
    },
    bytes: get('/slow') + get('/second') + get('/third'),
  },
  'a connection that is to end': {
    listener: (_request, response) => response.writeHead(200, headersOf('bye')).end('bye'),
    bytes: get('/', 'connection: close\r\n'),
  },
  'a connection that the answer ends': {
    listener: (_request, response) =>
      response.writeHead(200, headersOf('bye', { connection: 'close' })).end('bye'),
    bytes: get(),
  },
  'a client of HTTP/1.0': {
    listener: (_request, response) => response.writeHead(200, headersOf('old')).end('old'),
    bytes: 'GET / HTTP/1.0\r\n\r\n',
  },
  'a head without a body': {
    listener: (_request, response) => response.writeHead(200, headersOf('four')).end('four'),
    bytes: 'HEAD / HTTP/1.1\r\nhost: x\r\n\r\n',
  },
  'another status': {
    listener: (_request, response) => response.writeHead(404, headersOf('no')).end('no'),
    bytes: get(),
  },
  'no length': {
    listener: (_request, response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('some'),
    bytes: get(),
  },
  'headers that were set before': {
    listener: (_request, response) => {
      response.setHeader('x-before', 'yes');
      response.writeHead(200, headersOf('both')).end('both');
    },
    bytes: get(),
  },
  'a header of several values': {
    listener: (_request, response) =>
      response.writeHead(200, headersOf('cookies', { 'set-cookie': ['a=1', 'b=2'] })).end('cookies'),
    bytes: get(),
  },
  'a body in parts': {
    listener: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('one ');
      response.end('two');
    },
    bytes: get(),
  },
  'a body that is longer than a write': {
    listener: (_request, response) => {
      const body = Buffer.alloc(3_000_000, 'x');
      response.writeHead(200, headersOf(body)).end(body);
    },
    bytes: get(),
  },
};

describe('a quick answer', () => {
  for (const [what, { listener, bytes }] of Object.entries(CASES))
    it(`is what Node sends: ${what}`, async (t) => {
      assert.equal(await said(t, 'quick', listener, bytes), await said(t, 'node', listener, bytes));
    });

  it('is over for who listens: finish and close, sent and ended', async (t) => {
    const seen: unknown[] = [];
    const listener: RequestListener = (_request, response) => {
      response.on('finish', () => seen.push('finish', response.headersSent, response.writableEnded));
      response.on('close', () => seen.push('close'));
      response.writeHead(200, headersOf('done')).end('done');
    };
    await said(t, 'quick', listener, get() + get());
    const one = ['finish', true, true];
    assert.deepEqual(
      seen.filter((each) => each !== 'close'),
      [...one, ...one],
    );
    assert.equal(seen.filter((each) => each === 'close').length, 2);
  });

  it('refuses a header that would be two', async (t) => {
    let message = '';
    const listener: RequestListener = (_request, response) => {
      try {
        response.writeHead(200, headersOf('x', { 'x-bad': 'a\r\nset-cookie: b' })).end('x');
      } catch (error) {
        message = (error as Error).message;
        response.writeHead(500, headersOf('')).end('');
      }
    };
    assert.match(await said(t, 'quick', listener, get()), /^HTTP\/1\.1 500 /);
    assert.match(message, /Invalid character in header/);
  });
});
