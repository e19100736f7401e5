/** What the records say when they are put side by side: the comparisons that they are measured for. */
import { atRecall } from './pareto.ts';
import type { BenchRecord, SearchRecord } from './record.ts';
import { type ByPass, middleOf, passesOf, ratioOf, type Spread, spreadOf } from './statistics.ts';

/** The recalls at which engines are compared. */
export const RECALLS = [0.9, 0.95, 0.99] as const;

/** The engine that others are compared with. */
export const REFERENCE = 'hnswlib';

export function ofKind<K extends BenchRecord['kind']>(records: readonly BenchRecord[], kind: K) {
  return records.filter((record): record is Extract<BenchRecord, { kind: K }> => record.kind === kind);
}

/** Points that belong together: of one run, data set, k and number of threads, without a filter. */
export interface Panel {
  readonly run: string;
  readonly dataset: string;
  readonly n: number;
  readonly threads: number;
  /** The data, k and threads; and the same after the name of the run. */
  readonly data: string;
  readonly title: string;
  /** Whether any engine was measured at several widths. */
  readonly isCurve: boolean;
  readonly engines: ReadonlyMap<string, readonly SearchRecord[]>;
}

/** Groups in the order of their first records. */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

const countOf = (n: number): string => n.toLocaleString('en-US');

export function panelsOf(records: readonly BenchRecord[]): Panel[] {
  const plain = ofKind(records, 'search').filter(({ filter }) => filter === undefined);
  const data = ({ dataset, n, metric, k, threads }: SearchRecord) => {
    const lanes = threads === 1 ? 'one thread' : `${threads} threads`;
    return `${dataset}, ${countOf(n)} vectors, ${metric}, recall@${k}, ${lanes}`;
  };
  const title = (record: SearchRecord) =>
    record.run === '' ? data(record) : `${record.run}: ${data(record)}`;
  return [...groupBy(plain, title).values()].map((group) => ({
    run: group[0]!.run,
    dataset: group[0]!.dataset,
    n: group[0]!.n,
    threads: group[0]!.threads,
    data: data(group[0]!),
    title: title(group[0]!),
    isCurve: new Set(group.map(({ ef }) => ef)).size > 1,
    engines: groupBy(group, ({ engine }) => engine),
  }));
}

/** What an engine does at a recall; null where its curve does not reach it. */
export interface Comparison {
  readonly engine: string;
  readonly recall: number;
  readonly qps: number | null;
  readonly cpuUs: number | null;
  /** Times the queries per second of the reference, and times less of its CPU time, pass by pass. */
  readonly qpsRatio: Spread | null;
  readonly cpuRatio: Spread | null;
}

/** Microseconds a query at a recall in each pass, by the front that the points of the pass make. */
function usAtRecall(
  points: readonly SearchRecord[],
  recall: number,
  usOf: (point: SearchRecord) => readonly number[],
): ByPass {
  const times = points.map((point) => ({ recall: point.recall, us: usOf(point) }));
  const passes = Math.min(...times.map(({ us }) => us.length));
  return Array.from({ length: points.length === 0 ? 0 : passes }, (_, pass) => {
    const qps = atRecall(
      times.map(({ recall, us }) => ({ recall, qps: 1e6 / us[pass]! })),
      recall,
    );
    return qps === null ? null : 1e6 / qps;
  });
}

const wallUs = ({ qpsSpread }: SearchRecord) => passesOf(qpsSpread).map((qps) => 1e6 / qps);
/** Of the front that an engine would have with all of a core to itself. */
const cpuUsOf = ({ cpuUsSpread }: SearchRecord) => passesOf(cpuUsSpread);

/** Wall and CPU time of a query at a recall. */
interface Cost {
  readonly us: ByPass;
  readonly cpuUs: ByPass;
}

function costOf({ engines }: Panel, engine: string, recall: number): Cost {
  const points = engines.get(engine) ?? [];
  return { us: usAtRecall(points, recall, wallUs), cpuUs: usAtRecall(points, recall, cpuUsOf) };
}

export function compare(
  panel: Panel,
  recalls: readonly number[] = RECALLS,
  other: string = REFERENCE,
): Comparison[] {
  return [...panel.engines.keys()].flatMap((engine) =>
    recalls.map((recall) => {
      const own = costOf(panel, engine, recall);
      const reference = costOf(panel, other, recall);
      const us = middleOf(own.us);
      return {
        engine,
        recall,
        qps: us === null ? null : 1e6 / us,
        cpuUs: middleOf(own.cpuUs),
        qpsRatio: ratioOf(reference.us, own.us),
        cpuRatio: ratioOf(reference.cpuUs, own.cpuUs),
      };
    }),
  );
}

/** Time of a query at one recall by the size of the set, of one engine. */
export interface Growth {
  readonly engine: string;
  readonly points: readonly (Cost & { readonly n: number })[];
}

export interface Scaling {
  readonly run: string;
  readonly dataset: string;
  readonly recall: number;
  readonly engines: readonly Growth[];
}

/** How cost grows with size, where a run has measured a set in several sizes in one thread. */
export function scalingsOf(
  records: readonly BenchRecord[],
  recalls: readonly number[] = [0.95, 0.99],
): Scaling[] {
  const panels = panelsOf(ofKind(records, 'search').filter(({ threads }) => threads === 1));
  return [...groupBy(panels, ({ run, dataset }) => `${run}\n${dataset}`).values()]
    .filter((sizes) => sizes.length > 1)
    .flatMap((sizes) =>
      recalls.map((recall) => ({
        run: sizes[0]!.run,
        dataset: sizes[0]!.dataset,
        recall,
        engines: [...new Set(sizes.flatMap(({ engines }) => [...engines.keys()]))]
          .map((engine) => ({
            engine,
            points: sizes
              .map((panel) => ({ n: panel.n, ...costOf(panel, engine, recall) }))
              .filter(({ us, cpuUs }) => middleOf(us) !== null && middleOf(cpuUs) !== null),
          }))
          .filter(({ points }) => points.length > 0),
      })),
    )
    .filter(({ engines }) => engines.length > 0);
}

/** One engine at one width, with every share of the vectors passing a filter. */
export interface Filtering {
  readonly run: string;
  readonly dataset: string;
  readonly n: number;
  readonly engine: string;
  readonly ef: number;
  readonly filter: string;
  readonly isFresh: boolean;
  /** Without the filter. */
  readonly plain: SearchRecord;
  readonly points: readonly SearchRecord[];
}

export function filteringsOf(records: readonly BenchRecord[]): Filtering[] {
  const searches = ofKind(records, 'search').filter(({ threads }) => threads === 1);
  const keyOf = ({ run, dataset, n, engine, ef }: SearchRecord) =>
    JSON.stringify([run, dataset, n, engine, ef]);
  const plain = new Map(
    searches.filter(({ filter }) => filter === undefined).map((record) => [keyOf(record), record]),
  );
  const filtered = searches.filter(({ filter }) => filter !== undefined);
  const groups = groupBy(filtered, (record) => `${keyOf(record)}${record.filter} ${record.isFresh}`);
  return [...groups.values()].flatMap((points) => {
    const { run, dataset, n, engine, ef, filter, isFresh } = points[0]!;
    const without = plain.get(keyOf(points[0]!));
    const common = { run, dataset, n, engine, ef, filter: filter!, isFresh: isFresh === true };
    return without ? [{ ...common, plain: without, points }] : [];
  });
}

export const p50SpreadOf = ({ p50Us, p50UsSpread }: SearchRecord): Spread => p50UsSpread ?? spreadOf([p50Us]);

/** One engine at one width in several numbers of threads. */
export interface Threading {
  readonly run: string;
  readonly dataset: string;
  readonly n: number;
  readonly engine: string;
  readonly ef: number;
  readonly points: readonly SearchRecord[];
}

export function threadingsOf(records: readonly BenchRecord[]): Threading[] {
  const plain = ofKind(records, 'search').filter(({ filter }) => filter === undefined);
  const keyOf = ({ run, dataset, n, engine, ef }: SearchRecord) =>
    JSON.stringify([run, dataset, n, engine, ef]);
  return [...groupBy(plain, keyOf).values()]
    .filter((points) => new Set(points.map(({ threads }) => threads)).size > 1)
    .map((points) => {
      const { run, dataset, n, engine, ef } = points[0]!;
      return { run, dataset, n, engine, ef, points };
    });
}
