/**
 * A thread that keeps state and answers calls one after the other, in the order in which they were made. (Piscina's
 * threads are for work that any of them can do.) The thread keeps the process alive only while a call is unanswered.
 * One that has died is followed by another at the next call, which knows nothing of what the first one kept.
 *
 * A thread ends itself, between two turns of its event loop. To be ended from outside (`worker.terminate`) while a native
 * library runs in it, or registers itself when it is loaded, is an error that such a library cannot throw, and Node ends
 * the process for it.
 */
import { MessageChannel, parentPort, type Transferable, Worker } from 'node:worker_threads';
import { type ErrorRecord, fromErrorRecord, NearpinError, toErrorRecord } from '../lib/errors.ts';

interface Call {
  readonly id: number;
  readonly message: unknown;
}

/** In place of a call: the thread is to end. */
const END = null;

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: ErrorRecord;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: NearpinError) => void;
}

export class Thread {
  readonly #file: URL;
  readonly #workerData: unknown;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #calls = 0;
  #closed = false;

  /** @param file of a worker that calls `serveCalls` @param workerData for it */
  constructor(file: URL, workerData: unknown) {
    this.#file = file;
    this.#workerData = workerData;
  }

  /** Rejects with what the call threw; with `closed` when the thread was closed or has died. Starts it when needed. */
  call<Answer>(message: unknown, transfer: readonly Transferable[] = []): Promise<Answer> {
    if (this.#closed) return Promise.reject(new NearpinError('closed', 'the thread is closed'));
    this.#worker ??= this.#start();
    const id = this.#calls++;
    if (this.#waiting.size === 0) this.#worker.ref();
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker!.postMessage({ id, message } satisfies Call, transfer);
    });
  }

  #start(): Worker {
    const worker = new Worker(this.#file, { workerData: this.#workerData });
    worker.on('message', ({ id, value, error }: Reply) => {
      const call = this.#waiting.get(id)!;
      this.#waiting.delete(id);
      if (this.#waiting.size === 0 && !this.#closed) worker.unref();
      if (error) call.reject(fromErrorRecord(error));
      else call.resolve(value as never);
    });
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject } of this.#waiting.values()) {
        reject(new NearpinError('closed', 'the thread has ended', [], { cause }));
      }
      this.#waiting.clear();
    });
    return worker;
  }

  /** Ends the thread in its next turn, when it has loaded; calls that are unanswered then reject with `closed`. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.ref();
    worker.postMessage(END);
    await ended;
  }
}

/** What a call answers, and which of its buffers go along without being copied. */
export interface Answered {
  readonly value?: unknown;
  readonly transfer?: readonly Transferable[];
  /** Buffers that came with the call and are of no more use. */
  readonly spent?: readonly ArrayBufferLike[];
}

/**
 * Serves the calls of this thread; call once at start. Spent buffers are gone when the call is answered: a thread that
 * makes little garbage on its heap collects seldom, and would keep megabytes of them. They are sent to where nobody is.
 */
export function serveCalls<Message>(handle: (message: Message) => Answered | Promise<Answered>): void {
  const port = parentPort!;
  const { port1: nowhere } = new MessageChannel();
  nowhere.close();
  let last: Promise<void> = Promise.resolve();
  const answer = async ({ id, message }: Call) => {
    try {
      const { value, transfer = [], spent = [] } = await handle(message as Message);
      port.postMessage({ id, value } satisfies Reply, transfer);
      if (spent.length > 0) nowhere.postMessage(null, spent as readonly ArrayBuffer[]);
    } catch (error) {
      port.postMessage({ id, error: toErrorRecord(error) } satisfies Reply);
    }
  };
  port.on('message', (call: Call | typeof END) => {
    if (call === END) process.exit();
    last = last.then(() => answer(call));
  });
}
