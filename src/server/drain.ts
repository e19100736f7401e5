/** A graceful end: what has arrived is answered, connections on which nothing has arrived do not hold it up. */
import type { FastifyInstance } from 'fastify';

/**
 * Makes `app.close()` drain: for `delayMs` everything goes on while load balancers see that it ends, then the
 * server stops listening and, when the last request is answered, drops the connections that are left.
 * @returns whether it is draining
 */
export function drainOnClose(app: FastifyInstance, delayMs: number): () => boolean {
  let draining = false;
  let stopped = false;
  let inFlight = 0;
  const dropWhenDone = () => {
    if (stopped && inFlight === 0) app.server.closeAllConnections();
  };

  app.addHook('onRequest', (_request, reply, done) => {
    inFlight++;
    reply.raw.once('close', () => {
      inFlight--;
      if (stopped) setImmediate(dropWhenDone);
    });
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
  });
  return () => draining;
}
