/**
 * The server that nearpin's is held against: Fastify, which takes the same requests, has their bodies decoded and
 * answers every one with the same bytes. It gets the answer as its first message and tells its address.
 */
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import { Unpackr } from 'msgpackr';

const app = fastify();
const unpackr = new Unpackr({ useRecords: false });
app.addContentTypeParser('application/msgpack', { parseAs: 'buffer' }, (_request, body, done) =>
  done(null, unpackr.unpack(body as Buffer)),
);

process.once('message', async ({ body, type }: { body: Uint8Array; type: string }) => {
  const answer = Buffer.from(body);
  app.post('/v1/indexes/:index/query', (_request, reply) => reply.header('content-type', type).send(answer));
  await app.listen({ host: '127.0.0.1', port: 0 });
  process.send!((app.server.address() as AddressInfo).port);
});
process.on('disconnect', () => process.exit());
