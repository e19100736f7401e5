/**
 * What can be seen of a server: every request has a watch that hears what answering it takes, and when it is answered the
 * watch is counted, logged where it was slow, and made into spans where those are wanted.
 */
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Histogram, STAGE_BOUNDS_S } from '../../lib/histogram.ts';
import { SHARD_PLANS, STAGES } from '../../lib/watch.ts';
import type { Clock } from '../../retrieval/open-index.ts';
import type { Catalog } from '../catalog.ts';
import type { Admission } from '../overload/admission.ts';
import { type Family, family, histogramSamples } from './families.ts';
import { familiesOf, IndexMeter } from './index-meter.ts';
import type { MetricName } from './metrics.ts';
import { ProcessMeter } from './process-meter.ts';
import { RecallMonitor } from './recall-monitor.ts';
import { RequestMeter, type RouteMeter } from './request-meter.ts';
import { type Meters, RequestWatch } from './request-watch.ts';
import { shapeOf } from './shape-of.ts';
import type { TracedRequest, Tracing } from './tracing.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Hears how the request is answered. */
    watch: RequestWatch;
    /** Only where traces are on. */
    traced: TracedRequest | undefined;
  }
}

export interface TelemetryOptions {
  /** Of the program, for build_info. */
  readonly version?: string;
  /** Requests that take longer are logged, with what they took where. */
  readonly slowQueryMs?: number;
  /** Whether every request is logged. */
  readonly accessLog?: boolean;
  /** Which live searches are replayed exactly; none when absent. */
  readonly recall?: { readonly share: number; readonly seed: number };
  readonly tracing?: Tracing;
  /** CPU time that searches have taken, in seconds; /metrics does without where nobody counts it. */
  readonly searchCpuS?: () => number;
  /** When the certificate in force ends, in epoch milliseconds; absent where there is none. */
  readonly certificateExpiresAtMs?: () => number;
}

/** A request that has this header is told in Server-Timing what took how long. */
const WANTS_TIMING = 'x-server-timing';

export class Telemetry {
  readonly #catalog: Catalog;
  readonly #options: TelemetryOptions;
  readonly #meters: Meters;
  readonly #requests = new RequestMeter();
  readonly #indexes = new Map<string, IndexMeter>();
  readonly #process = new ProcessMeter();
  readonly recall: RecallMonitor | undefined;
  #inFlight = 0;
  readonly #problems = new Map<string, number>();
  readonly #gates = new Map<string, Admission>();

  constructor(catalog: Catalog, clock: Clock, log: FastifyBaseLogger | undefined, options: TelemetryOptions) {
    this.#catalog = catalog;
    this.#options = options;
    const { recall } = options;
    this.recall = recall && new RecallMonitor({ catalog, clock, ...recall });
    this.#meters = {
      clock,
      stages: STAGES.map(() => new Histogram(STAGE_BOUNDS_S)),
      onSearch: this.recall && ((index, query) => this.recall!.offer(index, query)),
      onRefused: (code) => this.refused(code),
      log,
      onHijacked: (request, reply, status) => {
        const { url } = request.routeOptions;
        this.#ended(request, reply, this.#requests.of(url), url, status);
      },
    };
  }

  /** Watches every request of an app from its arrival to its answer; to be called before routes are registered. */
  watch(app: FastifyInstance): void {
    const { tracing } = this.#options;
    app.decorateRequest('watch');
    app.decorateRequest('traced');
    app.addHook('onRequest', (request, reply, done) => {
      const watch = new RequestWatch(this.#meters);
      request.watch = watch;
      this.#inFlight++;
      if (tracing) this.#trace(tracing, request, reply);
      done();
    });
    const endings = new Map<
      string,
      (r: FastifyRequest, reply: FastifyReply, _: unknown, done: () => void) => void
    >();
    app.addHook('onRoute', (route) => {
      let ending = endings.get(route.url);
      if (ending === undefined) {
        const meter = this.#requests.of(route.url);
        ending = (request, reply, _payload, done) => {
          this.#ended(request, reply, meter, route.url);
          done();
        };
        endings.set(route.url, ending);
      }
      // The routes of HEAD that Fastify makes bring it along
      const onSend = [route.onSend ?? []].flat() as unknown[];
      if (!onSend.includes(ending)) route.onSend = [...onSend, ending] as NonNullable<typeof route.onSend>;
    });
    app.addHook('onClose', async () => {
      this.#process.close();
      await this.recall?.close();
    });
  }

  #trace(tracing: Tracing, request: FastifyRequest, reply: FastifyReply): void {
    const { watch } = request;
    const traced = tracing.begin(request.method, request.headers, watch.startedAtMs);
    reply.header('traceparent', traced.traceparent);
    request.traced = traced;
    if (traced.isRecorded) watch.passed = [];
  }

  /** A request that reached no route is about to be answered. */
  endedNowhere(request: FastifyRequest, reply: FastifyReply): void {
    this.#ended(request, reply, this.#requests.of(), undefined);
  }

  #ended(
    request: FastifyRequest,
    reply: FastifyReply,
    meter: RouteMeter,
    route: string | undefined,
    status = reply.statusCode,
  ): void {
    const { watch, traced } = request;
    if (watch.isEnded) return;
    watch.isEnded = true;
    this.#inFlight--;
    const ms = watch.now() - watch.startedAtMs;
    meter.count(request.method, status, ms / 1000);
    const { index } = watch;
    if (index !== undefined && watch.hasSearched && status < 400) {
      if (watch.isDegraded) index.degradedAnswers++;
      else index.completeAnswers++;
    }
    if (request.headers[WANTS_TIMING] !== undefined) reply.header('server-timing', watch.serverTiming());
    const { slowQueryMs = Number.POSITIVE_INFINITY, accessLog } = this.#options;
    const { log } = this.#meters;
    if (ms >= slowQueryMs) log?.warn(this.#slowQuery(request, status, ms, route), 'slow request');
    if (accessLog) log?.info(summaryOf(request, status, ms, route), 'request');
    traced?.end({ requestId: request.id, method: request.method, route, status, watch });
  }

  #slowQuery(request: FastifyRequest, status: number, ms: number, route: string | undefined): object {
    const { watch } = request;
    return {
      ...summaryOf(request, status, ms, route),
      stages: watch.stageMs(),
      ...(watch.hasSearched && { coverage: watch.isDegraded ? 'degraded' : 'complete' }),
      // A list of shards for each search
      searches: (watch.searches ?? []).map(({ shards }) =>
        shards.map(({ ef, work: { plan, startedAtMs: _, ...rest } }) => ({
          plan: SHARD_PLANS[plan],
          ef,
          ...rest,
        })),
      ),
      ...(request.body !== undefined && { asked: shapeOf(request.body) }),
    };
  }

  /** A request is refused, perhaps before it was watched. */
  refused(code: string): void {
    this.#problems.set(code, (this.#problems.get(code) ?? 0) + 1);
  }

  /** Shows how full a gate is. */
  showGate(gate: string, admission: Admission): void {
    this.#gates.set(gate, admission);
  }

  /** The counts of an index that exists. */
  meterOf(index: string): IndexMeter {
    let meter = this.#indexes.get(index);
    if (meter === undefined) {
      meter = new IndexMeter(index);
      this.#indexes.set(index, meter);
    }
    return meter;
  }

  families(): Family[] {
    // What was removed is nobody's any more
    const names = new Set(this.#catalog.list().map(({ name }) => name));
    for (const name of this.#indexes.keys()) if (!names.has(name)) this.#indexes.delete(name);
    const { version = '', searchCpuS, certificateExpiresAtMs: expiresAtMs } = this.#options;
    const stages = STAGES.flatMap((stage, i) => histogramSamples(this.#meters.stages[i]!, { stage }));
    const gates = [...this.#gates];
    const problems = [...this.#problems].map(([code, value]) => ({ labels: { code }, value }));
    return [
      family('nearpin_build_info', [{ labels: { version, node: process.version }, value: 1 }]),
      this.#requests.family(),
      family('nearpin_http_requests_in_flight', [{ value: this.#inFlight }]),
      family('nearpin_problems_total', problems),
      family(
        'nearpin_admitted_requests',
        gates.map(([gate, { inFlight }]) => ({ labels: { gate }, value: inFlight })),
      ),
      family(
        'nearpin_admission_limit',
        gates.map(([gate, { limit }]) => ({ labels: { gate }, value: limit })),
      ),
      family('nearpin_stage_duration_seconds', stages),
      ...familiesOf([...this.#indexes.values()]),
      ...(searchCpuS ? [family('nearpin_search_cpu_seconds_total', [{ value: searchCpuS() }])] : []),
      ...(this.recall ? this.#recallFamilies(this.recall, [...names]) : []),
      ...(expiresAtMs
        ? [family('nearpin_certificate_expiry_timestamp_seconds', [{ value: expiresAtMs() / 1000 }])]
        : []),
      ...this.#process.families(),
    ];
  }

  #recallFamilies(recall: RecallMonitor, indexes: readonly string[]): Family[] {
    const groups = indexes.flatMap((index) =>
      recall.of(index).map(({ ef, filtered, ...values }) => ({
        labels: { index, ef: String(ef), filtered: String(filtered) },
        ...values,
      })),
    );
    const each = (name: MetricName, value: (group: (typeof groups)[number]) => number) =>
      family(
        name,
        groups.map((group) => ({ labels: group.labels, value: value(group) })),
      );
    return [
      each('nearpin_recall_ratio', ({ recall }) => recall),
      each('nearpin_recall_low_ratio', ({ low }) => low),
      each('nearpin_recall_high_ratio', ({ high }) => high),
      each('nearpin_recall_samples', ({ samples }) => samples),
      family(
        'nearpin_recall_replays_total',
        Object.entries(recall.counts()).map(([outcome, value]) => ({ labels: { outcome }, value })),
      ),
    ];
  }
}

/** What a log says of any request: nothing that it brought but its id, which has a shape of its own. */
function summaryOf(request: FastifyRequest, status: number, ms: number, route: string | undefined): object {
  const { watch } = request;
  return {
    requestId: request.id,
    method: request.method,
    route: route ?? null,
    status,
    ms: Math.round(ms * 1000) / 1000,
    ...(watch.index && { index: watch.index.name }),
  };
}
