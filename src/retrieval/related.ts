/** Related pins: the nearest to one or more seed pins, away from negatives, diversified and grouped on request. */
import type { EngineAnswer, EngineHit } from '../engines/engine.ts';
import type { Pin } from '../index/pin.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { completeAnswers, idsOf } from './answer.ts';
import type { RelatedRequest, RetrievalAnswer } from './contract.ts';
import type { Clock, OpenIndex } from './open-index.ts';
import { checkWhole, planRequest } from './plan.ts';
import { checkSeeds, combineSeeds, type Seed } from './seeds.ts';
import { diversify, limitGroups } from './select.ts';

/** Candidates for each hit wanted, when hits are to be chosen among candidates. */
const OVERFETCH = 4;
/** Most candidates that diversity compares pairwise: the work is this times k similarities, on the event loop. */
const DIVERSITY_POOL_MAX = 400;

interface Choice {
  readonly k: number;
  readonly lambda: number | undefined;
  readonly groupBy: { readonly field: string; readonly size: number } | undefined;
}

/**
 * Answers a related request. Neither a seed, nor a negative, nor an excluded pin is ever a hit.
 *
 * With `diversity` and `groupBy` the k hits are chosen among more candidates, up to what one search can return.
 * When a group crowds out the others beyond that, the answer has fewer than k hits and `exhausted` is false.
 * @throws NearpinError unknown_pin with the path of the seed; zero_vector when seeds cancel out; what a query throws
 */
export async function runRelated(
  index: OpenIndex,
  request: RelatedRequest,
  clock: Clock,
): Promise<RetrievalAnswer> {
  const plan = planRequest(index, request, clock);
  const seeds = checkSeeds(request.pins, 'pins');
  if (seeds.length === 0) throw errorAt('bad_request', 'pins', 'must name at least one pin');
  const negatives = checkSeeds(request.negatives ?? [], 'negatives');
  const { metric, attributes } = plan.config;
  const choice = checkChoice(request, plan.query.k, Object.keys(attributes));

  const vectors = await seedVectors(index, [...seeds, ...negatives]);
  const vector = combineSeeds(seeds, negatives, ({ id }) => vectors.get(id)!, metric);
  const exclude = [...new Set([...vectors.keys(), ...(plan.query.exclude ?? [])])];
  const widest = LIMITS.candidatesMax - exclude.length;
  if (choice.k > widest)
    throw errorAt('limit_exceeded', 'k', `with ${exclude.length} pins to leave out the limit is ${widest}`);
  const search = (k: number) =>
    index.engine.search({
      ...plan.query,
      vector,
      k,
      exclude,
      withVectors: plan.query.withVectors === true || choice.lambda !== undefined,
    });

  const { found, candidates } = await gather(index, choice, widest, search);
  const hits =
    choice.lambda === undefined
      ? candidates.slice(0, choice.k)
      : diversify(candidates.slice(0, DIVERSITY_POOL_MAX), choice.k, choice.lambda, metric);
  const answers = [{ ...found, hits, exhausted: found.exhausted && hits.length < choice.k }];
  const pins = plan.parts && (await index.engine.pins(idsOf(answers), plan.parts));
  return completeAnswers(index, plan, answers, pins, clock)[0]!;
}

function checkChoice({ diversity, groupBy }: RelatedRequest, k: number, fields: readonly string[]): Choice {
  if (diversity !== undefined) {
    if (!(diversity.lambda >= 0 && diversity.lambda <= 1))
      throw errorAt('bad_request', 'diversity.lambda', 'must be a number from 0 to 1');
    if (k > LIMITS.diversityKMax)
      throw errorAt(
        'limit_exceeded',
        'k',
        `${k} is over the limit of ${LIMITS.diversityKMax} with diversity`,
      );
  }
  if (groupBy !== undefined) {
    if (!fields.includes(groupBy.field))
      throw errorAt('bad_request', 'groupBy.field', 'must be an attribute that the index declares');
    checkWhole(groupBy.size, 'groupBy.size', 1, LIMITS.kMax, 1);
  }
  return { k, lambda: diversity?.lambda, groupBy };
}

/** The vectors of all seeds by id; unknown_pin names every seed that is not there. */
async function seedVectors(index: OpenIndex, seeds: readonly Seed[]): Promise<Map<string, Float32Array>> {
  const ids = [...new Set(seeds.map(({ id }) => id))];
  const pins = await index.engine.pins(ids, { vector: true });
  const vectors = new Map(pins.flatMap((pin, i) => (pin?.vector ? [[ids[i]!, pin.vector] as const] : [])));
  const unknown = seeds.filter(({ id }) => !vectors.has(id));
  if (unknown.length > 0)
    throw new NearpinError(
      'unknown_pin',
      `${unknown[0]!.path}: there is no pin ${unknown[0]!.id} in ${index.name}`,
      unknown.map(({ path, id }) => ({ path, message: `there is no pin ${id}` })),
    );
  return vectors;
}

/**
 * Searches until there are enough candidates to choose from: once without groups; with them, ever wider until
 * enough are left within the groups' sizes, there is no more to find, time is up or `widest` is reached.
 */
async function gather(
  index: OpenIndex,
  { k, lambda, groupBy }: Choice,
  widest: number,
  search: (k: number) => Promise<EngineAnswer>,
): Promise<{ found: EngineAnswer; candidates: readonly EngineHit[] }> {
  const wanted = lambda === undefined ? k : Math.min(OVERFETCH * k, DIVERSITY_POOL_MAX, widest);
  if (groupBy === undefined) {
    const found = await search(wanted);
    return { found, candidates: found.hits };
  }

  const known = new Map<string, Pin | undefined>();
  const valuesOf = ({ id }: EngineHit) => [known.get(id)?.attributes?.[groupBy.field] ?? []].flat();
  for (let width = Math.min(OVERFETCH * wanted, widest); ; width = Math.min(OVERFETCH * width, widest)) {
    const found = await search(width);
    const unread = found.hits.map(({ id }) => id).filter((id) => !known.has(id));
    const pins = await index.engine.pins(unread, { attributes: true });
    for (const [i, id] of unread.entries()) known.set(id, pins[i]);
    const candidates = limitGroups(found.hits, valuesOf, groupBy.size);
    const atEnd = found.hits.length < width || width === widest || found.coverage.degraded !== undefined;
    if (candidates.length >= wanted || atEnd) return { found, candidates };
  }
}
