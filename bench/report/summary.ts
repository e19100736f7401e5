/** The tables of a run: every point, and the comparison at equal recall that the points are measured for. */
import { atRecall } from './pareto.ts';
import type { SearchRecord } from './record.ts';

/** The recalls at which engines are compared. */
export const RECALLS = [0.9, 0.95, 0.99] as const;

/** The engine that others are compared with. */
export const REFERENCE = 'hnswlib';

/** Points that belong to one plot: of one data set, k, number of threads and filter. */
export interface Panel {
  readonly title: string;
  readonly engines: ReadonlyMap<string, readonly SearchRecord[]>;
}

export function panelsOf(records: readonly SearchRecord[]): Panel[] {
  const panels = new Map<string, Map<string, SearchRecord[]>>();
  for (const record of records) {
    const { dataset, n, metric, k, threads, filter, engine } = record;
    const title = [
      `${dataset}, ${n.toLocaleString('en-US')} vectors, ${metric}`,
      `recall@${k}`,
      threads === 1 ? 'one thread' : `${threads} threads`,
      ...(filter === undefined ? [] : [filter]),
    ].join(', ');
    const engines = panels.get(title) ?? new Map<string, SearchRecord[]>();
    panels.set(title, engines);
    const own = engines.get(engine) ?? [];
    engines.set(engine, own);
    own.push(record);
  }
  return [...panels].map(([title, engines]) => ({ title, engines }));
}

/** What an engine does at a recall; null where its curve does not reach it. */
export interface Comparison {
  readonly engine: string;
  readonly recall: number;
  readonly qps: number | null;
  readonly cpuUs: number | null;
  /** Of the queries per second, and of the CPU time, to the reference. */
  readonly qpsRatio: number | null;
  readonly cpuRatio: number | null;
}

export function compare(panel: Panel, recalls: readonly number[] = RECALLS): Comparison[] {
  const at = (engine: string, recall: number) => {
    const points = panel.engines.get(engine) ?? [];
    return { qps: atRecall(points, recall), cpuUs: atRecall(points, recall, ({ cpuUs }) => cpuUs) };
  };
  const over = (a: number | null, b: number | null) => (a === null || b === null ? null : a / b);
  return [...panel.engines.keys()].flatMap((engine) =>
    recalls.map((recall) => {
      const own = at(engine, recall);
      const reference = at(REFERENCE, recall);
      return {
        engine,
        recall,
        ...own,
        qpsRatio: over(own.qps, reference.qps),
        cpuRatio: over(reference.cpuUs, own.cpuUs),
      };
    }),
  );
}
