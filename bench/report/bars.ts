/**
 * The bars that nearpin sets itself: ratios within one run, on one thread unless said, each with the recall that it is
 * taken at. A bar appears where a run has measured what it needs.
 */
import type { BenchRecord, LoadRecord, OverloadRecord, SearchRecord, ServiceRecord } from './record.ts';
import {
  differenceOfSpreads,
  passesOf,
  ratioOf,
  ratioOfSpreads,
  type Spread,
  spreadOf,
} from './statistics.ts';
import {
  compare,
  filteringsOf,
  ofKind,
  type Panel,
  p50SpreadOf,
  panelsOf,
  REFERENCE,
  scalingsOf,
  threadingsOf,
} from './summary.ts';

export interface Bar {
  readonly what: string;
  /** What it was measured on. */
  readonly on: string;
  readonly measured: number;
  /** Of which it is the median, where both sides of a ratio were measured in turns. */
  readonly passes?: Spread;
  /** By CPU time instead of wall time, where the bar is a ratio of times. */
  readonly byCpu: number | null;
  readonly bar: number;
  readonly isLeast: boolean;
}

const OWN = 'wasm';
const NATIVE = 'hnswlib-native';
/** Engines that count as hnswlib, which has bars of its own, as nearpin, or as no index. */
const NO_PEERS = /^(wasm.*|hnswlib|hnswlib-native|exact)$/;

const MILLION = 1_000_000;
/** Sets that a bar of their own is set for. */
const NAMED = [
  ['clustered-128', 200_000],
  ['clustered-256', 100_000],
  ['mnist', 60_000],
  ['tate', 1],
] as const;

const RECALL_CEILING = 0.999;

export function holds({ measured, bar, isLeast }: Bar): boolean {
  return isLeast ? measured >= bar : measured <= bar;
}

/** The bars that these records tell of. */
export function barsOf(records: readonly BenchRecord[]): Bar[] {
  const panels = panelsOf(records).filter(({ threads }) => threads === 1);
  return [
    ...panels.filter(({ isCurve }) => isCurve).flatMap(speedBars),
    ...panels.flatMap(memoryBars),
    ...panels.flatMap(buildBars),
    ...growthBars(records),
    ...threadBars(records),
    ...filterBars(records),
    ...ofKind(records, 'load').flatMap(loadBars),
    ...serviceBars(ofKind(records, 'service')),
    ...overloadBars(ofKind(records, 'overload')),
  ];
}

const nameOf = ({ dataset, n }: { readonly dataset: string; readonly n: number }) =>
  `${dataset}, ${n.toLocaleString('en-US')}`;

/** A single pass says nothing of how far to trust it. */
const inTurns = (ratio: Spread) => ({
  measured: ratio.median,
  ...(ratio.values!.length > 1 && { passes: ratio }),
});

function leastOf({ dataset, n }: Panel): number {
  if (n >= MILLION) return 4.5;
  return NAMED.some(([name, count]) => name === dataset && n >= count) ? 4 : 3;
}

function speedBars(panel: Panel): Bar[] {
  const on = nameOf(panel);
  const ratios = (other: string, recall: number) => {
    const own = compare(panel, [recall], other).find(({ engine }) => engine === OWN);
    return own === undefined || own.qpsRatio === null
      ? []
      : [{ ...inTurns(own.qpsRatio), byCpu: own.cpuRatio?.median ?? null, on, isLeast: true }];
  };
  const peers = [...panel.engines.keys()].filter((name) => !NO_PEERS.test(name));
  const speeds = new Map(compare(panel, [0.95]).map(({ engine, qps }) => [engine, qps ?? 0]));
  const best = peers.sort((a, b) => speeds.get(b)! - speeds.get(a)!)[0];
  return [
    ...[0.95, 0.99].flatMap((recall) =>
      ratios(REFERENCE, recall).map((ratio) => ({
        what: `QPS / ${REFERENCE} as npm builds it, recall ${recall}`,
        bar: leastOf(panel),
        ...ratio,
      })),
    ),
    ...(panel.n >= MILLION ? ratios(NATIVE, 0.95) : []).map((ratio) => ({
      what: 'QPS / hnswlib built with -march=native, recall 0.95',
      bar: 3.5,
      ...ratio,
    })),
    ...(best === undefined ? [] : ratios(best, 0.95)).map((ratio) => ({
      what: `QPS / best other peer, ${best}, recall 0.95`,
      bar: 1.5,
      ...ratio,
    })),
  ];
}

function memoryBars(panel: Panel): Bar[] {
  const own = panel.engines.get(OWN) ?? [];
  const reference = panel.engines.get(REFERENCE)?.[0];
  const ceiling = Math.max(0, ...own.map(({ recall }) => recall));
  if (own[0] === undefined || reference === undefined) return [];
  const on = `${nameOf(panel)}, recall up to ${ceiling.toFixed(4)}`;
  const bar = { on, byCpu: null, bar: 0.6, isLeast: false };
  const kinds = [
    ['bytes of the index', own[0].bytesPerVector, reference.bytesPerVector],
    ['growth of resident memory', own[0].rssBytesPerVector, reference.rssBytesPerVector],
  ] as const;
  // A smaller index that cannot find everything would not be the same thing
  if (ceiling < RECALL_CEILING) return [];
  return kinds.flatMap(([what, a, b]) =>
    a === null || b === null
      ? []
      : [{ what: `memory a vector / ${REFERENCE}, ${what}`, measured: a / b, ...bar }],
  );
}

function buildBars(panel: Panel): Bar[] {
  const own = panel.engines.get(OWN)?.[0];
  const reference = panel.engines.get(REFERENCE)?.[0];
  if (!own?.buildS || !reference?.buildS || !own.buildCpuS || !reference.buildCpuS) return [];
  return [
    {
      what: `inserts per second / ${REFERENCE}`,
      on: nameOf(panel),
      measured: reference.buildS / own.buildS,
      byCpu: reference.buildCpuS / own.buildCpuS,
      bar: 2,
      isLeast: true,
    },
  ];
}

function growthBars(records: readonly BenchRecord[]): Bar[] {
  return scalingsOf(records).flatMap(({ dataset, recall, engines }) => {
    const points = engines.find(({ engine }) => engine === OWN)?.points ?? [];
    const small = points.find(({ n }) => n === MILLION / 10);
    const large = points.find(({ n }) => n === MILLION);
    if (!small || !large) return [];
    const ratio = ratioOf(large.us, small.us);
    if (ratio === null) return [];
    return [
      {
        what: `time a query at 1M / at 100k, recall ${recall}`,
        on: dataset,
        ...inTurns(ratio),
        byCpu: ratioOf(large.cpuUs, small.cpuUs)?.median ?? null,
        bar: 2,
        isLeast: false,
      },
    ];
  });
}

function threadBars(records: readonly BenchRecord[]): Bar[] {
  return threadingsOf(records)
    .filter(({ engine }) => engine === OWN)
    .flatMap((threading) => {
      const one = threading.points.find(({ threads }) => threads === 1);
      const two = threading.points.find(({ threads }) => threads === 2);
      if (!one || !two) return [];
      return [
        {
          what: 'QPS of 2 threads / 1 thread',
          on: `${nameOf(threading)}, ef ${threading.ef}`,
          ...inTurns(ratioOfSpreads(two.qpsSpread, one.qpsSpread)),
          // Two threads would be twice as fast if none had to wait: what is left is what they cost each other
          byCpu: 2 * ratioOfSpreads(one.cpuUsSpread, two.cpuUsSpread).median,
          bar: 1.8,
          isLeast: true,
        },
      ];
    });
}

/** The largest ratio of any point. */
const worstOf = (points: readonly SearchRecord[], ratio: (point: SearchRecord) => Spread): Spread =>
  points.map(ratio).reduce((worst, other) => (other.median > worst.median ? other : worst));

function filterBars(records: readonly BenchRecord[]): Bar[] {
  return filteringsOf(records)
    .filter(({ engine }) => engine === OWN)
    .flatMap((filtering) => {
      const { filter, isFresh, points, plain } = filtering;
      const on = `${nameOf(filtering)}, by ${filter}, ${isFresh ? 'never the same filter' : 'always the same filter'}`;
      return [
        {
          what: 'filtered: least recall at any selectivity',
          on,
          measured: Math.min(...points.map(({ recall }) => recall)),
          byCpu: null,
          bar: 0.95,
          isLeast: true,
        },
        {
          what: 'filtered: worst p50 / unfiltered p50',
          on,
          ...inTurns(worstOf(points, (point) => ratioOfSpreads(p50SpreadOf(point), p50SpreadOf(plain)))),
          byCpu: worstOf(points, (point) => ratioOfSpreads(point.cpuUsSpread, plain.cpuUsSpread)).median,
          bar: 3,
          isLeast: false,
        },
      ];
    });
}

function loadBars(record: LoadRecord): Bar[] {
  if (record.engine !== OWN) return [];
  const ratio = ratioOfSpreads(record.bareReadSSpread, record.loadSSpread);
  const on = nameOf(record);
  return [{ what: 'load / bare read', on, ...inTurns(ratio), byCpu: null, bar: 0.8, isLeast: true }];
}

/** The same requests to a server that returns a constant body. */
export function constantOf(
  record: ServiceRecord,
  records: readonly ServiceRecord[],
  server: 'constant' | 'bare' = 'constant',
): ServiceRecord | undefined {
  return records.find(
    (other) =>
      other.server === server &&
      other.run === record.run &&
      other.dataset === record.dataset &&
      other.format === record.format &&
      other.client === record.client &&
      other.connections === record.connections,
  );
}

function serviceBars(records: readonly ServiceRecord[]): Bar[] {
  return [...ownLoadBars(records), ...cannonBars(records)];
}

/** What is left of a request without its search, as a multiple of a constant answer. */
const restOver = (constant: Spread, cpuUs: Spread, searchCpuUs: Spread) =>
  inTurns(ratioOfSpreads(differenceOfSpreads(cpuUs, searchCpuUs), constant));

/** For which the bar is told. */
const CANNON_CONNECTIONS = 32;

/** By what others measure with, against Fastify that decodes a body and sends bytes that are there. */
function cannonBars(records: readonly ServiceRecord[]): Bar[] {
  return records
    .filter(
      ({ server, client, connections }) =>
        server === 'nearpin' && client && connections === CANNON_CONNECTIONS,
    )
    .flatMap((record): Bar[] => {
      const { connections, format, cpuUs, coreCpuUs } = record;
      const bare = constantOf(record, records, 'bare')?.cpuUs ?? null;
      if (cpuUs === null || bare === null || coreCpuUs === null) return [];
      return [
        {
          what: 'CPU of a request less its time in the core / bare Fastify, constant body, load by autocannon',
          on: `${nameOf(record)}, ${format}, ${connections} connections`,
          ...restOver(bare, cpuUs, coreCpuUs),
          byCpu: null,
          bar: 2,
          isLeast: false,
        },
      ];
    });
}

function ownLoadBars(records: readonly ServiceRecord[]): Bar[] {
  return records
    .filter(({ server, client }) => server === 'nearpin' && client === undefined)
    .flatMap((record) => {
      const { connections, format, cpuUs } = record;
      const on = `${nameOf(record)}, ${format}, ${connections} connections`;
      const common = { on, byCpu: null, isLeast: false };
      if (connections === 1) {
        const addedUs = differenceOfSpreads(record.p50Us, record.searchP50Us);
        const addedMs = inTurns(spreadOf(passesOf(addedUs).map((us) => us / 1000)));
        return [{ what: 'ms that serving adds to the p50 of a search', ...addedMs, bar: 0.25, ...common }];
      }
      const constant = constantOf(record, records)?.cpuUs ?? null;
      if (cpuUs === null || constant === null) return [];
      const barOf = (what: string, searchCpuUs: Spread) => ({
        what: `CPU of a request less ${what} / same app, constant answer`,
        ...restOver(constant, cpuUs, searchCpuUs),
        bar: 1.8,
        ...common,
      });
      const { searchCpuUs, coreCpuUs } = record;
      return [
        ...(coreCpuUs === null ? [] : [barOf('its time in the core', coreCpuUs)]),
        barOf('a search alone', searchCpuUs),
      ];
    });
}

/** What was answered in time, as a part of the capacity that was measured beside it. */
const partOf = ({ goodSpread, capacitySpread }: OverloadRecord) => ratioOfSpreads(goodSpread, capacitySpread);

/** The same as a part of the peak, which is the capacity, or what was answered at any other load where that is more. */
export function partOfPeak(record: OverloadRecord, records: readonly OverloadRecord[]): Spread {
  const own = records.filter(({ run, dataset }) => run === record.run && dataset === record.dataset);
  const peak = Math.max(1, ...own.map((other) => partOf(other).median));
  return spreadOf(passesOf(partOf(record)).map((part) => part / peak));
}

const OVERLOAD = 3;

function overloadBars(records: readonly OverloadRecord[]): Bar[] {
  return records
    .filter(({ load }) => load === OVERLOAD)
    .flatMap((record) => {
      const on = `${nameOf(record)}, ${record.asks}, k ${record.k}`;
      const { goodWithinMs, probeMaxMs, healthProbeMaxMs } = record;
      const probed = (where: string, measured: number): Bar => ({
        what: `ms of the slowest of /livez and /readyz ${where} at ${OVERLOAD} times the capacity`,
        on,
        measured,
        byCpu: null,
        bar: 100,
        isLeast: false,
      });
      return [
        {
          what: `answers within ${goodWithinMs} ms at ${OVERLOAD} times the capacity / peak`,
          on,
          ...inTurns(partOfPeak(record, records)),
          byCpu: null,
          bar: 0.8,
          isLeast: true,
        },
        probed('at the listener of health', healthProbeMaxMs),
        probed("at the API's", probeMaxMs),
      ];
    });
}
