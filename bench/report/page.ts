/**
 * A run as a page: where nearpin stands, what it was measured on, then each definition with its plots and tables. One
 * file that needs nothing else.
 */
import { type Bar, barsOf, holds } from './bars.ts';
import { escapeHtml } from './html.ts';
import { paretoFront } from './pareto.ts';
import { logAxis, plot, recallAxis, type Series, shortNumber } from './plot.ts';
import type { BenchRecord, Results, SearchRecord } from './record.ts';
import { overloadPlots, servicePlots } from './service-plots.ts';
import { middleOf } from './statistics.ts';
import { COLOUR_COUNT, STYLE } from './style.ts';
import {
  type Filtering,
  filteringsOf,
  ofKind,
  type Panel,
  panelsOf,
  RECALLS,
  type Scaling,
  scalingsOf,
  threadingsOf,
} from './summary.ts';
import {
  filterTables,
  indexTable,
  kernelTable,
  loadTable,
  number,
  overloadTable,
  pointsTable,
  recallTable,
  scalingTable,
  serviceTable,
  type Table,
  threadTable,
} from './tables.ts';
import { isWords } from './text.ts';

/** The number of each engine's colour, which it keeps throughout the page; nearpin's is the first. */
type Colours = ReadonlyMap<string, number>;

function coloursOf(records: readonly BenchRecord[]): Colours {
  const names = new Set(['wasm', 'hnswlib', 'hnswlib-native']);
  for (const { engine } of ofKind(records, 'search')) names.add(engine);
  return new Map([...names].map((name, i) => [name, i % COLOUR_COUNT]));
}

function tableHtml(table: Table, colours: Colours): string {
  const cell = (tag: 'th' | 'td', text: string, column: number) => {
    const colour = tag === 'td' && table.heading[column] === 'engine' ? colours.get(text) : undefined;
    const dot = colour === undefined ? '' : `<span class="dot s${colour}"></span>`;
    return `<${tag}${isWords(table, column) ? ' class="words"' : ''}>${dot}${escapeHtml(text)}</${tag}>`;
  };
  const row = (tag: 'th' | 'td', cells: readonly string[]) => {
    const isOwn = tag === 'td' && cells[table.heading.indexOf('engine')] === 'wasm';
    return `<tr${isOwn ? ' class="s0"' : ''}>${cells.map((text, column) => cell(tag, text, column)).join('')}</tr>`;
  };
  return (
    `<div class="scroll"><table><thead>${row('th', table.heading)}</thead>` +
    `<tbody>${table.rows.map((cells) => row('td', cells)).join('')}</tbody></table></div>`
  );
}

/** Queries per second against recall: lines along the Pareto fronts, other points faint. */
function paretoPlot(panel: Panel, colours: Colours): string {
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
      colour: colours.get(name)!,
      line: front.map(point),
      loose: own.filter((record) => !front.includes(record)).map(point),
    };
  });
  const x = recallAxis(
    `recall@${records[0]!.k}`,
    records.map(({ recall }) => recall),
    RECALLS,
  );
  const y = logAxis(
    'queries per second',
    records.map(({ qps }) => qps),
  );
  return plot(`${panel.title}: queries per second against recall`, x, y, series);
}

function panelHtml(panel: Panel, colours: Colours): string {
  const { isCurve, threads, data } = panel;
  return (
    `<h3>${escapeHtml(data)}</h3>` +
    (isCurve
      ? `${paretoPlot(panel, colours)}<h4>At equal recall, read off the lines</h4>${tableHtml(recallTable(panel), colours)}`
      : '') +
    (threads === 1 ? `<h4>Indexes</h4>${tableHtml(indexTable(panel), colours)}` : '') +
    `<details${isCurve ? '' : ' open'}><summary>All points</summary>${tableHtml(pointsTable(panel), colours)}</details>`
  );
}

function scalingHtml(scaling: Scaling, colours: Colours): string {
  const { dataset, recall, engines } = scaling;
  const series = engines.map(
    ({ engine, points }): Series => ({
      name: engine,
      colour: colours.get(engine)!,
      line: points.map(({ n, us }) => {
        const middle = middleOf(us)!;
        return { x: n, y: middle, hint: `${engine}, ${number(n)} vectors: ${number(middle, 1)} us` };
      }),
      loose: [],
    }),
  );
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
  return `<h3>${escapeHtml(title)}</h3>${plot(title, x, y, series)}${tableHtml(scalingTable(scaling), colours)}`;
}

const bySelectivity = (a: SearchRecord, b: SearchRecord) => a.selectivity! - b.selectivity!;

/** Time against the share that passes, with one plot for each attribute; the tables say the recall. */
function filterHtml(filterings: readonly Filtering[], colours: Colours): string {
  const attributes = [...new Set(filterings.map(({ filter }) => filter))];
  return attributes
    .map((attribute) => {
      const own = filterings.filter(({ filter }) => filter === attribute);
      const series = own.map(
        ({ engine, isFresh, points }): Series => ({
          name: `${engine}, ${isFresh ? 'fresh filters' : 'one filter'}`,
          colour: colours.get(engine)!,
          isDashed: isFresh,
          line: points.toSorted(bySelectivity).map((record) => ({
            x: record.selectivity!,
            y: record.p50Us,
            hint: `${engine}, ${record.selectivity! * 100} %: ${number(record.p50Us)} us at recall ${record.recall.toFixed(4)}`,
          })),
          loose: [],
        }),
      );
      const all = series.flatMap(({ line }) => line);
      const title = `Time of a query against the share of the vectors that pass a filter by ${attribute}`;
      const x = logAxis(
        'share that passes',
        all.map((point) => point.x),
        (value) => `${shortNumber(value * 100)} %`,
      );
      const y = logAxis(
        'p50, microseconds',
        all.map((point) => point.y),
      );
      const tables = filterTables(own).map(
        (table) => `<h4>${escapeHtml(table.title)}</h4>${tableHtml(table, colours)}`,
      );
      return `<h3>${escapeHtml(title)}</h3>${plot(title, x, y, series)}${tables.join('')}`;
    })
    .join('');
}

/** All that was measured by one definition. */
function runHtml(run: string, id: string, records: readonly BenchRecord[], colours: Colours): string {
  const tables = [
    threadTable(threadingsOf(records)),
    loadTable(ofKind(records, 'load')),
    kernelTable(ofKind(records, 'kernel')),
    serviceTable(ofKind(records, 'service')),
    overloadTable(ofKind(records, 'overload')),
  ];
  return [
    `<h2 id="${id}">${escapeHtml(run)}</h2>`,
    ...scalingsOf(records).map((scaling) => scalingHtml(scaling, colours)),
    filterHtml(filteringsOf(records), colours),
    ...servicePlots(ofKind(records, 'service')),
    ...overloadPlots(ofKind(records, 'overload')),
    ...tables
      .filter(({ rows }) => rows.length > 0)
      .map((table) => `<h3>${escapeHtml(table.title)}</h3>${tableHtml(table, colours)}`),
    ...panelsOf(records).map((panel) => panelHtml(panel, colours)),
  ].join('\n');
}

/** A bar as a bar: how far what was measured reaches, and a line where it has to. */
function barHtml(bar: Bar): string {
  const { what, on, measured, byCpu, isLeast } = bar;
  const end = Math.max(bar.bar * 1.5, measured * 1.05);
  const share = (value: number) => `${((100 * Math.max(0, value)) / end).toFixed(1)}%`;
  const isGood = holds(bar);
  const cpu = byCpu === null ? '' : `; by CPU time ${number(byCpu, 2)}`;
  return (
    `<li class="${isGood ? 'yes' : 'no'}"><span class="sign">${isGood ? '✓' : '✗'}</span>` +
    `<span>${escapeHtml(what)}<span class="on">${escapeHtml(on + cpu)}</span></span>` +
    `<span class="track"><i style="width:${share(measured)}"></i><b style="left:${share(bar.bar)}"></b></span>` +
    `<span class="measured">${number(measured, measured < 1 ? 3 : 2)}</span>` +
    `<span class="goal">${isLeast ? '≥' : '≤'} ${bar.bar}</span></li>`
  );
}

function barsHtml(bars: readonly Bar[]): string {
  if (bars.length === 0) return '';
  const held = bars.filter(holds).length;
  return (
    `<h2 id="bars">${held} of ${bars.length} bars hold</h2>` +
    `<ul class="bars">${bars.map(barHtml).join('\n')}</ul>`
  );
}

function factsHtml(results: Results): string {
  const { machine, commit, isDirty } = results;
  const state = commit === null ? 'none' : `${commit.slice(0, 12)}${isDirty ? ', changed since' : ''}`;
  const pages = machine.hugePages ? `, huge pages: ${machine.hugePages}` : '';
  const facts: Readonly<Record<string, string>> = {
    measured: `${results.startedAt.slice(0, 16).replace('T', ' ')} UTC, in ${number(results.tookS / 60, 1)} minutes`,
    machine: `${machine.cpu}, ${machine.cores} cores, ${number(machine.memoryBytes / 2 ** 30)} GiB, ${machine.os}${pages}`,
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
  'than once favour nobody. Figures at a recall are read off the line between two measured points, never beyond. Bytes of ' +
  'an index are what its engine says, or the size of its file, and what its filters read beside it.';

/** The page of a run. Everything that is not this program's own text is escaped. */
export function reportPage(results: Results): string {
  const { records, notes } = results;
  const colours = coloursOf(records);
  const bars = barsOf(records);
  const runs = [...new Set(records.map(({ run }) => run))].map((run, i) => ({
    name: run === '' ? 'Recall against speed' : run,
    id: `run-${i}`,
    records: records.filter((record) => record.run === run),
  }));
  const links = [...(bars.length > 0 ? [{ name: 'Bars', id: 'bars' }] : []), ...runs].map(
    ({ name, id }) => `<a href="#${id}">${escapeHtml(name)}</a>`,
  );
  const body = [
    `<header><h1>nearpin bench</h1><p>${escapeHtml(METHOD)}</p>${factsHtml(results)}`,
    notes.length > 0 ? `<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>` : '',
    `<nav>${links.join('')}</nav></header>`,
    barsHtml(bars),
    ...runs.map(({ name, id, records: own }) => runHtml(name, id, own, colours)),
  ];
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width, initial-scale=1"><title>nearpin bench</title>` +
    `<style>${STYLE}</style></head><body>${body.filter((part) => part !== '').join('\n')}</body></html>\n`
  );
}
