/** Asks a server whether it lives, as an orchestrator does: each time over a connection of its own, and timed. */
import { get } from 'node:http';

const PATHS = ['/livez', '/readyz'] as const;

/** Milliseconds until the whole answer was there; Infinity when it was not 200. */
function probe(port: number, path: string): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const fail = () => resolve(Number.POSITIVE_INFINITY);
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.on('error', fail).resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve(performance.now() - startedAt) : fail(),
      );
    }).on('error', fail);
  });
}

/** Probes every `everyMs`, whether or not the one before was answered. @returns ends that, and tells every time */
export function startProbes(port: number, everyMs: number): () => Promise<Float64Array> {
  const asked: Promise<number>[] = [];
  const timer = setInterval(() => asked.push(probe(port, PATHS[asked.length % PATHS.length]!)), everyMs);
  return async () => {
    clearInterval(timer);
    return Float64Array.from(await Promise.all(asked));
  };
}
