/** Queries per second at a recall: read off an engine's Pareto front, between two measured points and never beyond. */

export interface Point {
  readonly recall: number;
  readonly qps: number;
}

/** The points that no other beats in both recall and speed, by rising recall and falling speed. */
export function paretoFront<P extends Point>(points: readonly P[]): P[] {
  const front: P[] = [];
  for (const point of [...points].sort((a, b) => b.recall - a.recall || b.qps - a.qps)) {
    const last = front.at(-1);
    if (last === undefined || point.qps > last.qps) front.push(point);
  }
  return front.reverse();
}

/**
 * Queries per second at a recall, linear in recall and in the logarithm of the speed between the two points of the
 * front around it; null where the front does not reach that low or that high.
 */
export function atRecall(points: readonly Point[], recall: number): number | null {
  const front = paretoFront(points);
  const high = front.findIndex((point) => point.recall >= recall);
  if (high < 0) return null;
  const above = front[high]!;
  if (above.recall === recall) return above.qps;
  if (high === 0) return null;
  const below = front[high - 1]!;
  const share = (recall - below.recall) / (above.recall - below.recall);
  return Math.exp(Math.log(below.qps) * (1 - share) + Math.log(above.qps) * share);
}
