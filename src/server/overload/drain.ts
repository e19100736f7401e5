/**
 * A graceful end: what has arrived is answered, connections on which nothing has arrived do not hold it up, and neither
 * do clients that take too long to send the rest of a request or to read an answer.
 */
import type { FastifyInstance } from 'fastify';

/** Time for what is in flight once the server has stopped listening; below the 30 s that orchestrators give. */
const DRAIN_LIMIT_MS = 20_000;

/**
 * Makes `app.close()` drain: for `delayMs` everything goes on while load balancers see that it ends, then the
 * server stops listening and, when the last request is answered or after `limitMs`, drops the connections that are left.
 * @returns whether it is draining
 */
export function drainOnClose(app: FastifyInstance, delayMs: number, limitMs = DRAIN_LIMIT_MS): () => boolean {
  let draining = false;
  let stopped = false;
  let inFlight = 0;
  let giveUp: NodeJS.Timeout | undefined;
  const drop = () => app.server.closeAllConnections();
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
    setImmediate(dropWhenDone);
    giveUp = setTimeout(drop, limitMs);
  });
  app.addHook('onClose', async () => clearTimeout(giveUp));
  return () => draining;
}
