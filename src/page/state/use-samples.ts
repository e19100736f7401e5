/** The index over time, while its page is looked at: asked for every few seconds, and not while the tab is hidden. */
import { useEffect, useState } from 'preact/hooks';
import type { IndexDescription } from '../../client/client.ts';
import { type Call, indexPath, Refusal } from './api.ts';
import { type Moment, type Sample, sampleOf } from './sample.ts';
import { readTraffic } from './traffic.ts';

export interface Samples {
  /** The oldest first. */
  readonly samples: readonly Sample[];
  readonly latest: IndexDescription;
  /** Why the last attempt had no answer. */
  readonly refusal: Refusal | undefined;
  /** Why the metrics are not to be seen: the rest goes on without them. */
  readonly metricsRefusal: Refusal | undefined;
}

const PERIOD_MS = 2000;
/** Five minutes of them. */
const KEPT_MAX = 150;

/** @param withMetrics whether the metrics are asked for, too */
export function useSamples(call: Call, index: IndexDescription, withMetrics: boolean): Samples {
  const [state, setState] = useState<Samples>({
    samples: [],
    latest: index,
    refusal: undefined,
    metricsRefusal: undefined,
  });
  useEffect(() => {
    const control = new AbortController();
    const { signal } = control;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isLooking = false;
    let before: Moment | undefined;
    let metricsRefusal: Refusal | undefined;

    const traffic = async () => {
      if (!withMetrics || metricsRefusal) return undefined;
      try {
        return readTraffic((await call<string>('metrics', { signal, isText: true })).value);
      } catch (error) {
        if (error instanceof Refusal && error.status > 0) metricsRefusal = error;
        else throw error;
        return undefined;
      }
    };
    const look = async () => {
      const [{ value, roundTripMs }, seen] = await Promise.all([
        call<IndexDescription>(indexPath(index.name), { signal }),
        traffic(),
      ]);
      const now: Moment = { atMs: Date.now(), index: value, roundTripMs, traffic: seen };
      const sample = sampleOf(now, before);
      before = now;
      setState(({ samples }) => ({
        samples: [...samples, sample].slice(-KEPT_MAX),
        latest: value,
        refusal: undefined,
        metricsRefusal,
      }));
    };
    const next = async () => {
      clearTimeout(timer);
      if (isLooking || document.hidden) return;
      isLooking = true;
      try {
        await look();
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Refusal)) throw error;
        setState((last) => ({ ...last, refusal: error }));
      }
      isLooking = false;
      timer = setTimeout(next, PERIOD_MS);
    };
    document.addEventListener('visibilitychange', next);
    void next();
    return () => {
      document.removeEventListener('visibilitychange', next);
      clearTimeout(timer);
      control.abort();
    };
  }, [call, index.name, withMetrics]);
  return state;
}
