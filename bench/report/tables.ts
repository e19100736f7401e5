/** The results as tables of texts, which the command line prints and the page shows. */
import { type Bar, barsOf, constantOf, holds, partOfPeak } from './bars.ts';
import type {
  KernelRecord,
  LoadRecord,
  OverloadRecord,
  Results,
  SearchRecord,
  ServiceRecord,
} from './record.ts';
import { differenceOfSpreads, middleOf, ratioOf, ratioOfSpreads, type Spread } from './statistics.ts';
import {
  type Comparison,
  compare,
  type Filtering,
  filteringsOf,
  ofKind,
  type Panel,
  p50SpreadOf,
  panelsOf,
  RECALLS,
  REFERENCE,
  type Scaling,
  scalingsOf,
  type Threading,
  threadingsOf,
} from './summary.ts';

export interface Table {
  readonly title: string;
  readonly heading: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** `-` for what was not measured. */
export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined) return '-';
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    // No -0
    signDisplay: 'negative',
  });
}

const times = (value: number | null) => (value === null ? '-' : `${number(value, 2)}x`);
const timesOf = (ratio: Spread | null) => times(ratio?.median ?? null);
/** Microseconds: a digit after the point where they are few. */
const us = (value: number | null) => number(value, value !== null && value < 100 ? 1 : 0);
const percent = (share: number) => `${number(share * 100, share < 0.01 ? 1 : 0)} %`;

/** Every point of a panel. */
export function pointsTable(panel: Panel): Table {
  return {
    title: panel.title,
    heading: [
      'engine',
      'ef',
      'recall',
      'by id',
      'QPS',
      'min',
      'max',
      'p50 us',
      'p99 us',
      'CPU us',
      'distances',
    ],
    rows: [...panel.engines.values()]
      .flat()
      .map((record) => [
        record.engine,
        record.ef === 0 ? '-' : String(record.ef),
        record.recall.toFixed(4),
        record.recallById.toFixed(4),
        number(record.qps),
        number(record.qpsSpread.min),
        number(record.qpsSpread.max),
        us(record.p50Us),
        us(record.p99Us),
        us(record.cpuUs),
        number(record.work.distances),
      ]),
  };
}

/** Queries per second at equal recall. */
export function recallTable(panel: Panel): Table {
  const all = compare(panel);
  const cells = ({ qps, qpsRatio, cpuRatio }: Comparison) => [
    number(qps),
    timesOf(qpsRatio),
    timesOf(cpuRatio),
  ];
  return {
    title: `${panel.title}: at equal recall`,
    heading: ['engine', ...RECALLS.flatMap((recall) => [`QPS at ${recall}`, `/ ${REFERENCE}`, 'by CPU'])],
    rows: [...panel.engines.keys()].map((engine) => [
      engine,
      ...all.filter((comparison) => comparison.engine === engine).flatMap(cells),
    ]),
  };
}

/** What an index costs to make and to hold. */
export function indexTable(panel: Panel): Table {
  const first = (engine: string): SearchRecord | undefined => panel.engines.get(engine)?.[0];
  const reference = first(REFERENCE);
  const ratio = (a: number | null | undefined, b: number | null | undefined) => times(a && b ? a / b : null);
  return {
    title: `${panel.title}: indexes`,
    heading: [
      'engine',
      'version',
      'inserts/s',
      `/ ${REFERENCE}`,
      'build s',
      'B/vector',
      `/ ${REFERENCE}`,
      'file B',
      'RSS B',
      'load ms',
    ],
    rows: [...panel.engines.keys()].map((engine) => {
      const record = first(engine)!;
      return [
        engine,
        record.version,
        number(record.buildS && record.n / record.buildS),
        ratio(reference?.buildS, record.buildS),
        number(record.buildS, 1),
        number(record.bytesPerVector),
        ratio(record.bytesPerVector, reference?.bytesPerVector),
        number(record.fileBytesPerVector),
        number(record.rssBytesPerVector),
        number(record.loadS === null ? null : record.loadS * 1000),
      ];
    }),
  };
}

export function scalingTable({ dataset, recall, engines }: Scaling): Table {
  const sizes = [...new Set(engines.flatMap(({ points }) => points.map(({ n }) => n)))].sort((a, b) => a - b);
  const largest = sizes.at(-1);
  return {
    title: `${dataset}: microseconds a query at recall ${recall}, by size`,
    heading: [
      'engine',
      ...sizes.map((n) => number(n)),
      ...sizes.slice(0, -1).map((n) => `max / ${number(n)}`),
    ],
    rows: engines.map(({ engine, points }) => {
      const at = new Map(points.map((point) => [point.n, point.us]));
      const top = largest === undefined ? undefined : at.get(largest);
      const growth = (n: number) => (top && at.has(n) ? ratioOf(top, at.get(n)!) : null);
      return [
        engine,
        ...sizes.map((n) => us(middleOf(at.get(n) ?? []))),
        ...sizes.slice(0, -1).map((n) => timesOf(growth(n))),
      ];
    }),
  };
}

/** Recall and time beside the share that passes, in a table for each set and filter. */
export function filterTables(filterings: readonly Filtering[]): Table[] {
  const groups = new Map<string, Filtering[]>();
  for (const each of filterings) {
    const filters = each.isFresh ? 'a filter of its own for each query' : 'the same filter for all queries';
    const title = `${each.dataset}, ${number(each.n)} vectors, by ${each.filter}, ${filters}`;
    groups.set(title, [...(groups.get(title) ?? []), each]);
  }
  return [...groups].map(([title, group]) => ({
    title,
    heading: ['engine', 'ef', 'passing', 'recall', 'p50 us', 'p99 us', '/ unfiltered p50', 'CPU us'],
    rows: group.flatMap(({ engine, ef, plain, points }) =>
      [plain, ...points].map((record) => [
        engine,
        String(ef),
        record.selectivity === undefined ? 'no filter' : percent(record.selectivity),
        record.recall.toFixed(4),
        us(record.p50Us),
        us(record.p99Us),
        timesOf(ratioOfSpreads(p50SpreadOf(record), p50SpreadOf(plain))),
        us(record.cpuUs),
      ]),
    ),
  }));
}

export function threadTable(threadings: readonly Threading[]): Table {
  return {
    title: 'Threads',
    heading: ['set', 'engine', 'ef', 'threads', 'recall', 'QPS', '/ one', 'p50 us', 'p99 us', 'CPU us'],
    rows: threadings.flatMap(({ dataset, n, engine, ef, points }) => {
      const one = points.find(({ threads }) => threads === 1);
      return points.map((record) => [
        `${dataset} ${number(n)}`,
        engine,
        String(ef),
        String(record.threads),
        record.recall.toFixed(4),
        number(record.qps),
        timesOf(one ? ratioOfSpreads(record.qpsSpread, one.qpsSpread) : null),
        us(record.p50Us),
        us(record.p99Us),
        us(record.cpuUs),
      ]);
    }),
  };
}

export function loadTable(records: readonly LoadRecord[]): Table {
  return {
    title: 'Loading from the page cache, against a bare read into fresh shared memory',
    heading: ['set', 'engine', 'MB', 'load ms', 'min', 'max', 'bare ms', 'speed / bare'],
    rows: records.map((record) => [
      `${record.dataset} ${number(record.n)}`,
      record.engine,
      number(record.bytes / 1e6, 1),
      number(record.loadS * 1000, 1),
      number(record.loadSSpread.min * 1000, 1),
      number(record.loadSSpread.max * 1000, 1),
      number(record.bareReadS * 1000, 1),
      timesOf(ratioOfSpreads(record.bareReadSSpread, record.loadSSpread)),
    ]),
  };
}

export function kernelTable(records: readonly KernelRecord[]): Table {
  return {
    title: 'One distance, called from JavaScript',
    heading: ['engine', 'kernel', 'dim', 'bytes', 'hot ns', 'random ns'],
    rows: records.map((record) => [
      record.engine,
      record.kernel,
      String(record.dim),
      number(record.vectorBytes),
      number(record.hotNs, 1),
      number(record.randomNs, 1),
    ]),
  };
}

/**
 * CPU of a request less its time in the core, and less that of a search in a process of its own, each against constant
 * answers'; latency less that of the search.
 */
export function serviceTable(records: readonly ServiceRecord[]): Table {
  return {
    title: 'Serving over loopback',
    heading: [
      'server',
      'client',
      'format',
      'connections',
      'recall',
      'requests/s',
      'p50 us',
      'p99 us',
      'p99.9 us',
      'CPU us',
      'in core',
      'less core',
      '/ constant',
      '/ bare',
      'less search alone',
      '/ constant',
      '/ bare',
      'p50 added us',
    ],
    rows: records.map((record) => {
      const isConstant = record.server !== 'nearpin';
      const less = (searchCpuUs: Spread | null) => {
        const isKnown = !isConstant && record.cpuUs !== null && searchCpuUs !== null;
        const own = isKnown ? differenceOfSpreads(record.cpuUs, searchCpuUs) : null;
        const against = (server: 'constant' | 'bare') => {
          const cpuUs = constantOf(record, records, server)?.cpuUs ?? null;
          return own === null || cpuUs === null ? '-' : times(ratioOfSpreads(own, cpuUs).median);
        };
        return [us(own?.median ?? null), against('constant'), against('bare')];
      };
      return [
        record.server,
        record.client ?? 'own',
        record.format,
        String(record.connections),
        record.recall === null ? '-' : record.recall.toFixed(4),
        number(record.rps),
        us(record.p50Us.median),
        us(record.p99Us),
        us(record.p999Us),
        us(record.cpuUs?.median ?? null),
        us(record.coreCpuUs?.median ?? null),
        ...less(record.coreCpuUs),
        ...less(record.searchCpuUs),
        // With more in flight a request mostly waits for others
        isConstant || record.connections > 1
          ? '-'
          : us(differenceOfSpreads(record.p50Us, record.searchP50Us).median),
      ];
    }),
  };
}

/** What became of requests that came at a rate of their own. */
export function overloadTable(records: readonly OverloadRecord[]): Table {
  return {
    title: 'More requests than can be answered, over loopback',
    heading: [
      'asks',
      'load',
      'offered/s',
      'answered in time/s',
      '/ peak',
      'refused/s',
      'given up/s',
      'failed/s',
      'p50 ms',
      'p99 ms',
      'probes',
      'probe p99 ms',
      'slowest ms',
      'health p99 ms',
      'slowest ms',
    ],
    rows: records.map((record) => [
      `${record.asks}, k ${record.k}`,
      `${record.load}x`,
      number(record.offeredRps),
      number(record.goodRps),
      number(partOfPeak(record, records).median, 2),
      number(record.refusedRps),
      number(record.givenUpRps),
      number(record.failedRps),
      number(record.p50Us / 1000, 1),
      number(record.p99Us / 1000, 1),
      number(record.probes),
      number(record.probeP99Ms, 1),
      number(record.probeMaxMs, 1),
      number(record.healthProbeP99Ms, 1),
      number(record.healthProbeMaxMs, 1),
    ]),
  };
}

/** Where nearpin stands against its own bars. */
export function barTable(bars: readonly Bar[]): Table {
  return {
    title: 'Bars',
    heading: ['what', 'on', 'measured', 'least', 'most', 'by CPU', 'bar', 'holds'],
    rows: bars.map((bar) => [
      bar.what,
      bar.on,
      number(bar.measured, 3),
      number(bar.passes?.min, 3),
      number(bar.passes?.max, 3),
      number(bar.byCpu, 3),
      `${bar.isLeast ? '>=' : '<='} ${bar.bar}`,
      holds(bar) ? 'yes' : 'no',
    ]),
  };
}

/** All tables of a run that have rows. */
export function tablesOf({ records }: Pick<Results, 'records'>): Table[] {
  return [
    ...panelsOf(records).flatMap((panel) => [
      pointsTable(panel),
      ...(panel.isCurve ? [recallTable(panel)] : []),
      // The same indexes are searched in any number of threads
      ...(panel.threads === 1 ? [indexTable(panel)] : []),
    ]),
    ...scalingsOf(records).map(scalingTable),
    ...filterTables(filteringsOf(records)),
    threadTable(threadingsOf(records)),
    loadTable(ofKind(records, 'load')),
    kernelTable(ofKind(records, 'kernel')),
    serviceTable(ofKind(records, 'service')),
    overloadTable(ofKind(records, 'overload')),
    barTable(barsOf(records)),
  ].filter(({ rows }) => rows.length > 0);
}
