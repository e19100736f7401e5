/** A run as text. */
import type { Results } from './record.ts';
import { type Comparison, compare, type Panel, panelsOf, RECALLS, REFERENCE } from './summary.ts';

const number = (value: number | null, digits = 0): string =>
  value === null
    ? '-'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Rows as columns that line up, numbers at their ends; the first row is the heading. */
function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const isText = rows[0]!.map((_, i) => rows.slice(1).some((row) => /^[a-z]/.test(row[i]!)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (isText[i] ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

function points(panel: Panel): string {
  const heading = ['engine', 'ef', 'recall', 'by id', 'QPS', 'min', 'max', 'p50 us', 'p99 us', 'CPU us'];
  const rows = [...panel.engines.values()]
    .flat()
    .map((record) => [
      record.engine,
      String(record.ef),
      record.recall.toFixed(4),
      record.recallById.toFixed(4),
      number(record.qps),
      number(record.qpsSpread.min),
      number(record.qpsSpread.max),
      number(record.p50Us),
      number(record.p99Us),
      number(record.cpuUs),
    ]);
  return formatTable([heading, ...rows]);
}

function atEqualRecall(panel: Panel): string {
  const cell = ({ qps, qpsRatio, cpuRatio }: Comparison) => [
    number(qps),
    qpsRatio === null ? '-' : `${number(qpsRatio, 2)}x`,
    cpuRatio === null ? '-' : `${number(cpuRatio, 2)}x`,
  ];
  const all = compare(panel);
  const heading = [
    'engine',
    ...RECALLS.flatMap((recall) => [`QPS at ${recall}`, `/ ${REFERENCE}`, 'by CPU']),
  ];
  const rows = [...panel.engines.keys()].map((engine) => [
    engine,
    ...all.filter((comparison) => comparison.engine === engine).flatMap(cell),
  ]);
  return formatTable([heading, ...rows]);
}

function indexes(panel: Panel): string {
  const heading = ['engine', 'version', 'inserts/s', 'build s', 'B/vector', 'file B', 'RSS B', 'load s'];
  const rows = [...panel.engines.values()].map((records) => {
    const { engine, version, n, buildS, ...record } = records[0]!;
    return [
      engine,
      version,
      number(buildS === null ? null : n / buildS),
      number(buildS, 1),
      number(record.bytesPerVector),
      number(record.fileBytesPerVector),
      number(record.rssBytesPerVector),
      number(record.loadS, 3),
    ];
  });
  return formatTable([heading, ...rows]);
}

/** The tables that the command line prints. */
export function formatResults(results: Results): string {
  const parts = panelsOf(results.records).map((panel) =>
    [panel.title, points(panel), atEqualRecall(panel), indexes(panel)].join('\n\n'),
  );
  return [...parts, ...results.notes.map((note) => `Note: ${note}`)].join('\n\n');
}
