/** What is counted of one index. */
import { SHARD_PLANS, type ShardWork } from '../../lib/watch.ts';
import type { Family, Labels } from './families.ts';
import { family } from './families.ts';
import type { MetricName } from './metrics.ts';

export class IndexMeter {
  readonly name: string;
  completeAnswers = 0;
  degradedAnswers = 0;
  upsertedPins = 0;
  deletedPins = 0;
  /** By plan. */
  readonly searches = new Float64Array(SHARD_PLANS.length);
  readonly compared = new Float64Array(SHARD_PLANS.length);
  readonly visited = new Float64Array(SHARD_PLANS.length);

  constructor(name: string) {
    this.name = name;
  }

  /** A shard was searched. */
  count({ plan, compared, visited }: ShardWork): void {
    this.searches[plan]!++;
    this.compared[plan]! += compared;
    this.visited[plan]! += visited;
  }
}

/** The families of all indexes that are counted. */
export function familiesOf(meters: readonly IndexMeter[]): Family[] {
  const each = (name: MetricName, of: (meter: IndexMeter) => readonly (readonly [Labels, number])[]) =>
    family(
      name,
      meters.flatMap((meter) =>
        of(meter).map(([labels, value]) => ({ labels: { index: meter.name, ...labels }, value })),
      ),
    );
  // A plan that no search had is none that anybody looks for
  const byPlan = (meter: IndexMeter, values: Float64Array) =>
    SHARD_PLANS.flatMap((plan, i) => (meter.searches[i] === 0 ? [] : [[{ plan }, values[i]!] as const]));
  return [
    each('nearpin_answers_total', ({ completeAnswers, degradedAnswers }) => [
      [{ coverage: 'complete' }, completeAnswers],
      [{ coverage: 'degraded' }, degradedAnswers],
    ]),
    each('nearpin_shard_searches_total', (meter) => byPlan(meter, meter.searches)),
    each('nearpin_shard_search_distances_total', (meter) => byPlan(meter, meter.compared)),
    each('nearpin_shard_search_visited_nodes_total', (meter) => byPlan(meter, meter.visited)),
    each('nearpin_pins_written_total', ({ upsertedPins, deletedPins }) => [
      [{ operation: 'upsert' }, upsertedPins],
      [{ operation: 'delete' }, deletedPins],
    ]),
  ];
}
