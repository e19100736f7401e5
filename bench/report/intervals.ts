/** Estimates with their intervals as SVG: a row each, a mark on a line from end to end, over one axis. */
import { escapeHtml } from './html.ts';
import type { Axis } from './plot.ts';

export interface IntervalRow {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Number of its colour. */
  readonly colour: number;
  /** Shown at its end, and when the pointer rests on it. */
  readonly label: string;
}

const WIDTH = 900;
const LEFT = 170;
const RIGHT = 210;
const TOP = 8;
const ROW_HEIGHT = 24;
const BOTTOM = 30;
const MARK = 5;

/** An axis from 0, or below it, to a little over the greatest of the values. */
export function linearAxis(label: string, values: readonly number[]): Axis {
  const min = Math.min(0, ...values);
  const max = Math.max(...values, min + 1e-9);
  const end = max + 0.04 * (max - min);
  const step = roundStep((end - min) / 5);
  const ticks: Axis['ticks'][number][] = [];
  for (let n = Math.ceil(min / step); n * step <= end; n++) {
    const value = n * step;
    ticks.push({ value, label: String(Number(value.toPrecision(6))), isKey: n === 0 && min < 0 });
  }
  return { label, place: (value) => (value - min) / (end - min), ticks };
}

/** The least of 1, 2 and 5 times a power of ten that is no less. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((step) => step * power >= least)!;
}

const round = (value: number): string => value.toFixed(1);

/** Rows under each other; values beyond the axis are drawn at its end. */
export function intervalPlot(title: string, axis: Axis, rows: readonly IntervalRow[]): string {
  const right = WIDTH - RIGHT;
  const bottom = TOP + rows.length * ROW_HEIGHT;
  const at = (value: number) => LEFT + Math.min(1, Math.max(0, axis.place(value))) * (right - LEFT);
  const grid = axis.ticks.map(({ value, label, isKey }) => {
    const x = round(at(value));
    return (
      `<line${isKey ? ' class="key"' : ''} x1="${x}" y1="${TOP}" x2="${x}" y2="${bottom}"/>` +
      `<text x="${x}" y="${bottom + 18}" text-anchor="middle">${escapeHtml(label)}</text>`
    );
  });
  const drawn = rows.map(({ name, value, low, high, colour, label }, i) => {
    const y = TOP + (i + 0.5) * ROW_HEIGHT;
    const [from, to] = [round(at(low)), round(at(high))];
    return (
      `<g class="series s${colour}"><text x="${LEFT - 12}" y="${y + 4}" text-anchor="end">${escapeHtml(name)}</text>` +
      `<g><path class="span" d="M${from} ${y}H${to}M${from} ${y - 4}v8M${to} ${y - 4}v8"/>` +
      `<circle cx="${round(at(value))}" cy="${y}" r="${MARK}"/><title>${escapeHtml(`${name}: ${label}`)}</title></g>` +
      `<text class="figure" x="${right + 12}" y="${y + 4}">${escapeHtml(label)}</text></g>`
    );
  });
  return (
    `<figure><svg viewBox="0 0 ${WIDTH} ${bottom + BOTTOM}" role="img" aria-label="${escapeHtml(title)}">` +
    `<g class="grid">${grid.join('')}</g>${drawn.join('')}</svg></figure>`
  );
}
