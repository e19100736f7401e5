/**
 * An evaluation as a page: what was compared, how the surface stands to each baseline, then each metric with its
 * intervals. One file that needs nothing else.
 */
import type { Estimate } from '../../src/evaluation/bootstrap.ts';
import type { Metric } from '../../src/evaluation/evaluate.ts';
import {
  comparisonTable,
  type EvaluationReport,
  failureTable,
  figuresTable,
  interval,
  ksOf,
  METRIC_LABELS,
  measuredMetrics,
} from './evaluation.ts';
import { escapeHtml } from './html.ts';
import { type IntervalRow, intervalPlot, linearAxis } from './intervals.ts';
import { logAxis } from './plot.ts';
import { COLOUR_COUNT, STYLE } from './style.ts';
import { number, type Table } from './tables.ts';
import { isWords } from './text.ts';

/** Each system has the same colour throughout; the surface's is the first. */
type Colours = ReadonlyMap<string, number>;

const METHOD =
  'Every system made a list for every case. Intervals hold the middle 95 % of what the figures become when users, or cases ' +
  'without one, are drawn anew as often as there are; differences and ratios are of the same draws, so that hard cases ' +
  'weigh on both sides. A request that failed counts as an empty list.';

const DEFINITIONS: Readonly<Record<Metric, string>> = {
  recall: 'Share of the relevant pins that are in the list.',
  hitRate: 'Share of the lists with a relevant pin in them.',
  mrr: '1 over the place of the first relevant pin, 0 where there is none.',
  ndcg: 'Grades discounted by the logarithm of the place, over those of the best list there could be.',
  diversity: '1 - the mean cosine similarity of the pairs in a list.',
  novelty: '-log2 of the share of users who saved a pin, on average over a list.',
};
const COVERAGE = 'Coverage: share of the index that was in any list.';

/** A row of the plots; undefined for what has no value. An end that has no bound is drawn at the axis's. */
function intervalRow(
  name: string,
  estimate: Estimate,
  digits: number,
  colour: number,
): IntervalRow | undefined {
  const { value, low, high } = estimate;
  if (value === null) return undefined;
  return {
    name,
    value,
    low: low ?? value,
    high: high ?? Number.MAX_VALUE,
    colour,
    label: `${number(value, digits)} ${interval(estimate, digits)}`,
  };
}

const ends = (rows: readonly IntervalRow[]) =>
  rows.flatMap(({ value, low, high }) => [value, low, high === Number.MAX_VALUE ? value : high]);

function metricHtml({ evaluation }: EvaluationReport, k: number, metric: Metric, colours: Colours): string {
  const { name, digits } = METRIC_LABELS[metric];
  const rows = evaluation.systems.flatMap((system) => {
    const estimate = system.figures.find((own) => own.k === k)!.metrics[metric];
    return intervalRow(system.name, estimate, digits, colours.get(system.name)!) ?? [];
  });
  if (rows.length === 0) return '';
  const title = `${name} of the first ${k}`;
  return (
    `<h4>${escapeHtml(title)}</h4><p>${escapeHtml(DEFINITIONS[metric])}</p>` +
    intervalPlot(title, linearAxis(name, ends(rows)), rows)
  );
}

/** The surface over each baseline, for the metrics of which more is better. */
function ratioHtml({ surface, evaluation }: EvaluationReport, k: number, colours: Colours): string {
  const metrics = measuredMetrics(evaluation).filter((metric) => METRIC_LABELS[metric].isRelevance);
  const rows = evaluation.comparisons.flatMap(({ baseline, figures }) => {
    const { metrics: compared } = figures.find((own) => own.k === k)!;
    return metrics.flatMap((metric) => {
      const name = `${baseline}, ${METRIC_LABELS[metric].name}`;
      return intervalRow(name, compared[metric].ratio, 3, colours.get(baseline)!) ?? [];
    });
  });
  if (rows.length === 0) return '';
  // A ratio of 0 lies beyond any logarithmic axis
  const axis = logAxis(
    'ratio',
    [...ends(rows), 0.8, 1.25].filter((value) => value > 0),
  );
  const one = { value: 1, label: '1', isKey: true };
  const ticks = [...axis.ticks.filter(({ value }) => value !== 1), one];
  const place = (value: number) => (value > 0 ? axis.place(value) : 0);
  const title = `${surface} over each baseline, the first ${k}`;
  return `<h3>${escapeHtml(title)}</h3>${intervalPlot(title, { ...axis, place, ticks }, rows)}`;
}

function tableHtml(table: Table): string {
  const row = (tag: 'th' | 'td', cells: readonly string[]) => {
    const made = cells.map((text, column) => {
      const words = isWords(table, column) ? ' class="words"' : '';
      return `<${tag}${words}>${escapeHtml(text)}</${tag}>`;
    });
    return `<tr>${made.join('')}</tr>`;
  };
  return (
    `<div class="scroll"><table><thead>${row('th', table.heading)}</thead>` +
    `<tbody>${table.rows.map((cells) => row('td', cells)).join('')}</tbody></table></div>`
  );
}

const titledTable = (table: Table) =>
  table.rows.length === 0 ? '' : `<h3>${escapeHtml(table.title)}</h3>${tableHtml(table)}`;

function factsHtml({ surface, index, input, evaluation, ...run }: EvaluationReport): string {
  const { cases, clusters, resamples, seed } = evaluation;
  const variants = Object.entries(input.variants).map(
    ([name, fields]) => `${name} ${JSON.stringify(fields)}`,
  );
  const facts: Readonly<Record<string, string>> = {
    surface,
    index: `${index.name}, generation ${index.generation}: ${number(index.count)} pins of ${index.dim} dimensions, ${index.metric}`,
    model: index.model ?? 'not named',
    engine: index.engine,
    cases: `${number(cases)} of ${input.cases}, ${number(clusters)} drawn independently`,
    interactions: input.interactions ?? 'none',
    ...(variants.length > 0 && { variants: variants.join('; ') }),
    intervals: `95 %, percentiles of ${number(resamples)} draws, seed ${seed}`,
    measured: `${run.startedAt.slice(0, 16).replace('T', ' ')} UTC, in ${number(run.tookS, 1)} s`,
    nearpin: `${run.nearpin}, commit ${run.commit?.slice(0, 12) ?? 'none'}, node ${run.node}`,
  };
  const rows = Object.entries(facts).map(([term, fact]) => `<dt>${term}</dt><dd>${escapeHtml(fact)}</dd>`);
  return `<dl>${rows.join('')}</dl>`;
}

/** The page of an evaluation. Everything that is not this program's own text is escaped. */
export function evaluationPage(report: EvaluationReport): string {
  const { surface, evaluation } = report;
  const colours: Colours = new Map(evaluation.systems.map(({ name }, i) => [name, i % COLOUR_COUNT]));
  const ks = ksOf(evaluation);
  const metrics = measuredMetrics(evaluation);
  const failures = failureTable(evaluation);
  const links = ks.map((k) => `<a href="#k-${k}">the first ${k}</a>`);
  if (failures.rows.length > 0) links.push('<a href="#failures">failures</a>');
  const body = [
    `<header><h1>nearpin eval: ${escapeHtml(surface)}</h1><p>${escapeHtml(METHOD)}</p>${factsHtml(report)}`,
    `<nav>${links.join('')}</nav></header>`,
    ...ks.flatMap((k) => [
      `<h2 id="k-${k}">The first ${k}</h2>`,
      tableHtml(figuresTable(report, k)),
      `<p>${escapeHtml(COVERAGE)}</p>`,
      ratioHtml(report, k, colours),
      titledTable(comparisonTable(report, k)),
      `<h3>Each metric</h3>`,
      ...metrics.map((metric) => metricHtml(report, k, metric, colours)),
    ]),
    failures.rows.length > 0 ? `<div id="failures">${titledTable(failures)}</div>` : '',
  ];
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width, initial-scale=1"><title>nearpin eval: ${escapeHtml(surface)}</title>` +
    `<style>${STYLE}${INTERVAL_STYLE}</style></head><body>${body.filter((part) => part !== '').join('\n')}</body></html>\n`
  );
}

const INTERVAL_STYLE = `
body { max-width: 72rem; }
th, td { padding-inline: .6rem; }
.span { fill: none; stroke: var(--colour); stroke-width: 2; }
svg .figure { font-variant-numeric: tabular-nums; }
`;
