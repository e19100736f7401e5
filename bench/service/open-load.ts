/**
 * Sends requests at a rate of its own, whatever becomes of them: what a server has when more is asked of it than it can
 * do. A process of its own, so that what it measures does not wait for anything else; it gets its options as its first
 * message and tells what became of the requests. A request's time counts from when it was due, also when it had to wait
 * for a connection.
 */
import { connect, type Socket } from 'node:net';
import { parseAnswer } from './load-generator.ts';

export interface OpenLoad {
  readonly port: number;
  /** Whole requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly perSecond: number;
  readonly seconds: number;
  /** Connections, each with one request at a time. */
  readonly connections: number;
}

export interface OpenLoadResult {
  /** Requests that were due. */
  readonly due: number;
  /** Of each answer 200, in the order of the answers. */
  readonly latenciesUs: Float64Array;
  /** Answers 429 and 503. */
  readonly refused: number;
  /** Other answers, connections that broke, and requests that were not answered in time. */
  readonly failed: number;
}

const TICK_MS = 1;
/** Time for the last answers. */
const LINGER_MS = 2000;

async function openLoad(options: OpenLoad): Promise<OpenLoadResult> {
  const { port, perSecond, seconds, connections } = options;
  const requests = options.requests.map((bytes) => Buffer.from(bytes));
  const due = Math.floor(perSecond * seconds);
  const latenciesUs = new Float64Array(due);
  let answered = 0;
  let refused = 0;
  let failed = 0;
  let sent = 0;
  let isDue = 0;
  const idle: ((request: number) => void)[] = [];
  const sockets: Socket[] = [];

  const open = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true }, resolve);
      sockets.push(socket);
      let pending: Buffer = Buffer.alloc(0);
      let current = -1;
      const send = (request: number) => {
        current = request;
        socket.write(requests[request % requests.length]!);
      };
      socket.on('data', (chunk) => {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const answer = parseAnswer(pending);
        if (answer === undefined) return;
        pending = pending.subarray(answer.length);
        if (answer.status === 200) {
          latenciesUs[answered++] = (performance.now() - startedAt - (current * 1000) / perSecond) * 1000;
        } else if (answer.status === 429 || answer.status === 503) refused++;
        else failed++;
        current = -1;
        if (sent < isDue) send(sent++);
        else idle.push(send);
      });
      socket.once('error', reject);
      socket.once('close', () => {
        if (current >= 0) failed++;
      });
      idle.push(send);
    });
  await Promise.all(Array.from({ length: connections }, open));

  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const tick = setInterval(() => {
      const passedMs = performance.now() - startedAt;
      isDue = Math.min(due, Math.floor((passedMs * perSecond) / 1000));
      while (sent < isDue && idle.length > 0) idle.pop()!(sent++);
      const isDone = answered + refused + failed === due;
      if (!isDone && passedMs < seconds * 1000 + LINGER_MS) return;
      clearInterval(tick);
      resolve();
    }, TICK_MS);
  });
  const result = {
    due,
    latenciesUs: latenciesUs.slice(0, answered),
    refused,
    failed: due - answered - refused,
  };
  for (const socket of sockets) socket.destroy();
  return result;
}

process.once('message', async (options: OpenLoad) => {
  process.send!(await openLoad(options));
  process.disconnect();
});
