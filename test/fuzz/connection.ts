/** A bare connection: writes any bytes, and reads what answers come, as HTTP/1.1 says where each ends. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface Outcome {
  readonly answers: readonly RawAnswer[];
  /** The server closed it. */
  readonly isClosed: boolean;
  /** Nothing came in time. */
  readonly isLate: boolean;
  /** What is there that is no answer. */
  readonly rest: Buffer;
}

const HEAD_END = Buffer.from('\r\n\r\n');

export class Connection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isClosed = false;
  #wake = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    const closed = () => {
      this.#isClosed = true;
      this.#wake();
    };
    // A reset by the server is a way to close
    socket.on('error', closed);
    socket.on('close', closed);
    socket.on('end', closed);
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.setNoDelay(true);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Connection(socket));
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#socket.destroy();
  }

  write(bytes: Buffer): void {
    if (!this.#isClosed) this.#socket.write(bytes);
  }

  /** Reads so many answers; fewer when the server closes before, or when the time is over. */
  async read(count: number, isHead: boolean, timeoutMs: number): Promise<Outcome> {
    const answers: RawAnswer[] = [];
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, timeoutMs);
    for (;;) {
      const answer = this.#next(isHead);
      if (answer !== undefined) {
        if (answer.status >= 200) answers.push(answer);
        if (answers.length === count) break;
        continue;
      }
      if (this.#isClosed || isLate) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    clearTimeout(timer);
    return { answers, isClosed: this.#isClosed, isLate, rest: this.#received };
  }

  /** The next whole answer of what was received. */
  #next(isHead: boolean): RawAnswer | undefined {
    const bytes = this.#received;
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd === -1) return undefined;
    const [statusLine = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1]);
    if (!Number.isInteger(status)) throw new Error(`no answer: ${statusLine.slice(0, 80)}`);
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const start = headEnd + HEAD_END.length;
    let end = start;
    let body = Buffer.alloc(0);
    if (!isHead && status >= 200 && status !== 204 && status !== 304) {
      const length = headers.get('content-length');
      if (length !== undefined) {
        end = start + Number(length);
        if (bytes.length < end) return undefined;
        body = bytes.subarray(start, end);
      } else if (headers.has('transfer-encoding')) {
        // Node's own answers come in pieces, none of which holds anything
        end = bytes.indexOf('0\r\n\r\n', start) + 5;
        if (end < start + 5) return undefined;
        body = bytes.subarray(start, end - 5);
      } else if (this.#isClosed) {
        end = bytes.length;
        body = bytes.subarray(start);
      } else return undefined;
    }
    this.#received = Buffer.from(bytes.subarray(end));
    return { status, headers, body: Buffer.from(body) };
  }
}
