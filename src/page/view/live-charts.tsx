/** How an index goes, over the last minutes. */
import { useMemo } from 'preact/hooks';
import type { Refusal } from '../state/api.ts';
import { bytes, milliseconds, whole } from '../state/format.ts';
import type { Sample } from '../state/sample.ts';
import { Chart } from './chart.tsx';

interface Plotted {
  readonly title: string;
  readonly text: (value: number) => string;
  readonly series: readonly { readonly label: string; readonly of: (sample: Sample) => number | null }[];
}

const MIB = 2 ** 20;
const perSecond = (value: number): string => `${value < 100 ? value.toFixed(1) : whole(value)}/s`;

const CHARTS: readonly Plotted[] = [
  {
    title: 'Requests',
    text: perSecond,
    series: [
      { label: 'answered', of: ({ answeredPerS }) => answeredPerS },
      { label: 'refused', of: ({ refusedPerS }) => refusedPerS },
    ],
  },
  {
    title: 'Latency',
    text: milliseconds,
    series: [
      { label: 'p50', of: ({ p50Ms }) => p50Ms },
      { label: 'p99', of: ({ p99Ms }) => p99Ms },
      { label: 'from here', of: ({ roundTripMs }) => roundTripMs },
    ],
  },
  {
    title: 'Updates',
    text: perSecond,
    series: [{ label: 'searchable', of: ({ updatesPerS }) => updatesPerS }],
  },
  {
    title: 'Freshness',
    text: milliseconds,
    series: [{ label: 'lag', of: ({ lagMs }) => lagMs }],
  },
  {
    title: 'Memory',
    text: (mebibytes) => bytes(mebibytes * MIB),
    series: [
      { label: 'shards', of: ({ shardBytes }) => shardBytes / MIB },
      { label: 'process', of: ({ residentBytes }) => residentBytes && residentBytes / MIB },
    ],
  },
];

interface LiveChartsProps {
  readonly samples: readonly Sample[];
  /** Why requests and latency are not known. */
  readonly metricsRefusal: Refusal | undefined;
  /** Asks for them; undefined where they are. */
  readonly onWanted: (() => void) | undefined;
}

export function LiveCharts({ samples, metricsRefusal, onWanted }: LiveChartsProps) {
  const times = useMemo(() => samples.map(({ atMs }) => atMs), [samples]);
  return (
    <section aria-label="How it goes now">
      <h2 class="unseen">How it goes now</h2>
      <div class="charts">
        {CHARTS.map(({ title, text, series }) => (
          <Chart
            key={title}
            title={title}
            text={text}
            times={times}
            series={series.map(({ label, of }) => ({ label, values: samples.map(of) }))}
          />
        ))}
      </div>
      {onWanted && (
        <p class="hint">
          Requests, latency and the process are of all indexes, for keys that may see the server's metrics.{' '}
          <button type="button" class="inline" onClick={onWanted}>
            Show metrics
          </button>
        </p>
      )}
      {metricsRefusal && (
        <p class="hint">
          Requests, latency and the process are of all indexes, by the server's metrics, which are not to be
          had here: {metricsRefusal.message}
        </p>
      )}
    </section>
  );
}
