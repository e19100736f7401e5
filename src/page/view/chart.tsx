/** One chart over time, with the last values as text: lines that follow the style sheet, so there is nothing to redraw. */
import { linePath, roundAbove } from '../state/scale.ts';

export interface Series {
  readonly label: string;
  /** One a moment; null where there is none. */
  readonly values: readonly (number | null)[];
}

interface ChartProps {
  readonly title: string;
  /** Moments in epoch milliseconds, rising. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  /** A value for people. */
  readonly text: (value: number) => string;
}

/** What is shown while less is known. */
const SPAN_MIN_MS = 60_000;

export function Chart({ title, times, series, text }: ChartProps) {
  const toMs = times.at(-1) ?? 0;
  const fromMs = Math.min(times[0] ?? 0, toMs - SPAN_MIN_MS);
  const most = roundAbove(Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const lines = series.map(({ values }) => linePath(times, values, { fromMs, toMs, most }));
  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <ul>
          {series.map(({ label, values }, i) => (
            <li key={label}>
              <span class={`swatch part-${i}`} aria-hidden="true" />
              {label} <b>{lastText(values, text)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div class="plot">
        <p aria-hidden="true">
          {[most, most / 2, 0].map((tick) => (
            <span key={tick}>{tick === 0 ? '0' : text(tick)}</span>
          ))}
        </p>
        <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label={`${title} over time`}>
          <path class="rule" d="M0 0H100M0 50H100M0 100H100" />
          {lines.map((d, i) => (
            <path key={series[i]!.label} class={`line-${i}`} d={d} />
          ))}
        </svg>
      </div>
      <p class="times" aria-hidden="true">
        <span>{Math.round((toMs - fromMs) / 1000)} s ago</span>
        <span>now</span>
      </p>
    </figure>
  );
}

function lastText(values: readonly (number | null)[], text: (value: number) => string): string {
  const last = values.at(-1) ?? null;
  return last === null ? '–' : text(last);
}
