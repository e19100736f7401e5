/** From what engines find to what callers get: the parts of the pins they asked for, and how it was found. */
import type { EngineAnswer, EngineHit } from '../engines/engine.ts';
import type { Pin } from '../index/pin.ts';
import { NearpinError } from '../lib/errors.ts';
import { STAGE } from '../lib/watch.ts';
import type { Hit, HitExplanation, RetrievalAnswer } from './contract.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import type { Plan } from './plan.ts';

/** A hit, and where a surface has it from. */
export interface FoundHit extends EngineHit {
  readonly source?: string;
  readonly explain?: HitExplanation;
}

export interface FoundAnswer extends EngineAnswer {
  readonly hits: readonly FoundHit[];
}

/** The pins of all hits, in order, where the plan asks for parts of them. */
export async function readParts(
  { engine, watch }: OpenIndex,
  { parts }: Plan,
  found: readonly EngineAnswer[],
): Promise<readonly (Pin | undefined)[] | undefined> {
  if (parts === undefined) return undefined;
  const sinceMs = watch ? watch.now() : 0;
  const ids = found.flatMap(({ hits }) => hits.map(({ id }) => id));
  const pins = await engine.pins(ids, parts);
  watch?.took(STAGE.payload, sinceMs);
  return pins;
}

/**
 * Completes answers that share a plan, in order. `pins` are what `readParts` gave;
 * a pin that was deleted since the search keeps its hit, without the parts that are gone.
 * What a passed deadline left is an answer, whose coverage says so.
 * @throws NearpinError deadline_exceeded when it left nothing
 */
export function completeAnswers(
  index: OpenIndex,
  plan: Plan,
  found: readonly FoundAnswer[],
  pins: readonly (Pin | undefined)[] | undefined,
  clock: Clock,
): RetrievalAnswer[] {
  if (found.some(({ coverage, hits }) => coverage.degraded === 'deadline' && hits.length === 0))
    throw new NearpinError('deadline_exceeded', 'The deadline passed before anything was found');

  const tookMs = Math.round((clock() - plan.startedAtMs) * 1000) / 1000;
  let position = 0;
  return found.map(({ hits, ef, generation, coverage, exhausted, explain }) => {
    const isComplete = plan.include.length === 0 && hits[0]?.vector === undefined;
    const complete = isComplete ? hits : hits.map((hit) => completeHit(hit, pins?.[position++], plan));
    const answer = { hits: complete, tookMs, ef, generation, model: index.model, coverage, exhausted };
    return explain ? { ...answer, explain } : answer;
  });
}

function completeHit(
  { id, score, source, explain, vector }: FoundHit,
  pin: Pin | undefined,
  plan: Plan,
): Hit {
  return {
    id,
    score,
    ...(source !== undefined && { source }),
    ...(explain !== undefined && { explain }),
    ...(pin?.payload !== undefined && { payload: pin.payload }),
    ...(pin?.attributes !== undefined && { attributes: pin.attributes }),
    ...(vector !== undefined && plan.include.includes('vector') && { vector }),
  };
}
