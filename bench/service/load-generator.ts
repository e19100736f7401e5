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
  /** How many refusals in all are followed by the same request again; none when left out. */
  readonly retries?: number;
}

export interface LoadResult {
  readonly wallS: number;
  /** Of each request, in the order of the answers. */
  readonly latenciesUs: Float64Array;
  /** The body of the first answer to each of `requests`. */
  readonly bodies: readonly Buffer[];
}

/** A connection, and what its answers are for. */
interface Lane {
  readonly socket: Socket;
  onAnswer: (answer: Answer) => void;
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

export interface Answer {
  readonly status: number;
  /** A part of what was read, which the next read overwrites. */
  readonly body: Buffer;
  /** Of the whole answer. */
  readonly length: number;
}

/** The first answer in `bytes`, and the length that it takes of them; undefined when it is not whole yet. */
export function parseAnswer(bytes: Buffer): Answer | undefined {
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

/** Read into by all connections, since what one reads is looked at before another reads: memory for each read costs more. */
const read = Buffer.allocUnsafeSlow(64 * 1024);

/** A connection that tells of each whole answer. */
export function connectTo(port: number, onAnswer: (answer: Answer) => void): Socket {
  let pending: Buffer | undefined;
  const callback = (length: number) => {
    const fresh = read.subarray(0, length);
    const bytes = pending === undefined ? fresh : Buffer.concat([pending, fresh]);
    const answer = parseAnswer(bytes);
    const rest = bytes.subarray(answer?.length ?? 0);
    pending = rest.length === 0 ? undefined : Buffer.from(rest);
    if (answer !== undefined) onAnswer(answer);
    return true;
  };
  return connect({ host: '127.0.0.1', port, noDelay: true, onread: { buffer: read, callback } });
}

/** Rejects when a connection breaks, or an answer is neither 200 nor a refusal (503) that may be tried again. */
export async function generateLoad(options: LoadOptions): Promise<LoadResult> {
  const { port, requests, count, connections } = options;
  let retries = options.retries ?? 0;
  const latenciesUs = new Float64Array(count);
  const bodies: Buffer[] = [];
  let sent = 0;
  let answered = 0;
  const lanes: Lane[] = [];
  const open = () =>
    new Promise<Lane>((resolve, reject) => {
      const lane: Lane = { socket: connectTo(port, (answer) => lane.onAnswer(answer)), onAnswer() {} };
      lane.socket.once('connect', () => resolve(lane));
      lane.socket.once('error', reject);
      lanes.push(lane);
    });
  const run = (lane: Lane) =>
    new Promise<void>((resolve, reject) => {
      let current = 0;
      let startedAt = 0;
      const send = () => lane.socket.write(requests[current % requests.length]!);
      const next = () => {
        if (sent === count) return resolve();
        current = sent++;
        startedAt = performance.now();
        send();
      };
      lane.onAnswer = ({ status, body }) => {
        if (status === 503 && retries > 0) {
          retries--;
          send();
          return;
        }
        latenciesUs[answered++] = (performance.now() - startedAt) * 1000;
        if (status !== 200) return reject(new Error(`the server answered ${status}: ${body.toString()}`));
        if (current < requests.length) bodies[current] = Buffer.from(body);
        next();
      };
      lane.socket.once('error', reject);
      lane.socket.once('close', () => reject(new Error('the server closed a connection')));
      next();
    });
  try {
    const opened = await Promise.all(Array.from({ length: connections }, open));
    const start = performance.now();
    await Promise.all(opened.map(run));
    return { wallS: (performance.now() - start) / 1000, latenciesUs, bodies };
  } finally {
    for (const { socket } of lanes) socket.destroy();
  }
}
