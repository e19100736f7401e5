/**
 * Spans of requests for OpenTelemetry: what is traced is written down while the request is answered, in numbers, and made
 * into spans when it has been. So no context has to follow the request through promises and threads; a search in a thread
 * comes back with its own times. The packages are loaded when tracing is asked for, and not before.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type * as Api from '@opentelemetry/api';
import { NearpinError } from '../../lib/errors.ts';
import { SHARD_PLANS, STAGES } from '../../lib/watch.ts';
import type { RequestWatch } from './request-watch.ts';

/** Spans that wait for the collector: the default of 2,048 is half a second of a busy server. */
const QUEUE_MAX = 65_536;
const BATCH_MAX = 4096;
const SEND_EVERY_MS = 1000;
const TRACES_PATH = '/v1/traces';
/** W3C Trace Context, version 00; of a later one, what this one knows. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;

export interface TracingOptions {
  /** Of the collector (OTLP over HTTP), with its path of traces or without. */
  readonly url: string;
  /** Of requests that come without a trace, 0 to 1; those that come with one are traced as their callers say. */
  readonly share: number;
  /** Of this program. */
  readonly version: string;
}

/** What is known of a request when it has been answered. */
export interface Ended {
  readonly requestId: string;
  readonly method: string;
  /** As it is registered; absent when there is none. */
  readonly route: string | undefined;
  readonly status: number;
  readonly watch: RequestWatch;
}

/** A request that may be traced. */
export interface TracedRequest {
  /** For the answer. */
  readonly traceparent: string;
  /** Whether its spans are wanted. */
  readonly isRecorded: boolean;
  end(ended: Ended): void;
}

type Load = (name: string) => Promise<unknown>;
const importPackage: Load = (name) => import(name);

export class Tracing {
  readonly #api: typeof Api;
  readonly #tracer: Api.Tracer;
  readonly #shutdown: () => Promise<void>;

  private constructor(api: typeof Api, tracer: Api.Tracer, shutdown: () => Promise<void>) {
    this.#api = api;
    this.#tracer = tracer;
    this.#shutdown = shutdown;
  }

  /**
   * Loads the packages and begins to send.
   * @param load in place of `import`, for tests
   * @throws NearpinError not_supported when a package is not installed
   */
  static async open({ url, share, version }: TracingOptions, load: Load = importPackage): Promise<Tracing> {
    const need = async <Package>(name: string): Promise<Package> => {
      try {
        return (await load(name)) as Package;
      } catch (cause) {
        throw new NearpinError(
          'not_supported',
          `traces need the package ${name}, which is not installed: npm install ${name}`,
          [],
          { cause },
        );
      }
    };
    const api = await need<typeof Api>('@opentelemetry/api');
    const sdk = await need<typeof import('@opentelemetry/sdk-trace-node')>('@opentelemetry/sdk-trace-node');
    const { resourceFromAttributes } =
      await need<typeof import('@opentelemetry/resources')>('@opentelemetry/resources');
    const { OTLPTraceExporter } = await need<typeof import('@opentelemetry/exporter-trace-otlp-http')>(
      '@opentelemetry/exporter-trace-otlp-http',
    );
    const exporter = new OTLPTraceExporter({ url: tracesUrl(url) });
    const provider = new sdk.NodeTracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'nearpin', 'service.version': version }),
      sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(share) }),
      spanProcessors: [
        new sdk.BatchSpanProcessor(exporter, {
          maxQueueSize: QUEUE_MAX,
          maxExportBatchSize: BATCH_MAX,
          scheduledDelayMillis: SEND_EVERY_MS,
        }),
      ],
    });
    return new Tracing(api, provider.getTracer('nearpin', version), () => provider.shutdown());
  }

  /** A request comes in. */
  begin(method: string, headers: IncomingHttpHeaders, startTime: number): TracedRequest {
    const { trace, SpanKind, SpanStatusCode } = this.#api;
    const root = this.#tracer.startSpan(
      method,
      { kind: SpanKind.SERVER, startTime },
      this.#parentOf(headers),
    );
    const { traceId, spanId, traceFlags } = root.spanContext();
    const context = trace.setSpan(this.#api.ROOT_CONTEXT, root);
    return {
      traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
      isRecorded: root.isRecording(),
      end: ({ requestId, route, status, watch }) => {
        for (const { stage, fromMs, toMs } of watch.passed ?? [])
          this.#tracer.startSpan(STAGES[stage]!, { startTime: fromMs }, context).end(toMs);
        for (const search of watch.searches ?? [])
          for (const [shard, { ef, work }] of search.shards.entries())
            this.#shardSpan(shard, ef, work, context);
        root.updateName(route === undefined ? method : `${method} ${route}`);
        root.setAttributes({
          'http.request.method': method,
          'http.response.status_code': status,
          'nearpin.request_id': requestId,
          'nearpin.coverage': watch.isDegraded ? 'degraded' : 'complete',
        });
        if (route !== undefined) root.setAttribute('http.route', route);
        if (watch.index !== undefined) root.setAttribute('nearpin.index', watch.index.name);
        if (status >= 500) root.setStatus({ code: SpanStatusCode.ERROR });
        root.end(watch.now());
      },
    };
  }

  /** What a thread did for a shard, and how long it was waited for. */
  #shardSpan(
    shard: number,
    ef: number,
    work: NonNullable<RequestWatch['searches']>[number]['shards'][number]['work'],
    context: Api.Context,
  ): void {
    const { plan, compared, visited, thread, startedAtMs, queuedMs, searchMs, filterMs, rescoreMs } = work;
    const attributes = {
      'thread.id': thread,
      'nearpin.shard': shard,
      'nearpin.plan': SHARD_PLANS[plan]!,
      'nearpin.ef': ef,
      'nearpin.distances': compared,
      'nearpin.visited_nodes': visited,
      'nearpin.queue_ms': queuedMs,
      ...(!Number.isNaN(filterMs) && { 'nearpin.filter_ms': filterMs, 'nearpin.rescore_ms': rescoreMs }),
    };
    const startTime = startedAtMs;
    this.#tracer.startSpan('shard search', { startTime, attributes }, context).end(startedAtMs + searchMs);
  }

  #parentOf({ traceparent, tracestate }: IncomingHttpHeaders): Api.Context {
    const { ROOT_CONTEXT, createTraceState, trace } = this.#api;
    const found = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent) : null;
    if (found === null) return ROOT_CONTEXT;
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId: found[1]!,
      spanId: found[2]!,
      traceFlags: Number.parseInt(found[3]!, 16) & 1,
      isRemote: true,
      ...(typeof tracestate === 'string' && { traceState: createTraceState(tracestate) }),
    });
  }

  /** Sends what waits. */
  close(): Promise<void> {
    return this.#shutdown();
  }
}

/** OTLP's rule for an endpoint: the path of traces below it, where it does not name that itself. */
function tracesUrl(url: string): string {
  return url.endsWith(TRACES_PATH) ? url : `${url.replace(/\/+$/, '')}${TRACES_PATH}`;
}
