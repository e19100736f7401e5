/** Recall measured now: stored pins as queries, the graph's answers held against exact ones. */
import { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { RecallAnswer, RecallRequest } from './contract.ts';
import type { OpenIndex } from './open-index.ts';
import { checkWhole, DEFAULT_K } from './plan.ts';

const DEFAULT_SAMPLES = 100;
/** Queries in flight: exact scans are long, and other requests want their turn between them. */
const WINDOW = 16;
/** Distances that exact search may compute in all; the samples are as many as that allows. */
const DISTANCES_MAX = 50_000_000;
/** Engines that are being measured: a measurement takes all threads, so each has one at a time. */
const measured = new WeakSet<object>();
/** Two-sided 95 % quantile of the standard normal distribution. */
const Z95 = 1.959964;

/**
 * Queries with each sampled pin's own vector, the pin itself excluded, at `ef` and exactly. On a large index with fewer
 * samples than asked for: the work is bounded.
 * @throws NearpinError bad_request or limit_exceeded with path; too_many_measurements while the index is being measured already;
 * what the engine throws
 */
export async function measureRecall(index: OpenIndex, request: RecallRequest): Promise<RecallAnswer> {
  const { engine } = index;
  if (measured.has(engine)) {
    throw new NearpinError(
      'too_many_measurements',
      `the recall of index ${index.name} is being measured already`,
    );
  }
  measured.add(engine);
  try {
    return await measure(index, request);
  } finally {
    measured.delete(engine);
  }
}

async function measure(index: OpenIndex, request: RecallRequest): Promise<RecallAnswer> {
  const samples = checkWhole(request.samples, 'samples', 1, LIMITS.recallSamplesMax, DEFAULT_SAMPLES);
  const k = checkWhole(request.k, 'k', 1, LIMITS.kMax, DEFAULT_K);
  const seed = checkWhole(request.seed, 'seed', 0, Number.MAX_SAFE_INTEGER, 1);
  const { generation, defaultEf, count } = index.engine.describe();
  const asked = checkWhole(request.ef, 'ef', 1, LIMITS.efMax, defaultEf);

  const affordable = Math.max(1, Math.floor(DISTANCES_MAX / Math.max(1, count)));
  const ids = await index.engine.sample(Math.min(samples, affordable), seed);
  let ef = Math.max(asked, k);
  const found: number[] = [];
  const wanted: number[] = [];
  for (let start = 0; start < ids.length; start += WINDOW) {
    const pins = await index.engine.pins(ids.slice(start, start + WINDOW), { vector: true });
    await Promise.all(
      pins.map(async (pin) => {
        if (pin?.vector === undefined) return;
        const query = { vector: pin.vector, k, exclude: [pin.id] };
        const [exact, approximate] = await Promise.all([
          index.engine.search({ ...query, exact: true }),
          index.engine.search({ ...query, ef: asked }),
        ]);
        const truth = new Set(exact.hits.map(({ id }) => id));
        if (truth.size === 0) return;
        wanted.push(truth.size);
        found.push(approximate.hits.filter(({ id }) => truth.has(id)).length);
        ef = approximate.ef;
      }),
    );
  }
  return { ...recallInterval(found, wanted), samples: found.length, k, ef, generation };
}

/**
 * Recall over all queries and its 95 % confidence interval: Wilson's (1927) for `found` of `wanted`, with the
 * number of trials divided by the design effect (Kish, 1965), because the k neighbours of one query are found or
 * missed together. Unlike the mean's normal interval it stays within [0, 1] and does not vanish at a recall of 1.
 * @param found per query, how many of its true neighbours were found
 * @param wanted per query, how many there were; all over 0
 */
export function recallInterval(
  found: readonly number[],
  wanted: readonly number[],
): { recall: number; low: number; high: number } {
  const trials = sum(wanted);
  if (trials === 0) return { recall: 1, low: 0, high: 1 };
  const recall = sum(found) / trials;
  const independent = (recall * (1 - recall)) / trials;
  const queries = found.length;
  const spread = sum(found.map((count, i) => (count - recall * wanted[i]!) ** 2));
  const clustered = queries > 1 ? (spread * queries) / (queries - 1) / trials ** 2 : 0;
  const effective = trials / Math.max(1, independent > 0 ? clustered / independent : 1);

  const z2 = Z95 ** 2 / effective;
  const centre = (recall + z2 / 2) / (1 + z2);
  const half = Math.sqrt(z2 * recall * (1 - recall) + z2 ** 2 / 4) / (1 + z2);
  // Rounding must not push an end past the recall itself, nor past 0 or 1.
  return { recall, low: clamp(centre - half, 0, recall), high: clamp(centre + half, recall, 1) };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
