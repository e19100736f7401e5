/** An evaluation of a surface: what `nearpin eval` leaves behind, and the tables that it prints. */
import type { Estimate } from '../../src/evaluation/bootstrap.ts';
import type { Evaluation, Metric, SystemFigures } from '../../src/evaluation/evaluate.ts';
import { number, type Table } from './tables.ts';

export interface EvaluationReport {
  readonly surface: string;
  readonly index: {
    readonly name: string;
    readonly generation: string;
    readonly model: string | null;
    readonly count: number;
    readonly engine: string;
    readonly metric: string;
    readonly dim: number;
  };
  readonly input: {
    readonly cases: string;
    readonly interactions: string | null;
    /** Fields of each variant by its name. */
    readonly variants: Readonly<Record<string, unknown>>;
  };
  readonly startedAt: string;
  readonly tookS: number;
  readonly nearpin: string;
  readonly commit: string | null;
  readonly node: string;
  readonly evaluation: Evaluation;
}

export interface MetricLabel {
  readonly name: string;
  readonly digits: number;
  /** Whether it depends on what is relevant, and more of it is better. */
  readonly isRelevance: boolean;
}

export const METRIC_LABELS: Readonly<Record<Metric, MetricLabel>> = {
  recall: { name: 'recall', digits: 4, isRelevance: true },
  hitRate: { name: 'hit rate', digits: 4, isRelevance: true },
  mrr: { name: 'MRR', digits: 4, isRelevance: true },
  ndcg: { name: 'nDCG', digits: 4, isRelevance: true },
  diversity: { name: 'diversity', digits: 4, isRelevance: false },
  novelty: { name: 'novelty, bits', digits: 2, isRelevance: false },
};
const METRICS = Object.keys(METRIC_LABELS) as Metric[];

/** The metrics that were measured: all, but novelty where nobody knew how popular pins are. */
export function measuredMetrics({ systems }: Evaluation): Metric[] {
  return METRICS.filter((metric) =>
    systems.some(({ figures }) => figures.some(({ metrics }) => metrics[metric].value !== null)),
  );
}

export const ksOf = ({ systems }: Evaluation): number[] => systems[0]!.figures.map(({ k }) => k);

/** `[0.146, 0.150]` */
export function interval({ low, high }: Estimate, digits: number): string {
  return `[${number(low, digits)}, ${number(high, digits)}]`;
}

const percent = (share: number) => `${number(100 * share, 1)} %`;

/** Every system at one k; below each its intervals. */
export function figuresTable({ surface, evaluation }: EvaluationReport, k: number): Table {
  const metrics = measuredMetrics(evaluation);
  return {
    title: `${surface}, the first ${k}, over ${number(evaluation.cases)} cases`,
    heading: ['system', 'failed', ...metrics.map((metric) => METRIC_LABELS[metric].name), 'coverage'],
    rows: evaluation.systems.flatMap(({ name, failed, figures }) => {
      const { metrics: values, coverage } = figures.find((own) => own.k === k)!;
      const cells = (format: (estimate: Estimate, digits: number) => string) =>
        metrics.map((metric) => format(values[metric], METRIC_LABELS[metric].digits));
      return [
        [
          name,
          percent(failed / evaluation.cases),
          ...cells(({ value }, digits) => number(value, digits)),
          percent(coverage),
        ],
        ['', '', ...cells(interval), ''],
      ];
    }),
  };
}

/** The surface against each baseline at one k. */
export function comparisonTable({ surface, evaluation }: EvaluationReport, k: number): Table {
  const metrics = measuredMetrics(evaluation);
  return {
    title: `${surface} against each baseline, the first ${k}, in pairs, with 95 % intervals`,
    heading: ['baseline', 'metric', 'difference', '95 %', 'ratio', '95 % of it'],
    rows: evaluation.comparisons.flatMap(({ baseline, figures }) => {
      const { metrics: compared } = figures.find((own) => own.k === k)!;
      return metrics.map((metric) => {
        const { name, digits } = METRIC_LABELS[metric];
        const { difference, ratio } = compared[metric];
        return [
          baseline,
          name,
          number(difference.value, digits),
          interval(difference, digits),
          number(ratio.value, 3),
          interval(ratio, 3),
        ];
      });
    }),
  };
}

/** Why requests failed; without rows when none did. */
export function failureTable({ systems }: Evaluation): Table {
  const rowsOf = ({ name, failures }: SystemFigures) =>
    failures.map(({ code, count, at, message }) => [name, number(count), code, `${at}: ${message}`]);
  return {
    title: 'Requests that failed, which count as empty lists',
    heading: ['system', 'count', 'code', 'the first'],
    rows: systems.flatMap(rowsOf),
  };
}

/** All tables with anything in them. */
export function evaluationTables(report: EvaluationReport): Table[] {
  const tables = ksOf(report.evaluation).flatMap((k) => [
    figuresTable(report, k),
    comparisonTable(report, k),
  ]);
  return [...tables, failureTable(report.evaluation)].filter(({ rows }) => rows.length > 0);
}
