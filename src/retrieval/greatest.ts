/**
 * The pins with the greatest value of an attribute: the newest ones, the most popular ones. An engine ranks by vectors and
 * not by attributes, but it filters; so the answer is narrowed down, as quickselect does: of the pins that pass, some come
 * back, and the least value that can still be among the greatest follows from theirs, until all that pass come back.
 */
import type { EngineQuery } from '../engines/engine.ts';
import type { Filter } from '../index/filter.ts';
import { LIMITS } from '../lib/limits.ts';
import type { OpenIndex } from './open-index.ts';

/** Pins that come back in a round, for each one wanted: more rounds of fewer pins, or fewer of more. */
const ROUND_PER_WANTED = 4;
/** A million pins take six or so; ties by the thousand take twice as many. */
const ROUNDS_MAX = 32;

export interface Greatest {
  readonly id: string;
  /** A number, or epoch milliseconds. */
  readonly value: number;
}

export interface GreatestQuery extends Pick<EngineQuery, 'filter' | 'exclude' | 'deadlineAtMs'> {
  /** A declared `number` or `time` attribute. */
  readonly field: string;
  /** 1 to LIMITS.kMax. */
  readonly wanted: number;
  /** Only values of at least this. */
  readonly least?: number | undefined;
}

/**
 * Up to `wanted` pins that pass the filter and have the attribute, the greatest value first, ties by id: all that there
 * are where there are fewer. Which of more equal values than are wanted come is not defined, nor what a passed deadline leaves.
 */
export async function greatestBy(
  index: OpenIndex,
  { field, wanted, least, filter, exclude = [], deadlineAtMs }: GreatestQuery,
): Promise<Greatest[]> {
  const { engine } = index;
  const values = new Map<string, number>();
  const ranked = () =>
    [...values]
      .map(([id, value]) => ({ id, value }))
      .sort((a, b) => b.value - a.value || (a.id < b.id ? -1 : 1));
  const k = Math.min(ROUND_PER_WANTED * wanted, LIMITS.candidatesMax - exclude.length);
  // Under cosine a query needs a direction; which one does not matter
  const vector = new Float32Array(engine.config.dim).fill(1);
  let bound: Filter = least === undefined ? { $exists: true } : { $gte: least };
  let low = Number.NEGATIVE_INFINITY;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const passes: Filter = { [field]: bound };
    const found = await engine.search({
      vector,
      k,
      exclude,
      deadlineAtMs,
      filter: filter === undefined ? passes : { $and: [filter, passes] },
    });
    const ids = found.hits.map(({ id }) => id);
    const pins = await engine.pins(ids, { attributes: true });
    for (const [i, id] of ids.entries()) {
      const value = pins[i]?.attributes?.[field];
      if (typeof value === 'number') values.set(id, value);
    }
    if (found.exhausted || found.coverage.degraded !== undefined) break;
    const last = ranked()[wanted - 1];
    if (last === undefined) break;
    // Where the bound does not rise, more pins have this value than come back: look only above it
    bound = last.value > low ? { $gte: last.value } : { $gt: last.value };
    low = last.value;
  }
  return ranked().slice(0, wanted);
}
