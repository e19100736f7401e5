/**
 * A graceful end: what has arrived is answered, connections on which nothing has arrived do not hold it up, and neither
 * do clients that take too long to send the rest of a request or to read an answer.
 */
import type { Server } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Time for what is in flight once the server has stopped listening; below the 30 s that orchestrators give. */
const DRAIN_LIMIT_MS = 20_000;

export interface DrainOptions {
  readonly delayMs: number;
  readonly limitMs?: number | undefined;
  /** Ends with the app's own. */
  readonly adminServer?: Server | undefined;
}

/**
 * Makes `app.close()` drain: for `delayMs` everything goes on while load balancers see that it ends, then the servers
 * stop listening and, when the last request is answered or after `limitMs`, drop the connections that are left.
 * @returns whether it is draining
 */
export function drainOnClose(
  app: FastifyInstance,
  { delayMs, limitMs = DRAIN_LIMIT_MS, adminServer }: DrainOptions,
): () => boolean {
  let draining = false;
  let stopped = false;
  let inFlight = 0;
  let giveUp: NodeJS.Timeout | undefined;
  let adminEnded: Promise<void> | undefined;
  const drop = () => {
    app.server.closeAllConnections();
    adminServer?.closeAllConnections();
  };
  const dropWhenDone = () => {
    if (stopped && inFlight === 0) drop();
  };
  // One for all requests: a listener each would have to be made, and collected
  const onClose = () => {
    inFlight--;
    if (stopped) setImmediate(dropWhenDone);
  };

  app.addHook('onRequest', (_request, reply, done) => {
    inFlight++;
    reply.raw.on('close', onClose);
    done();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (draining) reply.header('connection', 'close');
    done();
  });
  app.addHook('preClose', async () => {
    draining = true;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    stopped = true;
    // Its callback says so too where it never listened
    if (adminServer) adminEnded = new Promise((resolve) => adminServer.close(() => resolve()));
    setImmediate(dropWhenDone);
    giveUp = setTimeout(drop, limitMs);
  });
  app.addHook('onClose', async () => {
    await adminEnded;
    clearTimeout(giveUp);
  });
  return () => draining;
}
