/**
 * The servers that nearpin's is held against, which take the same requests and answer every one alike. `constant` is the
 * same app: its routes, hooks, keys, decoding, checks and encoding, over an index that has the same answer to everything.
 * `bare` is Fastify with a decoder, which sends bytes that are there. They get the answer as their first message and
 * tell their port.
 */
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { Unpackr } from 'msgpackr';
import type { ServedIndex } from '../../src/retrieval/open-index.ts';
import { createAuthenticator } from '../../src/server/auth/authenticate.ts';
import { digestOf, KeyTable } from '../../src/server/auth/keys.ts';
import { SCOPES } from '../../src/server/auth/principal.ts';
import { createServer } from '../../src/server/server.ts';

export interface ConstantAnswer {
  readonly server: 'constant' | 'bare';
  /** Of the index that is asked. */
  readonly name: string;
  readonly type: string;
  readonly answer: object;
  /** The answer as nearpin has sent it. */
  readonly body: Uint8Array;
  /** Of who asks. */
  readonly key: string;
  readonly keyId: string;
}

function sameApp({ name, answer, key, keyId }: ConstantAnswer): FastifyInstance {
  const index = { name, use: async () => answer } as Partial<ServedIndex> as ServedIndex;
  const catalog = { list: () => [], get: () => ({ name, status: 'ready' as const, index }) };
  const clock = () => performance.timeOrigin + performance.now();
  const principal = { kind: 'key', id: 'bench', scopes: new Set(SCOPES), indexes: '*' } as const;
  const keys = new KeyTable([
    { id: keyId, digest: digestOf(key), principal, expiresAtMs: Number.POSITIVE_INFINITY },
  ]);
  return createServer({ catalog, clock, auth: createAuthenticator({ keys: () => keys, clock }) });
}

function bareApp({ body, type }: ConstantAnswer): FastifyInstance {
  const app = fastify();
  const unpackr = new Unpackr({ useRecords: false });
  app.addContentTypeParser('application/msgpack', { parseAs: 'buffer' }, (_request, bytes, done) =>
    done(null, unpackr.unpack(bytes as Buffer)),
  );
  const bytes = Buffer.from(body);
  app.post('/v1/indexes/:index/query', (_request, reply) => reply.header('content-type', type).send(bytes));
  return app;
}

process.once('message', async (constant: ConstantAnswer) => {
  const app = constant.server === 'constant' ? sameApp(constant) : bareApp(constant);
  await app.listen({ host: '127.0.0.1', port: 0 });
  process.send!((app.server.address() as AddressInfo).port);
});
process.on('disconnect', () => process.exit());
