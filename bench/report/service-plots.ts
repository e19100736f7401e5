/** Plots of serving: throughput and latency by connections, and what becomes of requests when there are too many. */
import { logAxis, plot, type Series } from './plot.ts';
import type { OverloadRecord, ServiceRecord } from './record.ts';
import { number } from './tables.ts';

const PERCENTILES = [
  ['p50', ({ p50Us }: ServiceRecord) => p50Us.median],
  ['p99', ({ p99Us }: ServiceRecord) => p99Us],
  ['p99.9', ({ p999Us }: ServiceRecord) => p999Us],
] as const;

/** A series over connections. */
function overConnections(
  name: string,
  colour: number,
  records: readonly ServiceRecord[],
  valueAt: (record: ServiceRecord) => number,
  unit: string,
): Series {
  const line = records.map((record) => {
    const { connections } = record;
    const y = valueAt(record);
    return { x: connections, y, hint: `${name}, ${connections} connections: ${number(y)} ${unit}` };
  });
  return { name, colour, line, loose: [], isDashed: records[0]!.server !== 'nearpin' };
}

function plotOver(title: string, label: string, series: readonly Series[]): string {
  const points = series.flatMap(({ line }) => line);
  const x = logAxis(
    'connections',
    points.map((point) => point.x),
  );
  const y = logAxis(
    label,
    points.map((point) => point.y),
  );
  return plot(title, x, y, series);
}

/** Of load by autocannon at several numbers of connections: one plot of throughput, and one of latency for each format. */
export function servicePlots(records: readonly ServiceRecord[]): string[] {
  const own = records.filter(({ client }) => client === 'autocannon');
  if (new Set(own.map(({ connections }) => connections)).size < 2) return [];
  const formats = [...new Set(own.map(({ format }) => format))];
  const of = (server: ServiceRecord['server'], format: ServiceRecord['format']) =>
    own.filter((record) => record.server === server && record.format === format);
  const throughput = formats.flatMap((format, f) =>
    (['nearpin', 'constant', 'bare'] as const).map((server, s) =>
      overConnections(`${server}, ${format}`, 3 * f + s, of(server, format), ({ rps }) => rps, 'requests/s'),
    ),
  );
  return [
    plotOver('Requests per second by connections', 'requests per second', throughput),
    ...formats.map((format) => {
      const series = (['nearpin', 'bare'] as const).flatMap((server, s) =>
        PERCENTILES.map(([name, valueAt], p) =>
          overConnections(`${server}, ${name}`, 3 * s + p, of(server, format), valueAt, 'us'),
        ),
      );
      return plotOver(`Latency by connections, ${format}`, 'microseconds', series);
    }),
  ];
}

/** How much was asked against what was answered in time and what was refused, for each kind of request. */
export function overloadPlots(records: readonly OverloadRecord[]): string[] {
  return [...new Set(records.map(({ run }) => run))].flatMap((run) =>
    overloadPlot(records.filter((record) => record.run === run)),
  );
}

function overloadPlot(records: readonly OverloadRecord[]): string[] {
  if (records.length < 2) return [];
  const series = (
    [
      ['answered in time', ({ goodRps }: OverloadRecord) => goodRps],
      ['refused', ({ refusedRps }: OverloadRecord) => refusedRps],
    ] as const
  ).flatMap(([name, valueAt], colour): Series[] => {
    const line = records
      .filter((record) => valueAt(record) > 0)
      .map((record) => ({
        x: record.load,
        y: valueAt(record),
        hint: `${record.load} times the capacity: ${number(valueAt(record))} a second ${name}`,
      }));
    return line.length === 0 ? [] : [{ name, colour, line, loose: [] }];
  });
  const x = logAxis(
    'load, as a multiple of the capacity',
    records.map(({ load }) => load),
  );
  const y = logAxis(
    'requests per second',
    series.flatMap(({ line }) => line.map((point) => point.y)),
  );
  return [plot(`Requests per second by load, ${records[0]!.asks}`, x, y, series)];
}
