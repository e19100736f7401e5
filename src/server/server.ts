/** The HTTP server: routes over a catalog of indexes, in JSON and msgpack, with every refusal as a problem. */
import type { Server } from 'node:http';
import type { SecureContextOptions } from 'node:tls';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type RawServerDefault } from 'fastify';
import { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { ExposureLog } from '../retrieval/experiments/exposure.ts';
import type { Clock } from '../retrieval/open-index.ts';
import { Aftermath } from './aftermath.ts';
import { useFormats } from './api.ts';
import type { AuditLog } from './auth/audit.ts';
import type { Authenticator } from './auth/authenticate.ts';
import { guard } from './auth/guard.ts';
import type { Catalog } from './catalog.ts';
import { allowOrigins } from './cors.ts';
import { docsRoutes } from './docs/docs.ts';
import { type GraphqlOptions, graphqlRoute } from './graphql/route.ts';
import { readinessOf } from './health/readiness.ts';
import { addAdminServer } from './listeners.ts';
import { refuseOtherNames } from './local-names.ts';
import { answerOtherMethods, watchMethods } from './methods.ts';
import { openapiRoute, watchOperations } from './openapi.ts';
import { noteCallers } from './overload/caller.ts';
import {
  ADMISSION_DEFAULTS,
  type AdmissionBounds,
  admissionsOf,
  guardDoor,
  inviteBody,
  rateHook,
} from './overload/door.ts';
import { drainOnClose } from './overload/drain.ts';
import { RateLimiter } from './overload/rate-limiter.ts';
import { pageRoutes } from './page/page.ts';
import { refuseSocket, sendProblem } from './problems.ts';
import { quickResponses } from './quick-response.ts';
import { givenRequestId } from './request-id.ts';
import { healthRoutes } from './routes/health.ts';
import { indexRoutes } from './routes/indexes.ts';
import { metricsRoute } from './routes/metrics.ts';
import { retrievalRoutes } from './routes/retrieval.ts';
import { aliasRoutes, generationRoutes, pinRoutes } from './routes/writes.ts';
import { Telemetry, type TelemetryOptions } from './telemetry/telemetry.ts';
import { compileCheck } from './validate.ts';

export interface ServerOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** What is logged, traced and replayed beside what is counted always. */
  readonly telemetry?: TelemetryOptions;
  /** Where exposures to experiments go; nowhere when absent. */
  readonly exposures?: ExposureLog;
  /** Threads that search: shadows leave them to requests. */
  readonly threads?: number;
  /** Without it there is no POST /graphql. */
  readonly graphql?: GraphqlOptions;
  /**
   * Faults are logged to it, and what `telemetry` asks for; without one nothing is. Fastify has none: with one it listens
   * to every answer, and makes a child for every request.
   */
  readonly logger?: FastifyBaseLogger;
  readonly bodyLimitBytes?: number;
  /** Makes it speak https alone. */
  readonly tls?: SecureContextOptions;
  /** Time that a client has to send its whole request. */
  readonly requestTimeoutMs?: number;
  /** Time between `close` and the end of listening, in which /readyz says 503 and everything is still served. */
  readonly drainDelayMs?: number;
  /** Time after that in which what is in flight may end. */
  readonly drainLimitMs?: number;
  /** How much is taken in at a time. */
  readonly admission?: AdmissionBounds;
  /** Requests per second of each key, or of each address where there are no keys; as many as come when absent. */
  readonly ratePerSecond?: number;
  /** Origins of other sites whose pages may ask; none when absent. */
  readonly corsOrigins?: readonly string[];
  /** Who is who; without it everybody may do everything, by names that nobody can turn (`local-names.ts`). */
  readonly auth?: Authenticator;
  /** Where changes, and requests that are not let in, are recorded; nowhere when absent. */
  readonly audit?: AuditLog;
  /** Whether what is for those who run the server gets a listener of its own. */
  readonly hasAdminListener?: boolean;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** For a listener of health (`health/health-listener.ts`): what it tells everybody; throws not_ready. */
    readiness(): object;
  }
}

const REQUEST_TIMEOUT_MS = 30_000;
/** For which a connection on which nothing comes is kept. */
const KEEP_ALIVE_S = 72;
/** A pin id of the greatest length with every byte percent-encoded fits, and so does one that is too long. */
const PATH_PARAMETER_CHARS_MAX = 8 * 3 * LIMITS.pinIdBytesMax;

/**
 * Makes a server that does not listen yet; `listen`, `close` (which finishes the requests in flight) and hooks are
 * Fastify's.
 */
export function createServer(options: ServerOptions): FastifyInstance {
  const { catalog, clock, logger, tls, drainDelayMs = 0, hasAdminListener = false } = options;
  const startedAt = Math.floor(clock()).toString(36);
  let requests = 0;

  const app: FastifyInstance = fastify<RawServerDefault>({
    ...(tls !== undefined && { https: tls }),
    bodyLimit: options.bodyLimitBytes ?? LIMITS.bodyBytesDefault,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_S * 1000,
    http: { ServerResponse: quickResponses(clock, KEEP_ALIVE_S) },
    routerOptions: { maxParamLength: PATH_PARAMETER_CHARS_MAX },
    // Requests that come in on a kept connection while the server drains are answered like any other.
    return503OnClosing: false,
    genReqId: ({ headers }) => givenRequestId(headers) ?? `${startedAt}-${(requests++).toString(36)}`,
    frameworkErrors: (error, request, reply) => {
      sendProblem(request, reply, error);
    },
    clientErrorHandler: refuseSocket,
  });

  app.setValidatorCompiler(({ schema }) => {
    const check = compileCheck(schema as object);
    return (value) => {
      try {
        check(value);
        return true;
      } catch (error) {
        return { error: error as Error };
      }
    };
  });
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error));
  app.setNotFoundHandler((request, reply) => {
    const refusal = new NearpinError('unknown_route', `There is no route ${request.method} ${request.url}`);
    sendProblem(request, reply, refusal);
    telemetry.endedNowhere(request, reply);
  });
  const { threads = 1 } = options;
  const admissions = admissionsOf(options.admission ?? ADMISSION_DEFAULTS, threads);
  const telemetry = new Telemetry(catalog, clock, logger, options.telemetry ?? {});
  telemetry.showGate('search', admissions.searches);
  telemetry.showGate('write', admissions.writes);
  const corsOrigins = new Set(options.corsOrigins);
  guardDoor(app.server as Server, {
    admissions,
    clock,
    corsOrigins,
    onRefused: (code) => telemetry.refused(code),
  });
  telemetry.watch(app);
  noteCallers(app);
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  if (options.auth === undefined) refuseOtherNames(app);
  allowOrigins(app, corsOrigins);
  const adminServer = hasAdminListener ? addAdminServer(app, tls) : undefined;
  const isDraining = drainOnClose(app, { delayMs: drainDelayMs, limitMs: options.drainLimitMs, adminServer });
  const readiness = (namesIndexes: boolean) => () =>
    readinessOf(catalog, { isDraining: isDraining(), namesIndexes });
  app.decorate('readiness', readiness(false));
  const { auth, audit, exposures, graphql } = options;
  guard(app, { catalog, auth, audit, clock, hasAdminListener });
  app.addHook('preParsing', inviteBody);
  const aftermath = new Aftermath({ catalog, clock, exposures, threads });
  app.addHook('onClose', () => aftermath.close());

  const taken = watchMethods(app);
  const describeApi = watchOperations(app);
  const holdToRates =
    options.ratePerSecond === undefined ? undefined : rateHook(new RateLimiter(options.ratePerSecond));
  app.register(async (api) => {
    useFormats(api);
    if (holdToRates) api.addHook('onRequest', holdToRates);
    retrievalRoutes(api, catalog, clock, admissions.searches, aftermath, telemetry);
    pinRoutes(api, catalog, clock, admissions.writes, telemetry);
    indexRoutes(api, catalog, telemetry);
    generationRoutes(api, catalog);
    aliasRoutes(api, catalog);
  });
  app.register(async (health) => {
    useFormats(health, true);
    // Probes have no key: where keys are asked for, they are told no names
    healthRoutes(health, readiness(auth === undefined));
  });
  app.register(async (site) => {
    openapiRoute(site, describeApi);
    docsRoutes(site, describeApi);
    metricsRoute(site, catalog, aftermath, telemetry, audit);
    pageRoutes(site);
  });
  if (graphql)
    app.register(async (questions) => {
      if (holdToRates) questions.addHook('onRequest', holdToRates);
      const service = { catalog, clock, aftermath, admission: admissions.searches, telemetry };
      await graphqlRoute(questions, service, graphql);
    });
  app.register(async (rest) => answerOtherMethods(rest, taken));
  return app;
}
