/** Spans, as a collector gets them; and that there are none where nobody wants any. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Tracing } from '../../../src/server/telemetry/tracing.ts';
import { postJson } from '../../support/http.ts';
import { type LiveServer, liveServer } from '../../support/live-server.ts';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

/** A collector of OTLP over HTTP that keeps what it gets. */
async function collector() {
  const spans: Span[] = [];
  const services: unknown[] = [];
  const paths = new Set<string>();
  const http = createHttpServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    paths.add(request.url!);
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString());
    for (const { resource, scopeSpans } of resourceSpans) {
      services.push(...resource.attributes);
      for (const { spans: some } of scopeSpans) spans.push(...some);
    }
    response.setHeader('content-type', 'application/json').end('{}');
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  return { spans, services, paths, url: `http://127.0.0.1:${port}`, close: () => http.close() };
}

const isLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('@opentelemetry'));
const attributesOf = ({ attributes }: Span) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

let server: LiveServer;
before(async () => {
  server = await liveServer();
});
after(() => server.close());

it('without traces nothing of OpenTelemetry is loaded, and no header says that there were', async () => {
  const { headers } = await postJson(
    `${server.demo}/search`,
    { text: 'lamp' },
    { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
  );
  assert.equal(headers.get('traceparent'), null);
  assert.equal(isLoaded(), false);
});

describe('traces', () => {
  /** Serves with traces, runs something, and gives the spans that came of it. */
  async function traced(share: number, run: (demo: string) => Promise<void>) {
    const sink = await collector();
    const tracing = await Tracing.open({ url: sink.url, share, version: '1.2.3' });
    const other = await server.another({ telemetry: { tracing } });
    await run(`${other.url}/v1/indexes/demo`);
    await other.close();
    await tracing.close();
    sink.close();
    return sink;
  }

  it('follow a request from its head over the threads to its bytes', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const caller = 'b7ad6b7169203331';
    let told: string | null = null;
    const { spans, services, paths } = await traced(0, async (demo) => {
      const body = { text: 'brass lamp', mode: 'hybrid', include: ['payload'] };
      const headers = { traceparent: `00-${traceId}-${caller}-01`, 'x-request-id': 'r-9' };
      told = (await postJson(`${demo}/search`, body, headers)).headers.get('traceparent');
    });
    assert.deepEqual([...paths], ['/v1/traces']);
    const service = services.find((each) => (each as { key: string }).key === 'service.name');
    assert.deepEqual(service, { key: 'service.name', value: { stringValue: 'nearpin' } });
    const root = spans.find(({ parentSpanId }) => parentSpanId === caller)!;
    assert.equal(root.name, 'POST /v1/indexes/:index/search');
    assert.equal(told, `00-${traceId}-${root.spanId}-01`);
    const { 'http.route': route, 'nearpin.request_id': id, ...more } = attributesOf(root);
    assert.deepEqual([route, id], ['/v1/indexes/:index/search', 'r-9']);
    assert.equal(Number(more['http.response.status_code']), 200);
    assert.deepEqual([more['nearpin.index'], more['nearpin.coverage']], ['demo', 'complete']);
    const children = spans.filter(({ parentSpanId }) => parentSpanId === root.spanId);
    assert.equal(children.length, spans.length - 1);
    assert.ok(spans.every((span) => span.traceId === traceId));
    const names = children.map(({ name }) => name).sort();
    assert.deepEqual(names, [
      'decode',
      'embed',
      'encode',
      'merge',
      'payload',
      'plan',
      'shard search',
      'shard search',
      'words',
    ]);
    for (const { name, startTimeUnixNano, endTimeUnixNano } of children) {
      const [start, end] = [BigInt(startTimeUnixNano), BigInt(endTimeUnixNano)];
      assert.ok(start <= end, name);
      // Threads' clocks agree but for what it takes to compare them
      assert.ok(start >= BigInt(root.startTimeUnixNano) - 1_000_000n, name);
      assert.ok(end <= BigInt(root.endTimeUnixNano) + 1_000_000n, name);
    }
    const shards = children.filter(({ name }) => name === 'shard search').map(attributesOf);
    assert.deepEqual(shards.map((shard) => Number(shard['nearpin.shard'])).sort(), [0, 1]);
    for (const shard of shards) {
      assert.ok(Number(shard['thread.id']) > 0);
      assert.equal(shard['nearpin.plan'], 'graph');
      for (const key of ['nearpin.visited_nodes', 'nearpin.distances', 'nearpin.queue_ms', 'nearpin.ef'])
        assert.ok(Number(shard[key]) > 0, key);
    }
  });

  it('are made of the share that is asked for, and not of what a caller leaves out', async () => {
    const none = await traced(0, async (demo) => {
      const { headers } = await postJson(`${demo}/search`, { text: 'lamp' });
      assert.match(headers.get('traceparent')!, /^00-[\da-f]{32}-[\da-f]{16}-00$/);
    });
    assert.deepEqual(none.spans, []);
    const all = await traced(1, async (demo) => {
      await postJson(`${demo}/search`, { text: 'lamp' });
      await postJson(`${demo}/search`, { text: 'lamp' }, { traceparent: 'not-a-trace' });
      await postJson(
        `${demo}/search`,
        { text: 'lamp' },
        { traceparent: `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01` },
      );
      const unsampled = `00-${'4'.repeat(32)}-${'1'.repeat(16)}-00`;
      await postJson(`${demo}/search`, { text: 'lamp' }, { traceparent: unsampled });
    });
    assert.equal(all.spans.filter(({ parentSpanId }) => parentSpanId === undefined).length, 3);
  });

  it('are refused with what to install, where a package is missing', async () => {
    const options = { url: 'http://127.0.0.1:1', share: 1, version: '1' };
    const absent = (name: string) =>
      name.endsWith('otlp-http') ? Promise.reject(new Error(`Cannot find ${name}`)) : import(name);
    await assert.rejects(Tracing.open(options, absent), {
      code: 'not_supported',
      message: /npm install @opentelemetry\/exporter-trace-otlp-http/,
    });
  });

  it('that find no collector hold nothing up', async () => {
    const tracing = await Tracing.open({ url: 'http://127.0.0.1:1', share: 1, version: '1' });
    const other = await server.another({ telemetry: { tracing } });
    const { status } = await postJson(`${other.url}/v1/indexes/demo/search`, { text: 'lamp' });
    assert.equal(status, 200);
    await other.close();
    await tracing.close().catch(() => {});
  });
});
