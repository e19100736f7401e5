/**
 * By which names a server is asked that lets in everybody, since only this machine reaches it. A web page reaches it, too,
 * from a browser of this machine, and may read the answers if it has come by the same name: one of its own, which stood for
 * its own server and stands for 127.0.0.1 by now (DNS rebinding). Such a name is in the header Host. What no resolver can
 * turn, addresses and `localhost` (RFC 6761, section 6.3), is taken, and nothing else.
 */
import type { FastifyInstance } from 'fastify';
import { NearpinError } from '../lib/errors.ts';

const LOCAL = /^(?:localhost|[\d.]+|\[[\da-f:.]+\])(?::\d+)?$/i;

/** Refuses requests by other names (misdirected_request); to be called before hooks that answer or decide. */
export function refuseOtherNames(app: FastifyInstance): void {
  app.addHook('onRequest', ({ headers: { host = '' } }, _reply, done) => {
    if (LOCAL.test(host)) done();
    else
      done(
        new NearpinError(
          'misdirected_request',
          'A server that asks for no key answers by localhost or an address alone',
        ),
      );
  });
}
