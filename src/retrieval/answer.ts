/** From what engines find to what callers get: the parts of the pins they asked for, and how it was found. */
import type { EngineAnswer, EngineHit } from '../engines/engine.ts';
import type { Pin } from '../index/pin.ts';
import { NearpinError } from '../lib/errors.ts';
import type { Hit, RetrievalAnswer } from './contract.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import type { Plan } from './plan.ts';

/**
 * Completes answers that share a plan, in order; the stored parts of all hits are read in one call. A pin that
 * was deleted since the search keeps its hit, without the parts that are gone.
 * What a passed deadline left is an answer, whose coverage says so.
 * @throws NearpinError deadline_exceeded when it left nothing
 */
export async function completeAnswers(
  index: OpenIndex,
  plan: Plan,
  found: readonly EngineAnswer[],
  clock: Clock,
): Promise<RetrievalAnswer[]> {
  if (found.some(({ coverage, hits }) => coverage.degraded === 'deadline' && hits.length === 0))
    throw new NearpinError('deadline_exceeded', 'The deadline passed before anything was found');

  const { include } = plan;
  const parts = { payload: include.includes('payload'), attributes: include.includes('attributes') };
  const ids = parts.payload || parts.attributes ? found.flatMap(({ hits }) => hits.map(({ id }) => id)) : [];
  const pins = ids.length > 0 ? await index.engine.pins(ids, parts) : [];

  const tookMs = Math.round((clock() - plan.startedAtMs) * 1000) / 1000;
  let position = 0;
  return found.map(({ hits, ef, generation, coverage, exhausted, explain }) => {
    const complete = hits.map((hit) => completeHit(hit, pins[position++], plan));
    const answer = { hits: complete, tookMs, ef, generation, model: index.model, coverage, exhausted };
    return explain ? { ...answer, explain } : answer;
  });
}

function completeHit({ id, score, vector }: EngineHit, pin: Pin | undefined, plan: Plan): Hit {
  if (plan.include.length === 0) return { id, score };
  return {
    id,
    score,
    ...(pin?.payload !== undefined && { payload: pin.payload }),
    ...(pin?.attributes !== undefined && { attributes: pin.attributes }),
    ...(vector !== undefined && plan.include.includes('vector') && { vector }),
  };
}
