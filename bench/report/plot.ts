/**
 * Plots as SVG: lines with points over two axes, written by hand since that is all that the report needs. Colours and
 * text sizes come from the page's style sheet.
 */
import { escapeHtml } from './html.ts';

/** From values to places along an axis, 0 to 1. */
export interface Axis {
  readonly label: string;
  readonly place: (value: number) => number;
  readonly ticks: readonly Tick[];
}

export interface Tick {
  readonly value: number;
  readonly label: string;
  /** Whether figures are compared here. */
  readonly isKey?: boolean;
}

export interface SeriesPoint {
  readonly x: number;
  readonly y: number;
  /** Shown when the pointer rests on it. */
  readonly hint: string;
}

export interface Series {
  readonly name: string;
  /** Joined in this order. */
  readonly line: readonly SeriesPoint[];
  /** Points beside the line. */
  readonly loose: readonly SeriesPoint[];
  /** Number of its colour and mark; what is the same in several plots has the same one. */
  readonly colour: number;
  readonly isDashed?: boolean;
}

const WIDTH = 900;
const HEIGHT = 440;
const LEFT = 76;
const RIGHT = 200;
const TOP = 14;
const BOTTOM = 58;
/** Between the names at the lines' ends. */
const LABEL_HEIGHT = 16;

/** Names of the marks' shapes, in the order of the series, so that colour alone tells nothing apart. */
const MARKS = ['circle', 'square', 'diamond', 'triangle'] as const;

const round = (value: number): string => value.toFixed(1);

/** A mark around a place. */
function mark(series: number, x: number, y: number, size: number): string {
  switch (MARKS[series % MARKS.length]) {
    case 'square':
      return `<rect x="${round(x - size)}" y="${round(y - size)}" width="${2 * size}" height="${2 * size}"/>`;
    case 'diamond':
      return polygon(x, y, [0, -1.4 * size, 1.4 * size, 0, 0, 1.4 * size, -1.4 * size, 0]);
    case 'triangle':
      return polygon(x, y, [0, -1.3 * size, 1.3 * size, size, -1.3 * size, size]);
    default:
      return `<circle cx="${round(x)}" cy="${round(y)}" r="${size}"/>`;
  }
}

function polygon(x: number, y: number, offsets: readonly number[]): string {
  const points = offsets.map((offset, i) => round((i % 2 === 0 ? x : y) + offset));
  return `<polygon points="${points.join(' ')}"/>`;
}

/** Round numbers: of each power of ten as many as make a readable axis. */
function logTicks(min: number, max: number): number[] {
  const decades = Math.log10(max / min);
  const steps = decades > 3 ? [1] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    for (const step of steps) ticks.push(step * 10 ** power);
  }
  return ticks.filter((tick) => tick >= min * 0.999 && tick <= max * 1.001);
}

/** `1,500`, `20k`, `1M` */
export function shortNumber(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : 0 });
}

/** A logarithmic axis that holds the values, all positive, with a little room on both sides. */
export function logAxis(
  label: string,
  values: readonly number[],
  format: (value: number) => string = shortNumber,
): Axis {
  const [min, max] = [Math.min(...values) / 1.15, Math.max(...values) * 1.15];
  const span = Math.log(max / min);
  return {
    label,
    place: (value) => Math.log(value / min) / span,
    ticks: logTicks(min, max).map((value) => ({ value, label: format(value) })),
  };
}

/** The first of two that would be too close to each other stays. */
const RECALL_TICKS = [0.95, 0.99, 0.9, 0.999, 0.8, 0.5, 0, 0.9999, 0.98, 0.995, 0.9995, 0.7, 0.97, 0.998];
const TICK_GAP = 0.05;

/**
 * An axis for recall on which what is missing is logarithmic: 0.9, 0.99 and 0.999 are equally far apart.
 * @param keys the recalls that engines are compared at
 */
export function recallAxis(label: string, values: readonly number[], keys: readonly number[]): Axis {
  // A recall of one would be infinitely far away
  const clipped = (recall: number) => Math.min(recall, 0.99995);
  const depth = (recall: number) => -Math.log10(1 - clipped(recall));
  const low = depth(Math.min(...values)) - 0.08;
  const high = depth(Math.max(...values)) + 0.08;
  const place = (recall: number) => (depth(recall) - low) / (high - low);
  const ticks: number[] = [];
  for (const tick of RECALL_TICKS) {
    const isFree = ticks.every((other) => Math.abs(place(other) - place(tick)) >= TICK_GAP);
    if (place(tick) >= 0 && place(tick) <= 1 && isFree) ticks.push(tick);
  }
  ticks.sort((a, b) => a - b);
  return {
    label,
    place,
    ticks: ticks.map((value) => ({ value, label: String(value), isKey: keys.includes(value) })),
  };
}

/** A plot of series, each named at the end of its line. */
export function plot(title: string, x: Axis, y: Axis, series: readonly Series[]): string {
  const [right, bottom] = [WIDTH - RIGHT, HEIGHT - BOTTOM];
  const atX = (value: number) => LEFT + x.place(value) * (right - LEFT);
  const atY = (value: number) => bottom - y.place(value) * (bottom - TOP);
  const grid = [
    ...x.ticks.map(({ value, label, isKey }) => {
      const at = round(atX(value));
      return (
        `<line${isKey ? ' class="key"' : ''} x1="${at}" y1="${TOP}" x2="${at}" y2="${bottom}"/>` +
        `<text x="${at}" y="${bottom + 20}" text-anchor="middle">${escapeHtml(label)}</text>`
      );
    }),
    ...y.ticks.map(({ value, label }) => {
      const at = atY(value);
      return (
        `<line x1="${LEFT}" y1="${round(at)}" x2="${right}" y2="${round(at)}"/>` +
        `<text x="${LEFT - 8}" y="${round(at + 4)}" text-anchor="end">${escapeHtml(label)}</text>`
      );
    }),
  ];
  const drawn = series.map(({ line, loose, colour, isDashed }) => {
    const path = line.map((point) => `${round(atX(point.x))},${round(atY(point.y))}`).join(' ');
    const marks = (points: readonly SeriesPoint[], size: number) =>
      points.map(
        (point) =>
          `<g>${mark(colour, atX(point.x), atY(point.y), size)}<title>${escapeHtml(point.hint)}</title></g>`,
      );
    return (
      `<g class="series s${colour}${isDashed ? ' dashed' : ''}"><polyline points="${path}"/>${marks(line, 4).join('')}` +
      `<g class="loose">${marks(loose, 3).join('')}</g></g>`
    );
  });
  const ends = series.map(({ line, loose }) => (line.at(-1) ?? loose.at(-1))!);
  const labels = spreadLabels(ends.map((end) => atY(end.y))).map((at, i) => {
    const { name, colour } = series[i]!;
    const [endX, endY] = [atX(ends[i]!.x), atY(ends[i]!.y)];
    return (
      `<g class="series s${colour}"><path class="leader" d="M${round(endX + 6)} ${round(endY)}L${right + 12} ${round(at)}"/>` +
      `${mark(colour, right + 20, at, 4)}<text x="${right + 32}" y="${round(at + 4)}">${escapeHtml(name)}</text></g>`
    );
  });
  return (
    `<figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">` +
    `<g class="grid">${grid.join('')}</g>` +
    `<text class="axis" x="${(LEFT + right) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escapeHtml(x.label)}</text>` +
    `<text class="axis" transform="translate(18 ${(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">` +
    `${escapeHtml(y.label)}</text>${drawn.join('')}${labels.join('')}</svg></figure>`
  );
}

/** Heights for labels, near where they would like to be and none upon another. */
export function spreadLabels(wanted: readonly number[]): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const placed = [...wanted];
  const low = TOP + LABEL_HEIGHT / 2;
  for (const [rank, i] of order.entries()) {
    const before = rank === 0 ? low - LABEL_HEIGHT : placed[order[rank - 1]!]!;
    placed[i] = Math.max(placed[i]!, before + LABEL_HEIGHT);
  }
  // What was pushed over the end comes back
  let limit = HEIGHT - BOTTOM;
  for (const i of order.reverse()) {
    placed[i] = Math.min(placed[i]!, limit);
    limit = placed[i]! - LABEL_HEIGHT;
  }
  return placed;
}
