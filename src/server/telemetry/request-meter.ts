/** How long requests take, by route, method and status: routes as they are registered, never the path that was asked. */
import { Histogram, REQUEST_BOUNDS_S } from '../../lib/histogram.ts';
import { type Family, family, histogramSamples } from './families.ts';

/** Methods that have a label of their own: those that routes take. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** The label of requests that reach no route. */
const NO_ROUTE = 'none';

/** Of one route: by method, then by status. */
export class RouteMeter {
  readonly durations = new Map<string, Map<number, Histogram>>();

  count(method: string, status: number, seconds: number): void {
    const known = METHODS.includes(method) ? method : 'other';
    let statuses = this.durations.get(known);
    if (statuses === undefined) {
      statuses = new Map();
      this.durations.set(known, statuses);
    }
    let histogram = statuses.get(status);
    if (histogram === undefined) {
      histogram = new Histogram(REQUEST_BOUNDS_S);
      statuses.set(status, histogram);
    }
    histogram.observe(seconds);
  }
}

export class RequestMeter {
  readonly #routes = new Map<string, RouteMeter>();

  /** @param url as the route was registered; absent for requests that reach none */
  of(url: string = NO_ROUTE): RouteMeter {
    let route = this.#routes.get(url);
    if (route === undefined) {
      route = new RouteMeter();
      this.#routes.set(url, route);
    }
    return route;
  }

  family(): Family {
    const samples = [...this.#routes].flatMap(([route, { durations }]) =>
      [...durations].flatMap(([method, statuses]) =>
        [...statuses].flatMap(([status, histogram]) =>
          histogramSamples(histogram, { method, route, status: String(status) }),
        ),
      ),
    );
    return family('nearpin_http_request_duration_seconds', samples);
  }
}
