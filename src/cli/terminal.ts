/**
 * What the command line says, and where: results on stdout, progress and remarks on stderr, progress only where
 * somebody watches.
 */
import cliProgress from 'cli-progress';

export interface Terminal {
  /** Writes a line of the result. */
  print(line: string): void;
  /** Writes a remark. */
  note(line: string): void;
  /** Whether remarks are read by somebody, and not collected. */
  readonly isWatched: boolean;
  /** Shows how far a job is; `total` may be unknown. A new label starts a new bar. */
  progress(label: string, done: number, total?: number): void;
  /** Takes the progress bar away. */
  clear(): void;
}

export interface TerminalOptions {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly now: () => number;
}

export function createTerminal({ stdout, stderr, now }: TerminalOptions): Terminal {
  let bar: cliProgress.SingleBar | undefined;
  let current: string | undefined;
  let startedAtMs = 0;
  const clear = () => {
    bar?.stop();
    bar = undefined;
    current = undefined;
  };
  return {
    isWatched: stderr.isTTY === true,
    print: (line) => void stdout.write(`${line}\n`),
    note: (line) => {
      clear();
      stderr.write(`${line}\n`);
    },
    progress: (label, done, total) => {
      if (!stderr.isTTY) return;
      if (current !== label) {
        clear();
        current = label;
        startedAtMs = now();
        bar = new cliProgress.SingleBar(
          {
            stream: stderr,
            clearOnComplete: true,
            hideCursor: true,
            format:
              total === undefined
                ? '{label} {value}, {rate}/s'
                : '{label} {bar} {value}/{total}, {rate}/s, {eta_formatted} left',
          },
          cliProgress.Presets.shades_classic,
        );
        bar.start(total ?? 0, 0, { label, rate: 0 });
      }
      const seconds = (now() - startedAtMs) / 1000;
      bar?.update(done, { label, rate: seconds > 0 ? Math.round(done / seconds) : 0 });
    },
    clear,
  };
}

/** `1,234,567` */
export const withCommas = (n: number): string => n.toLocaleString('en-US');

/** `12.3 MB` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Rows as columns that line up; the first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
