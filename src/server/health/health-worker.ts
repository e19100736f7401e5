/**
 * The thread behind a health listener: answers `/livez` and `/readyz` with what it was told last, as long as it is told
 * something. The thread that it answers for has no part in an answer.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { NearpinError } from '../../lib/errors.ts';
import { JSON_TYPE, PROBLEM_TYPE } from '../codec/format.ts';
import { type Health, refusedHealth } from './health.ts';
import type { HealthWorkerData, Opened } from './health-listener.ts';

/** Time that a client has to send its request; no probe needs longer. */
const REQUEST_TIMEOUT_MS = 5000;
const METHODS = ['GET', 'HEAD'];

const { address, silentMs, first } = workerData as HealthWorkerData;
const port = parentPort!;
let health = first;
let isSilent = false;
const silence = setTimeout(() => {
  isSilent = true;
}, silentMs);
port.on('message', (heard: Health) => {
  health = heard;
  isSilent = false;
  silence.refresh();
});

const SILENT = refusedHealth(
  new NearpinError('not_ready', `The event loop has not turned for ${silentMs} ms`),
);
const LIVE: Health = { status: 200, body: JSON.stringify({ status: 'live' }) };

function answerTo(method: string, url: string): Health {
  const [path] = url.split('?', 1);
  if (path !== '/livez' && path !== '/readyz')
    return refusedHealth(new NearpinError('unknown_route', `There is no route ${method} ${url}`));
  if (!METHODS.includes(method))
    return refusedHealth(new NearpinError('method_not_allowed', `${url} takes ${METHODS.join(', ')}`));
  if (isSilent) return SILENT;
  return path === '/livez' ? LIVE : health;
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const { method = '', url = '' } = request;
  const { status, body } = answerTo(method, url);
  response.writeHead(status, {
    'content-type': status === 200 ? JSON_TYPE : PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: METHODS.join(', ') }),
    ...(status === 503 && { 'retry-after': '1' }),
    // Nothing more is read of it: whoever has a body to send has mistaken the address
    ...(status >= 400 && status < 500 && { connection: 'close' }),
  });
  response.end(body);
});
server.requestTimeout = REQUEST_TIMEOUT_MS;
server.headersTimeout = REQUEST_TIMEOUT_MS;
server.once('error', ({ code, message }: NodeJS.ErrnoException) =>
  port.postMessage({ code, message } satisfies Opened),
);
server.listen(address, () => {
  const { port: taken } = server.address() as AddressInfo;
  port.postMessage({ port: taken } satisfies Opened);
});
