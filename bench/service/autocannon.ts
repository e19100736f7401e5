/**
 * Load by autocannon, which is what others measure with. It takes some times more CPU than `load-generator.ts`, so of a
 * server that answers faster than it asks it tells its own speed; its figures are those to compare with other services'.
 */
import { createRequire } from 'node:module';

export interface CannonOptions {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Bodies, which each connection sends in turn, beginning at another one. */
  readonly bodies: readonly Buffer[];
  readonly count: number;
  readonly connections: number;
}

export interface CannonResult {
  readonly wallS: number;
  /** Of each request, in the order of the answers. */
  readonly latenciesUs: Float64Array;
}

/** What is used of the package, which brings no types. */
interface Client {
  setRequests(requests: readonly object[]): void;
}
interface Instance {
  on(event: 'response', heard: (client: Client, status: number, bytes: number, ms: number) => void): void;
}
type Cannon = (
  options: object,
  done: (error: Error | null, result: { readonly errors: number }) => void,
) => Instance;

/** Of a connection: enough that the whole of the set is asked for, few enough to be kept for each connection. */
const BODIES_MIN = 64;

/** It looks so often whether it is done. */
const SAMPLE_MS = 20;

/** Undefined where it is not installed. */
export function findAutocannon(): Cannon | undefined {
  try {
    return createRequire(import.meta.url)('autocannon') as Cannon;
  } catch {
    return undefined;
  }
}

/** Rejects when an answer is not 200, or a connection fails. */
export async function fire(autocannon: Cannon, options: CannonOptions): Promise<CannonResult> {
  const { port, path, headers, bodies, count, connections } = options;
  const latenciesUs = new Float64Array(count);
  let answered = 0;
  let refused: number | undefined;
  let opened = 0;
  const share = Math.max(BODIES_MIN, Math.ceil(bodies.length / connections));
  const setupClient = (client: Client) => {
    const first = opened++ * share;
    client.setRequests(
      Array.from({ length: share }, (_, i) => ({
        method: 'POST',
        path,
        headers,
        body: bodies[(first + i) % bodies.length]!,
      })),
    );
  };
  const startedAt = performance.now();
  let endedAt = startedAt;
  const { errors } = await new Promise<{ errors: number }>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `http://127.0.0.1:${port}${path}`,
        connections,
        amount: count,
        setupClient,
        sampleInt: SAMPLE_MS,
      },
      (error, result) => (error ? reject(error) : resolve(result)),
    );
    instance.on('response', (_client, status, _bytes, ms) => {
      endedAt = performance.now();
      if (status !== 200) refused ??= status;
      else if (answered < count) latenciesUs[answered++] = ms * 1000;
    });
  });
  if (refused !== undefined) throw new Error(`the server answered ${refused}`);
  if (errors > 0 || answered < count) throw new Error(`${answered} of ${count} requests were answered`);
  return { wallS: (endedAt - startedAt) / 1000, latenciesUs };
}
