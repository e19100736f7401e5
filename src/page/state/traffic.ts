/** What a server's metrics tell of requests that find pins, and of its memory: read from the text that Prometheus reads. */

export interface Traffic {
  /** Requests that were answered. */
  readonly answered: number;
  /** Requests that were refused, with 400 and above. */
  readonly refused: number;
  /** Of those answered, how many took at most so many seconds; by rising bound, the last one infinite. */
  readonly within: ReadonlyMap<number, number>;
  /** Resident memory of the process. */
  readonly residentBytes: number | null;
}

const DURATION = 'nearpin_http_request_duration_seconds';
const RESIDENT = 'process_resident_memory_bytes';
const RETRIEVAL = /^\/v1\/indexes\/:index\/(query|related|search|homefeed|notifications|batch)$/;
const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/gm;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function readTraffic(metrics: string): Traffic {
  let answered = 0;
  let refused = 0;
  let residentBytes: number | null = null;
  const within = new Map<number, number>();
  for (const [, name, pairs = '', text] of metrics.matchAll(LINE)) {
    const value = Number(text);
    if (name === RESIDENT) residentBytes = value;
    if (!name!.startsWith(DURATION)) continue;
    const labels = new Map([...pairs.matchAll(LABEL)].map(([, key, label]) => [key, label!]));
    if (!RETRIEVAL.test(labels.get('route') ?? '')) continue;
    const isRefused = Number(labels.get('status')) >= 400;
    if (name === `${DURATION}_count` && isRefused) refused += value;
    if (name === `${DURATION}_count` && !isRefused) answered += value;
    if (name !== `${DURATION}_bucket` || isRefused) continue;
    const le = labels.get('le');
    const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
    within.set(bound, (within.get(bound) ?? 0) + value);
  }
  return { answered, refused, within: new Map([...within].sort(([a], [b]) => a - b)), residentBytes };
}

/**
 * The duration, in milliseconds, that a share of the requests between two moments did not pass: within its bucket in
 * proportion, as Prometheus does it, and the greatest bound where it lies above that. Null where there was no request.
 */
export function durationMs(share: number, { within }: Traffic, before: Traffic): number | null {
  const counts = [...within].map(
    ([bound, count]) => [bound, count - (before.within.get(bound) ?? 0)] as const,
  );
  const total = counts.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const wanted = share * total;
  const i = counts.findIndex(([, count]) => count >= wanted);
  const [bound, count] = counts[i]!;
  const [lower, below] = counts[i - 1] ?? [0, 0];
  if (bound === Number.POSITIVE_INFINITY) return lower * 1000;
  return 1000 * (lower + ((bound - lower) * (wanted - below)) / (count - below));
}
