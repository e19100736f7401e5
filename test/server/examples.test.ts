/** What the documents show is so: every example is sent, in both formats, and answered as they say; every refusal, too. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ERRORS, type ErrorCode } from '../../src/lib/errors.ts';
import { ERROR_GUIDE } from '../../src/server/docs/error-guide.ts';
import { type Example, STORY } from '../../src/server/docs/examples.ts';
import { addressOf } from '../../src/server/docs/reference-page.ts';
import type { OpenApi } from '../../src/server/openapi.ts';
import { catalogServer } from '../support/documented-server.ts';
import { exchange, pack } from '../support/http.ts';

/** What differs from run to run, or from machine to machine. */
const VOLATILE: readonly string[] = ['tookMs', 'lagMs', 'bytes', 'fill', 'limitBytes', 'distances', 'hops'];
const TYPES = ['application/json', 'application/msgpack'] as const;

/** The same value, with volatile numbers as 0, and others at the precision of 32-bit floats. */
function steady(value: unknown, key = ''): unknown {
  if (VOLATILE.includes(key)) return 0;
  if (value instanceof Uint8Array)
    return Array.from(new Float32Array(value.slice().buffer), (x) => steady(x));
  if (Array.isArray(value)) return value.map((each) => steady(each));
  if (typeof value === 'number') return Number(value.toPrecision(6));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, steady(inner, name)]));
}

for (const type of TYPES)
  describe(`the examples, in ${type}`, () => {
    let server: Awaited<ReturnType<typeof catalogServer>>;
    let api: OpenApi;
    before(async () => {
      server = await catalogServer();
      api = (await exchange(`${server.url}/openapi.json`)).body;
    });
    after(() => server.close());

    async function send({ operation, params, body }: Example) {
      for (const [path, methods] of Object.entries(api.paths))
        for (const [method, { operationId }] of Object.entries(methods))
          if (operationId === operation)
            return exchange(server.url + addressOf(path, params), {
              method: method.toUpperCase(),
              headers: { accept: type, ...(body !== undefined && { 'content-type': type }) },
              ...(body !== undefined && {
                body: type === TYPES[0] ? JSON.stringify(body) : new Uint8Array(pack(body)),
              }),
            });
      throw new Error(`there is no operation ${operation}`);
    }

    for (const example of STORY) {
      it(`${example.operation}: ${example.name}`, async () => {
        const { status, body } = await send(example);
        assert.equal(status, 200, JSON.stringify(body));
        assert.deepEqual(steady(body), steady(example.answer));
      });
      if (example.operation === 'upsertPins') it('every refusal of the guide', refusals);
    }

    async function refusals(): Promise<void> {
      let sent = 0;
      for (const [code, { example }] of Object.entries(ERROR_GUIDE)) {
        if (example.request === undefined) continue;
        sent++;
        const { method = 'POST', path, headers, body } = example.request;
        const isText = typeof body === 'string';
        const own = headers?.['content-type'] ?? (isText ? 'application/json' : type);
        const bytes =
          isText || own !== TYPES[1] ? Buffer.from(isText ? body : JSON.stringify(body ?? '')) : pack(body);
        const answer = await exchange(server.url + path, {
          method,
          headers: { accept: type, ...headers, ...(body !== undefined && { 'content-type': own }) },
          ...(body !== undefined && {
            body: own === TYPES[1] && isText ? Buffer.from(body, 'latin1') : bytes,
          }),
        });
        const detail = ERRORS[code as ErrorCode].status === 500 ? undefined : example.detail;
        assert.deepEqual(
          [answer.body?.code, answer.body?.errors?.[0]?.path, answer.body?.detail],
          [code, example.path, detail ?? answer.body?.detail],
          JSON.stringify(answer.body),
        );
        assert.equal(answer.status, ERRORS[code as ErrorCode].status);
        assert.equal(answer.body.type, `/docs/errors#${code}`);
      }
      assert.ok(sent > 20, `${sent} refusals`);
    }
  });
