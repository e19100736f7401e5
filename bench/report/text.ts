/** A run as text. */
import type { Results } from './record.ts';
import { type Table, tablesOf } from './tables.ts';

/** Whether a column holds words, which begin where it begins; numbers, also with a unit, end where it ends. */
export function isWords(table: Table, column: number): boolean {
  return table.rows.some((row) => /[a-z]{2}/i.test(row[column]!));
}

/** Columns that line up under their heading. */
export function formatTable(table: Table): string {
  const all = [table.heading, ...table.rows];
  const widths = table.heading.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  const lines = all.map((row) =>
    row
      .map((cell, i) => (isWords(table, i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
  return [table.title, '', ...lines].join('\n');
}

/** The same for a document in Markdown. */
export function markdownTable(table: Table): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = table.heading.map((_, i) => (isWords(table, i) ? '---' : '---:'));
  return [row(table.heading), row(rule), ...table.rows.map(row)].join('\n');
}

/** The tables that the command line prints, and what was remarked. */
export function formatResults(results: Results): string {
  return [...tablesOf(results).map(formatTable), ...results.notes.map((note) => `Note: ${note}`)].join(
    '\n\n',
  );
}
