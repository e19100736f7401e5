/** Several lists as one, for scores that can be compared: a pin counts by the list that scores it highest. */
import type { EngineHit } from '../../engines/engine.ts';
import { scaleScore } from '../boosts.ts';
import { byScore, type CandidateList } from './source.ts';

/**
 * The best candidates of lists, of which there must be one. @param weights of each list's scores, over 0; 1 when absent
 */
export function bestOf(lists: readonly CandidateList[], weights?: readonly number[]): CandidateList {
  if (lists.length === 1) return lists[0]!;
  const best = new Map<string, EngineHit>();
  for (const [i, { candidates }] of lists.entries())
    for (const { id, score, vector } of candidates) {
      const weighted = scaleScore(score, weights?.[i] ?? 1);
      const before = best.get(id);
      if (before === undefined || weighted > before.score)
        best.set(id, { id, score: weighted, ...(vector && { vector }) });
    }
  // What stands before the end of the shortest list is among the best of its own. What comes after may not be
  const cut = Math.min(...lists.map(({ isEnd, candidates }) => (isEnd ? best.size : candidates.length)));
  return asOne(lists, [...best.values()].sort(byScore).slice(0, cut));
}

/** A list of candidates that come from several lists. */
export function asOne(
  lists: readonly CandidateList[],
  candidates: CandidateList['candidates'],
): CandidateList {
  return {
    weight: 1,
    candidates,
    isEnd: lists.every(({ isEnd }) => isEnd),
    isAll: lists.every(({ isAll }) => isAll),
    searches: lists.flatMap(({ searches }) => searches),
  };
}
