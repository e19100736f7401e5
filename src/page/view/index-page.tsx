/** One index as those who run it want to see it: how it goes now, what it is, and what it is made of. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { IndexDescription } from '../../client/client.ts';
import type { Call, Refusal } from '../state/api.ts';
import { useArrival, type Visit } from '../state/use-address.ts';
import { useSamples } from '../state/use-samples.ts';
import { Generations } from './generations.tsx';
import { IndexFacts } from './index-facts.tsx';
import { LiveCharts } from './live-charts.tsx';
import { Shards } from './shards.tsx';
import { Surfaces } from './surfaces.tsx';

interface IndexPageProps {
  readonly index: IndexDescription;
  readonly visit: Visit;
  readonly call: Call;
  /** Then what may not be its to see is asked for on a click: what is refused is recorded, and not the visitor's fault. */
  readonly hasKey: boolean;
  readonly refusalOf: (refusal: Refusal) => ComponentChildren;
}

export function IndexPage({ index, visit, call, hasKey, refusalOf }: IndexPageProps) {
  useArrival(visit, true);
  const [wantsMetrics, setWantsMetrics] = useState(!hasKey);
  const { samples, latest, refusal, metricsRefusal } = useSamples(call, index, wantsMetrics);
  useEffect(() => {
    document.title = `Index ${index.name} · nearpin`;
  }, [index.name]);
  if (refusal && samples.length === 0) return refusalOf(refusal);
  const { live } = latest;
  return (
    <article class="index">
      <h1 id="heading" tabIndex={-1}>
        Index {index.name}
      </h1>
      <p role="status" class={refusal ? 'status bad' : 'status'}>
        {refusal ? `${refusal.message} What is shown is from before.` : ''}
      </p>
      {live && live.warnings.length > 0 && (
        <ul class="warnings" aria-label="Warnings">
          {live.warnings.map(({ code, message }) => (
            <li key={message}>
              {message} <code>{code}</code>
            </li>
          ))}
        </ul>
      )}
      <LiveCharts
        samples={samples}
        metricsRefusal={metricsRefusal}
        onWanted={wantsMetrics ? undefined : () => setWantsMetrics(true)}
      />
      <div class="sheets">
        <IndexFacts index={latest} />
        <Shards index={latest} />
        <Generations index={latest} call={call} isForAll={!hasKey} />
        <Surfaces index={latest} call={call} />
      </div>
    </article>
  );
}
