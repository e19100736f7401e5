/** A run as a page: what it was measured on, plots, tables. One file that needs nothing else. */
import { escapeHtml } from './html.ts';
import { paretoFront } from './pareto.ts';
import { logAxis, plot, recallAxis, type Series, shortNumber } from './plot.ts';
import type { Results, SearchRecord } from './record.ts';
import { type Filtering, filteringsOf, type Panel, panelsOf, type Scaling, scalingsOf } from './summary.ts';
import {
  filterTables,
  indexTable,
  number,
  pointsTable,
  recallTable,
  scalingTable,
  type Table,
  tablesOf,
} from './tables.ts';
import { isWords } from './text.ts';

/** Of Okabe and Ito, whose colours differ for nearly everybody; the first is nearpin's where it is measured. */
const COLOURS = [
  '#d55e00',
  '#0072b2',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#8a8a8a',
  '#7a5195',
  '#b5a900',
  '#5b3a1e',
];

const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1d1d1f; --quiet: #6b6b70; --line: #e3e3e6; --band: #f6f6f7; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #18181a; --ink: #ececee; --quiet: #9a9aa0; --line: #333338; --band: #212124; }
}
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 3rem 0 .6rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
h3 { font-size: .95rem; margin: 1.6rem 0 .4rem; }
p, dl, li { color: var(--quiet); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0; font-size: .9rem; }
dd { margin: 0; color: var(--ink); overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--quiet); font-size: 13px; }
svg .axis { font-size: 14px; fill: var(--ink); }
.grid line { stroke: var(--line); }
.series polyline { fill: none; stroke: var(--colour); stroke-width: 2.5; stroke-linejoin: round; }
.series :is(circle, rect, polygon) { fill: var(--colour); }
.series .loose { opacity: .4; }
.series text { fill: var(--ink); }
.leader { fill: none; stroke: var(--colour); stroke-opacity: .35; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .2rem .7rem; text-align: right; }
th { color: var(--quiet); font-weight: 500; border-bottom: 1px solid var(--line); }
tbody tr:nth-child(odd) { background: var(--band); }
.words { text-align: left; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--quiet); }
${COLOURS.map((colour, i) => `.s${i} { --colour: ${colour}; }`).join('\n')}
`;

function tableHtml(table: Table): string {
  const cell = (tag: 'th' | 'td', text: string, column: number) =>
    `<${tag}${isWords(table, column) ? ' class="words"' : ''}>${escapeHtml(text)}</${tag}>`;
  const row = (tag: 'th' | 'td', cells: readonly string[]) =>
    `<tr>${cells.map((text, column) => cell(tag, text, column)).join('')}</tr>`;
  return (
    `<div class="scroll"><table><thead>${row('th', table.heading)}</thead>` +
    `<tbody>${table.rows.map((cells) => row('td', cells)).join('')}</tbody></table></div>`
  );
}

const titled = (table: Table) => `<h3>${escapeHtml(table.title)}</h3>${tableHtml(table)}`;

/** Queries per second against recall: lines along the Pareto fronts, other points faint. */
function paretoPlot(panel: Panel): string {
  const records = [...panel.engines.values()].flat();
  const point = (record: SearchRecord) => ({
    x: record.recall,
    y: record.qps,
    hint:
      `${record.engine}, ef ${record.ef}: recall ${record.recall.toFixed(4)}, ${number(record.qps)} queries/s, ` +
      `p50 ${number(record.p50Us)} us, p99 ${number(record.p99Us)} us`,
  });
  const series = [...panel.engines].map(([name, own]): Series => {
    const front = paretoFront(own);
    return {
      name,
      line: front.map(point),
      loose: own.filter((record) => !front.includes(record)).map(point),
    };
  });
  const x = recallAxis(
    `recall@${records[0]!.k}`,
    records.map(({ recall }) => recall),
  );
  const y = logAxis(
    'queries per second',
    records.map(({ qps }) => qps),
  );
  return plot(`${panel.title}: queries per second against recall`, x, y, series);
}

function panelHtml(panel: Panel): string {
  return (
    `<h2>${escapeHtml(panel.title)}</h2>` +
    (panel.isCurve
      ? `${paretoPlot(panel)}<h3>At equal recall, read off the lines</h3>${tableHtml(recallTable(panel))}`
      : '') +
    (panel.threads === 1 ? `<h3>Indexes</h3>${tableHtml(indexTable(panel))}` : '') +
    `<details${panel.isCurve ? '' : ' open'}><summary>All points</summary>${tableHtml(pointsTable(panel))}</details>`
  );
}

function scalingHtml(scaling: Scaling): string {
  const { dataset, recall, engines } = scaling;
  const series = engines.map(({ engine, points }): Series => {
    const hint = (n: number, us: number) => `${engine}, ${number(n)} vectors: ${number(us)} us`;
    return {
      name: engine,
      line: points.map(({ n, us }) => ({ x: n, y: us, hint: hint(n, us) })),
      loose: [],
    };
  });
  const all = series.flatMap(({ line }) => line);
  const title = `${dataset}: time of a query at recall ${recall}, by size`;
  const x = logAxis(
    'vectors',
    all.map((point) => point.x),
  );
  const y = logAxis(
    'microseconds a query',
    all.map((point) => point.y),
  );
  return `<h2>${escapeHtml(title)}</h2>${plot(title, x, y, series)}${tableHtml(scalingTable(scaling))}`;
}

/** Time against the share that passes; the tables say the recall. */
function filterHtml(filterings: readonly Filtering[]): string {
  if (filterings.length === 0) return '';
  const series = filterings.map(
    ({ engine, filter, points }): Series => ({
      name: `${engine}, ${filter}`,
      line: points.map((record) => ({
        x: record.selectivity!,
        y: record.p50Us,
        hint: `${engine}, ${record.selectivity! * 100} %: ${number(record.p50Us)} us at recall ${record.recall.toFixed(4)}`,
      })),
      loose: [],
    }),
  );
  const all = series.flatMap(({ line }) => line);
  const title = 'Time of a query against the share of the vectors that pass a filter';
  const x = logAxis(
    'share that passes',
    all.map((point) => point.x),
    (value) => `${shortNumber(value * 100)} %`,
  );
  const y = logAxis(
    'p50, microseconds',
    all.map((point) => point.y),
  );
  return `<h2>${title}</h2>${plot(title, x, y, series)}${filterTables(filterings).map(titled).join('')}`;
}

function factsHtml(results: Results): string {
  const { machine, commit, isDirty } = results;
  const state = commit === null ? 'none' : `${commit.slice(0, 12)}${isDirty ? ', changed since' : ''}`;
  const facts: Readonly<Record<string, string>> = {
    measured: `${results.startedAt}, in ${number(results.tookS)} s`,
    machine: `${machine.cpu}, ${machine.cores} cores, ${number(machine.memoryBytes / 2 ** 30)} GiB, ${machine.os}`,
    'engines on': results.pinnedTo === null ? 'any core' : `core ${results.pinnedTo}`,
    node: results.node,
    nearpin: `${results.nearpin}, commit ${state}, core ${results.coreSha256.slice(0, 12)}`,
    command: results.command,
  };
  const rows = Object.entries(facts).map(([term, fact]) => `<dt>${term}</dt><dd>${escapeHtml(fact)}</dd>`);
  return `<dl>${rows.join('')}</dl>`;
}

const METHOD =
  'Each engine runs in a process of its own on the same vectors and queries, in turns, pass by pass; times are medians ' +
  'of passes. A hit counts as found when it is as near as the k-th exact neighbour, so that vectors which occur more ' +
  'than once favour nobody. Figures at a recall are read off the line between two measured points, never beyond.';

/** The page of a run. Everything that is not this program's own text is escaped. */
export function reportPage(results: Results): string {
  const { records } = results;
  const panels = panelsOf(records);
  const shown = new Set(
    [
      ...panels.flatMap((panel) => [pointsTable(panel), recallTable(panel), indexTable(panel)]),
      ...scalingsOf(records).map(scalingTable),
      ...filterTables(filteringsOf(records)),
    ].map(({ title }) => title),
  );
  const rest = tablesOf(results).filter(({ title }) => !shown.has(title));
  const body = [
    `<h1>nearpin bench</h1><p>${escapeHtml(METHOD)}</p>`,
    factsHtml(results),
    results.notes.length > 0
      ? `<ul>${results.notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`
      : '',
    ...panels.map(panelHtml),
    ...scalingsOf(records).map(scalingHtml),
    filterHtml(filteringsOf(records)),
    ...rest.map((table) => `<h2>${escapeHtml(table.title)}</h2>${tableHtml(table)}`),
  ];
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width, initial-scale=1"><title>nearpin bench</title>` +
    `<style>${STYLE}</style></head><body>${body.filter((part) => part !== '').join('\n')}</body></html>\n`
  );
}
