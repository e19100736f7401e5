/**
 * Health at an address of its own, from a thread of its own. A probe of the API's listener waits for its turn behind every
 * request; here it does not, and so it tells overload, in which a server has to go on, from an event loop that stands
 * still, which only a new start ends.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Address, urlOf } from '../listeners.ts';
import { type Health, refusedHealth } from './health.ts';

export interface HealthWorkerData {
  readonly address: Address;
  readonly silentMs: number;
  /** What `/readyz` answers until more is told. */
  readonly first: Health;
}

/** What became of listening. */
export type Opened =
  | { readonly port: number }
  | { readonly code: string | undefined; readonly message: string };

/** Between two times that the thread is told. */
const BEAT_MS = 100;
/** No work of the event loop takes so long. */
const SILENT_MS = 5000;

export class HealthListener {
  readonly url: string;
  readonly #worker: Worker;
  readonly #beat: NodeJS.Timeout;

  private constructor(url: string, worker: Worker, beat: NodeJS.Timeout) {
    this.url = url;
    this.#worker = worker;
    this.#beat = beat;
  }

  /**
   * Listens, without TLS: nothing but the state is told, no index is named. Rejects as listen(2).
   * @param readiness what `/readyz` answers; throws where the server is not ready
   * @param silentMs for which the event loop may stand still; after it both paths answer 503
   */
  static async open(
    address: Address,
    readiness: () => object,
    silentMs: number = SILENT_MS,
  ): Promise<HealthListener> {
    const data: HealthWorkerData = { address, silentMs, first: healthOf(readiness) };
    const worker = new Worker(new URL('./health-worker.js', import.meta.url), { workerData: data });
    const [opened] = (await once(worker, 'message')) as [Opened];
    if (!('port' in opened)) {
      await worker.terminate();
      throw Object.assign(new Error(opened.message), { code: opened.code });
    }
    worker.unref();
    const beat = setInterval(() => worker.postMessage(healthOf(readiness)), BEAT_MS).unref();
    return new HealthListener(urlOf('http', { host: address.host, port: opened.port }), worker, beat);
  }

  /** Ends the thread with its connections. */
  async close(): Promise<void> {
    clearInterval(this.#beat);
    await this.#worker.terminate();
  }
}

function healthOf(readiness: () => object): Health {
  try {
    return { status: 200, body: JSON.stringify(readiness()) };
  } catch (error) {
    return refusedHealth(error);
  }
}
