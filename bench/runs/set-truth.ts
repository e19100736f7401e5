/** The exact neighbours of a set's queries: those that came with it, once they have proved to be theirs, or computed. */
import { errorAt } from '../../src/lib/errors.ts';
import { MatrixReader, readMatrix } from '../data/matrix.ts';
import type { BenchSet } from '../data/sets.ts';
import { findTruth, recallOf, type Truth, trueDistance } from '../data/truth.ts';
import type { RunContext } from './run-context.ts';

/** Neighbours a query that are computed and kept, so that every usual k finds them. */
export const TRUTH_DEPTH = 100;

/** Queries whose given neighbours are compared with computed ones, and the share of them that must be right. */
const PROBES = 10;
const PROBE_RECALL = 0.99;

/**
 * Throws bad_file when the neighbours that came with a set are too few, out of range, or not the nearest ones by its
 * metric.
 */
export async function setTruth(set: BenchSet, k: number, context: RunContext): Promise<Truth> {
  context.progress(`${set.name}: exact neighbours`, 0, 1);
  const options = { ...context, metric: set.metric, depth: Math.max(k, TRUTH_DEPTH) };
  if (set.neighbours === undefined) return findTruth(set.base, set.queries, options);
  const given = distancesOf(set, set.neighbours, k);
  const probes = {
    ...set.queries,
    rows: Math.min(PROBES, set.queries.rows),
    sha256: `first-${set.queries.sha256}`,
  };
  const exact = await findTruth(set.base, probes, options);
  const answers = {
    ordinals: given.ordinals.filter((_, i) => i % given.depth < k),
    counts: new Uint32Array(set.queries.rows).fill(k),
    k,
    truth: exact,
    windows: undefined,
  };
  const { recall } = recallOf(answers, { ...set, queries: probes });
  if (recall < PROBE_RECALL) {
    const share = recall.toFixed(3);
    throw errorAt(
      'bad_file',
      'truth',
      `holds ${share} of the ${k} nearest by ${set.metric} of the first queries`,
    );
  }
  return given;
}

/** Neighbours as truth: in order of the distances that are computed for them here. */
function distancesOf(set: BenchSet, neighbours: readonly Uint32Array[], k: number): Truth {
  const { base, queries, metric } = set;
  const depth = neighbours[0]?.length ?? 0;
  if (neighbours.length < queries.rows || depth < Math.min(k, base.rows)) {
    const shape = `${neighbours.length} lists of ${depth}`;
    throw errorAt('bad_file', 'truth', `holds ${shape} where ${queries.rows} of at least ${k} are needed`);
  }
  const ordinals = new Uint32Array(queries.rows * depth);
  const distances = new Float64Array(queries.rows * depth);
  const reader = new MatrixReader(base);
  try {
    for (const [q, query] of readMatrix(queries).entries()) {
      const found = Array.from(neighbours[q]!, (ordinal) => {
        if (ordinal >= base.rows)
          throw errorAt('bad_file', 'truth', `names vector ${ordinal} of ${base.rows}`);
        return { ordinal, distance: trueDistance(metric, query, reader.read(ordinal, 1)) };
      });
      found.sort((a, b) => a.distance - b.distance || a.ordinal - b.ordinal);
      for (const [i, { ordinal, distance }] of found.entries()) {
        ordinals[q * depth + i] = ordinal;
        distances[q * depth + i] = distance;
      }
    }
  } finally {
    reader.close();
  }
  return { depth, ordinals, distances };
}
