/** What is known of an index and its server at a moment, and what follows from the moment before. */
import type { IndexDescription } from '../../client/client.ts';
import { durationMs, type Traffic } from './traffic.ts';

export interface Moment {
  readonly atMs: number;
  readonly index: IndexDescription;
  /** Of asking for that, from the browser. */
  readonly roundTripMs: number;
  /** Undefined where the key may not see it. */
  readonly traffic: Traffic | undefined;
}

/** Null is what is not known. */
export interface Sample {
  readonly atMs: number;
  readonly roundTripMs: number;
  readonly answeredPerS: number | null;
  readonly refusedPerS: number | null;
  /** Of the requests since the moment before. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly updatesPerS: number | null;
  readonly lagMs: number | null;
  readonly shardBytes: number;
  readonly residentBytes: number | null;
}

export function sampleOf(now: Moment, before: Moment | undefined): Sample {
  const { atMs, index, roundTripMs, traffic } = now;
  const earlier = before?.traffic;
  const rateOf = (more: number) => rate(more, atMs - before!.atMs);
  return {
    atMs,
    roundTripMs,
    answeredPerS: traffic && earlier ? rateOf(traffic.answered - earlier.answered) : null,
    refusedPerS: traffic && earlier ? rateOf(traffic.refused - earlier.refused) : null,
    p50Ms: traffic && earlier ? durationMs(0.5, traffic, earlier) : null,
    p99Ms: traffic && earlier ? durationMs(0.99, traffic, earlier) : null,
    updatesPerS: before ? rateOf(index.seq - before.index.seq) : null,
    lagMs: index.live?.lagMs ?? null,
    shardBytes: index.bytes,
    residentBytes: traffic?.residentBytes ?? null,
  };
}

/** Of a count that grows; one that has become less began anew. */
function rate(more: number, ms: number): number | null {
  return more >= 0 && ms > 0 ? (more * 1000) / ms : null;
}
