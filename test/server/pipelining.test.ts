/** Requests that come before the answer to the one before them, behind one after which the connection is closed. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import { Connection } from '../fuzz/connection.ts';
import { catalogOf, ready, serve } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

function post(route: string, body: string): string {
  return (
    `POST /v1/indexes/pins/${route} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n\r\n${body}`
  );
}

it('what stands behind a broken body on its connection ends with it, and is no fault', async (t) => {
  const faults: unknown[] = [];
  const none = () => {};
  const logger = {
    ...{ level: 'error', silent: none, fatal: none, warn: none, info: none, debug: none, trace: none },
    error: (fault: unknown) => faults.push(fault),
    child: () => logger,
  } as unknown as FastifyBaseLogger;
  const engine = memoryEngine({
    dim: 4,
    attributes: ATTRIBUTES,
    pins: somePins(20, 4, 1),
    beforeAnswer: () => new Promise((resolve) => setTimeout(resolve, 30)),
  });
  const server = await serve({ catalog: catalogOf([ready({ name: 'pins', engine, model: null })]), logger });
  t.after(() => server.app.close());
  const connection = await Connection.open(server.port);
  t.after(() => connection.close());
  connection.write(
    Buffer.from(
      [
        post('query', '{"vector": [1, 2, 3, 4], "minScore": Infinity}'),
        'GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n',
        post('query', '{"vector": [1, 2, 3, 4]}'),
        post('batch', '{"requests": []}'),
      ].join(''),
    ),
  );
  const { answers, isClosed } = await connection.read(4, false, 5_000);
  assert.deepEqual([answers[0]!.status, isClosed], [400, true]);
  // The last of them was done long before; the one before it is by now
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(faults, []);
});
