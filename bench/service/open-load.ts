/**
 * Sends requests at a rate of its own, whatever becomes of them: what a server has when more is asked of it than it can
 * do. A process of its own, so that what it measures does not wait for anything else; it gets its options as its first
 * message, tells that it begins, and then what became of the requests. A request's time counts from when it was due, also when it had to wait
 * for a connection.
 *
 * It begins when every connection has been used once: to the client one is open before the server has accepted it, and Node
 * accepts one in a turn of its event loop (libuv since 1.45), so a thousand that are opened at once are another load than this.
 */
import type { Socket } from 'node:net';
import { connectTo } from './load-generator.ts';

export interface OpenLoad {
  readonly port: number;
  /** Whole requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly perSecond: number;
  readonly seconds: number;
  /** Connections, each with one request at a time. */
  readonly connections: number;
  /** A request that has waited for a connection for so long is not sent: nobody waits for its answer any more. */
  readonly patienceMs: number;
}

export interface OpenLoadResult {
  /** Requests that were due. */
  readonly due: number;
  /** Of each answer 200, in the order of the answers. */
  readonly latenciesUs: Float64Array;
  /** Answers 429 and 503. */
  readonly refused: number;
  /** Requests that were not sent, since no connection was free in time. */
  readonly givenUp: number;
  /** Other answers, connections that broke, and requests that were not answered in time. */
  readonly failed: number;
}

const GREETING = 'GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n';
const TICK_MS = 1;
/** Time for the last answers. */
const LINGER_MS = 2000;

async function openLoad(options: OpenLoad): Promise<OpenLoadResult> {
  const { port, perSecond, seconds, connections, patienceMs } = options;
  const requests = options.requests.map((bytes) => Buffer.from(bytes));
  const due = Math.floor(perSecond * seconds);
  const latenciesUs = new Float64Array(due);
  let answered = 0;
  let refused = 0;
  let failed = 0;
  let givenUp = 0;
  /** The first request that was neither sent nor given up. */
  let next = 0;
  let isDue = 0;
  let isLate = 0;
  const idle: ((request: number) => void)[] = [];
  const sockets: Socket[] = [];

  /** The request that has been due for longest and is still waited for. */
  const take = () => {
    givenUp += Math.max(0, isLate - next);
    next = Math.max(next, isLate);
    return next < isDue ? next++ : undefined;
  };
  const open = () =>
    new Promise<void>((resolve, reject) => {
      let isOpen = false;
      let current = -1;
      const send = (request: number) => {
        current = request;
        socket.write(requests[request % requests.length]!);
      };
      const socket = connectTo(port, ({ status }) => {
        if (!isOpen) {
          isOpen = true;
          idle.push(send);
          resolve();
          return;
        }
        if (status === 200) {
          latenciesUs[answered++] = (performance.now() - startedAt - (current * 1000) / perSecond) * 1000;
        } else if (status === 429 || status === 503) refused++;
        else failed++;
        current = -1;
        const request = take();
        if (request === undefined) idle.push(send);
        else send(request);
      });
      sockets.push(socket);
      socket.once('error', reject);
      socket.once('close', () => {
        if (current >= 0) failed++;
      });
      socket.write(GREETING);
    });
  await Promise.all(Array.from({ length: connections }, open));

  process.send!('begun');
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const tick = setInterval(() => {
      const passedMs = performance.now() - startedAt;
      isDue = Math.min(due, Math.floor((passedMs * perSecond) / 1000));
      isLate = Math.min(due, Math.max(0, Math.floor(((passedMs - patienceMs) * perSecond) / 1000)));
      while (idle.length > 0) {
        const request = take();
        if (request === undefined) break;
        idle.pop()!(request);
      }
      const isDone = answered + refused + failed + givenUp === due;
      if (!isDone && passedMs < seconds * 1000 + LINGER_MS) return;
      clearInterval(tick);
      resolve();
    }, TICK_MS);
  });
  const result = {
    due,
    latenciesUs: latenciesUs.slice(0, answered),
    refused,
    givenUp,
    failed: due - answered - refused - givenUp,
  };
  for (const socket of sockets) socket.destroy();
  return result;
}

process.once('message', async (options: OpenLoad) => {
  // What is on its way would be lost with the channel
  process.send!(await openLoad(options), () => process.disconnect());
});
