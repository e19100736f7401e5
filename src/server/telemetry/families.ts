/**
 * The text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). Families are made when somebody
 * asks; what happens on the way of a request is counted in numbers that lie ready (docs/decisions/0019-observability.md
 * says what a registry that looks labels up would cost).
 */
import type { Histogram } from '../../lib/histogram.ts';
import { METRICS, type MetricName, type MetricType } from './metrics.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  /** Added to the family's name. */
  readonly suffix?: string;
  readonly value: number;
}

export interface Family {
  readonly name: MetricName;
  readonly help: string;
  readonly type: MetricType;
  readonly samples: readonly Sample[];
}

/** A metric with its values of now. */
export function family(name: MetricName, samples: readonly Sample[]): Family {
  const { type, help } = METRICS[name];
  return { name, type, help, samples };
}

/** The samples of one histogram. */
export function histogramSamples(histogram: Histogram, labels: Labels = {}): Sample[] {
  const counts = histogram.cumulative();
  const buckets = counts.map((value, i) => {
    const bound = histogram.bounds[i];
    return {
      labels: { ...labels, le: bound === undefined ? '+Inf' : String(bound) },
      suffix: '_bucket',
      value,
    };
  });
  return [
    ...buckets,
    { labels, suffix: '_sum', value: histogram.sum },
    { labels, suffix: '_count', value: counts.at(-1)! },
  ];
}

/** The text of families; those without samples are left out. */
export function textOf(families: readonly Family[]): string {
  const lines = families.flatMap(({ name, help, type, samples }) =>
    samples.length === 0
      ? []
      : [
          `# HELP ${name} ${help}`,
          `# TYPE ${name} ${type}`,
          ...samples.map((sample) => lineOf(name, sample)),
        ],
  );
  return `${lines.join('\n')}\n`;
}

function lineOf(name: string, { labels = {}, suffix = '', value }: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${textOfNumber(value)}`;
}

const escaped = (text: string): string => text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));

function textOfNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
