/**
 * Sends a bounded number of requests over a number of kept connections to a server on this machine, one at a time on
 * each. Writes and reads plain HTTP/1.1 itself: a client with a server's abilities costs more than the server.
 */
import { connect, type Socket } from 'node:net';

export interface LoadOptions {
  readonly port: number;
  /** Whole requests, which are sent in turn. */
  readonly requests: readonly Buffer[];
  /** How often one is sent in all. */
  readonly count: number;
  readonly connections: number;
}

export interface LoadResult {
  readonly wallS: number;
  /** Of each request, in the order of the answers. */
  readonly latenciesUs: Float64Array;
  /** The body of the first answer to each of `requests`. */
  readonly bodies: readonly Buffer[];
}

const HEAD_END = '\r\n\r\n';

/** A request as bytes. */
export function httpRequest(
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(head.join('\r\n') + HEAD_END), body]);
}

/** The first answer in `bytes`, and the length that it takes of them; undefined when it is not whole yet. */
export function parseAnswer(bytes: Buffer): { status: number; body: Buffer; length: number } | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = Number(/^content-length:\s*(\d+)\s*$/im.exec(head)?.[1]);
  if (!Number.isInteger(length)) throw new Error(`an answer without a length: ${head}`);
  const end = headEnd + HEAD_END.length + length;
  if (bytes.length < end) return undefined;
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]),
    body: bytes.subarray(headEnd + HEAD_END.length, end),
    length: end,
  };
}

/** Rejects when a connection breaks or an answer is not 200. */
export async function generateLoad(options: LoadOptions): Promise<LoadResult> {
  const { port, requests, count, connections } = options;
  const latenciesUs = new Float64Array(count);
  const bodies: Buffer[] = [];
  let sent = 0;
  let answered = 0;
  const sockets: Socket[] = [];
  const open = () =>
    new Promise<Socket>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => resolve(socket));
      socket.once('error', reject);
      sockets.push(socket);
    });
  const run = (socket: Socket) =>
    new Promise<void>((resolve, reject) => {
      let pending: Buffer = Buffer.alloc(0);
      let current = 0;
      let startedAt = 0;
      const next = () => {
        if (sent === count) return resolve();
        current = sent++;
        startedAt = performance.now();
        socket.write(requests[current % requests.length]!);
      };
      socket.on('data', (chunk) => {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const answer = parseAnswer(pending);
        if (answer === undefined) return;
        latenciesUs[answered++] = (performance.now() - startedAt) * 1000;
        if (answer.status !== 200) {
          return reject(new Error(`the server answered ${answer.status}: ${answer.body.toString()}`));
        }
        if (current < requests.length) bodies[current] = Buffer.from(answer.body);
        pending = pending.subarray(answer.length);
        next();
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the server closed a connection')));
      next();
    });
  try {
    const opened = await Promise.all(Array.from({ length: connections }, open));
    const start = performance.now();
    await Promise.all(opened.map(run));
    return { wallS: (performance.now() - start) / 1000, latenciesUs, bodies };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
