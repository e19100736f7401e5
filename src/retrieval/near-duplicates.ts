/**
 * Near-duplicates: pins whose vectors say the same. How alike two are is 2 a·b / (|a|² + |b|²): the cosine for unit
 * vectors, and 1 under every metric only for the same vector.
 */
import type { EngineHit } from '../engines/engine.ts';
import type { Metric } from '../index/config.ts';
import { similarity, squaresOf } from './similarity.ts';
import type { CandidateList } from './sources/source.ts';

/** Radians by which rounding and the codes of the engine may move the angle that a score stands for. */
const SLACK = 0.002;

/** How alike two vectors are, by their similarity under the metric and their squared lengths. */
export function likeness(metric: Metric, alike: number, squaresA: number, squaresB: number): number {
  const squares = squaresA + squaresB;
  if (squares === 0) return 1;
  // Minus the squared distance is 2 a·b - |a|² - |b|²
  return metric === 'l2' ? 1 + alike / squares : (2 * alike) / squares;
}

/**
 * Candidates of a list that may be near-duplicates of each other or of `anchors`, told by scores alone: vectors that are
 * within an angle of each other have angles to any third one that differ by no more. So mostly no vector is read.
 * @param list whose scores are cosines to its direction; of another list all are suspects
 * @param anchors unit f32[dim] each
 * @param limit similarity from which two pins are near-duplicates, in [0, 1]
 */
export function suspects(
  { candidates, direction }: CandidateList,
  anchors: readonly Float32Array[],
  limit: number,
): readonly EngineHit[] {
  if (direction === undefined) return candidates;
  const within = Math.acos(limit) + SLACK;
  const length = Math.sqrt(squaresOf(direction));
  const anchorAngles = anchors.map((anchor) => angleOf(similarity('dot', anchor, direction) / length));
  const found: EngineHit[] = [];
  let before = Number.NEGATIVE_INFINITY;
  let angle = candidates.length > 0 ? angleOf(candidates[0]!.score) : 0;
  for (let i = 0; i < candidates.length; i++) {
    const after = i + 1 < candidates.length ? angleOf(candidates[i + 1]!.score) : Number.POSITIVE_INFINITY;
    let isSuspect = angle - before <= within || after - angle <= within;
    for (let a = 0; a < anchorAngles.length && !isSuspect; a++)
      isSuspect = Math.abs(anchorAngles[a]! - angle) <= within;
    if (isSuspect) found.push(candidates[i]!);
    before = angle;
    angle = after;
  }
  return found;
}

function angleOf(cosine: number): number {
  return Math.acos(Math.min(1, Math.max(-1, cosine)));
}
