/**
 * What every surface does: asks its sources side by side, leaves out what was seen, weighs by boosts, and chooses k hits
 * by quotas, without near-duplicates, within groups, diverse. A list in which those rules leave too few is asked for more.
 *
 * A pure function of an index and its arguments: clock and chance come with them.
 */
import type { EngineAnswer } from '../../engines/engine.ts';
import type { Attributes } from '../../index/pin.ts';
import { errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { ownTurn } from '../../lib/own-turn.ts';
import { completeAnswers, type FoundHit, readParts } from '../answer.ts';
import { boostFactors, scaleScore } from '../boosts.ts';
import type { HitExplanation, RetrievalAnswer } from '../contract.ts';
import { nearDuplicateLimit, suspects } from '../near-duplicates.ts';
import type { Clock, OpenIndex } from '../open-index.ts';
import type { Plan } from '../plan.ts';
import { type Candidate, choose, PAGE } from '../select.ts';
import {
  byScore,
  type CandidateList,
  type OpenSource,
  type SurfaceInput,
  shareOf,
} from '../sources/source.ts';
import type { CheckedSource, Surface } from './surface.ts';

/** Candidates for each hit wanted, where hits are chosen among them; and how much wider the next attempt is. */
const OVERFETCH = 4;
/** What a quota is multiplied by for each number of fallback: its turn comes when those before have nothing left. */
const FALLBACK_QUOTA = 1e-12;
/**
 * Candidates for diversity, of which it needs many, as among few all that is relevant is alike; but each is compared with k
 * hits on the event loop, so with many hits there are fewer for each.
 */
const diversePool = (k: number) => Math.max(3 * k, Math.ceil(7500 / Math.max(k, PAGE)));
const NO_ATTRIBUTES: Attributes = {};

/** A request to a surface, ready to be run. */
export interface SurfaceRun {
  readonly index: OpenIndex;
  readonly surface: Surface;
  /** Of the request, with the surface's defaults. */
  readonly plan: Plan;
  readonly input: SurfaceInput;
  /** Pins that must not be hits, in place of those that the plan leaves out; each takes one of LIMITS.candidatesMax. */
  readonly exclude?: readonly string[];
  /** Vectors that no hit may be a near-duplicate of. */
  readonly anchors?: readonly Float32Array[];
  /** Whether a pin must not be a hit; for more than `exclude` has room for. */
  readonly isHidden?: (id: string) => boolean;
  /** Of all that is drawn; 1 when absent. */
  readonly seed?: number;
}

/** A source that was readied for the request. */
interface Opened {
  readonly source: CheckedSource;
  readonly ask: OpenSource;
}

/** A list of candidates with the part of the hits that is its own. */
interface Quoted {
  readonly name: string;
  readonly quota: number;
  readonly list: CandidateList;
}

interface Ranked extends Candidate {
  readonly source: string;
  readonly explain?: HitExplanation;
}

/**
 * Answers a request to a surface.
 * @throws NearpinError limit_exceeded at `k`; what its sources and the engine throw
 */
export async function runSurface(run: SurfaceRun, clock: Clock): Promise<RetrievalAnswer> {
  const { index, surface, plan, anchors = [], isHidden } = run;
  const { metric } = plan.config;
  const { k } = plan.query;
  const exclude = run.exclude ?? plan.query.exclude ?? [];
  const widest = LIMITS.candidatesMax - exclude.length;
  checkK(k, surface, widest);
  const { lambda, groupBy, boosts } = surface;
  const nearDuplicates =
    surface.nearDuplicates === undefined
      ? undefined
      : nearDuplicateLimit(surface.nearDuplicates, plan.config);
  const needsVectors = lambda !== undefined || (nearDuplicates !== undefined && metric !== 'cosine');
  const query = { ...plan.query, exclude, withVectors: needsVectors || plan.query.withVectors === true };
  const context = { index, input: run.input, query, nowMs: plan.startedAtMs, seed: run.seed ?? 1 };
  const openAll = (fallback: number) =>
    Promise.all(
      surface.sources
        .filter((source) => source.fallback === fallback)
        .map(async (source): Promise<Opened> => ({ source, ask: await source.open(context) })),
    );
  const [first, ...fallbacks] = [...new Set(surface.sources.map(({ fallback }) => fallback))].sort(
    (a, b) => a - b,
  );
  const opened = await openAll(first!);
  const known = new Known(index);

  const isChosen =
    lambda !== undefined || groupBy !== undefined || boosts.length > 0 || isHidden !== undefined;
  const pool = isChosen ? OVERFETCH * k : k;
  let wanted = Math.min(lambda === undefined ? pool : diversePool(k), widest);
  for (;;) {
    const lists = await askAll(opened, wanted, index.onSource);
    if (isHidden) for (const [i, quoted] of lists.entries()) lists[i] = without(quoted, isHidden);
    if (groupBy !== undefined || boosts.length > 0)
      await known.readAttributes(lists.flatMap(({ list }) => list.candidates.map(({ id }) => id)));
    if (lambda !== undefined || nearDuplicates !== undefined)
      await known.readVectors(
        lists.length === 1 && lambda === undefined
          ? suspects(lists[0]!.list, anchors, nearDuplicates!)
          : lists.flatMap(({ list }) => list.candidates),
      );

    if (lambda !== undefined) await ownTurn();
    const ranked = lists.map((quoted) => rank(quoted, run, known));
    const { hits, ranDry } = choose<Ranked>({
      k,
      lists: ranked,
      quotas: lists.map(({ quota }) => quota),
      metric,
      diversity:
        lambda === undefined
          ? undefined
          : { lambda, productsWith: (vectors) => index.engine.productsWith(vectors) },
      nearDuplicates: nearDuplicates === undefined ? undefined : { similarity: nearDuplicates, anchors },
      groups: groupBy && {
        size: groupBy.size,
        valuesOf: ({ id }) => [known.attributes(id)[groupBy.field] ?? []].flat(),
      },
    });
    if (wanted < widest && lists.some(({ list }, i) => ranDry[i] && !list.isEnd)) {
      wanted = Math.min(OVERFETCH * wanted, widest);
      continue;
    }
    const next = hits.length < k ? fallbacks.shift() : undefined;
    if (next !== undefined) {
      opened.push(...(await openAll(next)));
      continue;
    }

    if (plan.query.withVectors) await known.readVectors(hits);
    const found = { ...summary(index, lists), hits: hits.map((hit) => hitOf(hit, plan, known)) };
    const answer = { ...found, exhausted: hits.length < k && lists.every(({ list }) => list.isAll) };
    const pins = await readParts(index, plan, [answer]);
    return completeAnswers(index, plan, [answer], pins, clock)[0]!;
  }
}

function checkK(k: number, { lambda }: Surface, widest: number): void {
  const limit = lambda === undefined ? widest : Math.min(widest, LIMITS.diversityKMax);
  if (k > limit)
    throw errorAt('limit_exceeded', 'k', `${k} is over the limit of ${limit} with what is asked for besides`);
}

/** The lists of all sources, asked at the same time, each for its part; in those of the same fallback. */
async function askAll(
  opened: readonly Opened[],
  wanted: number,
  onSource: OpenIndex['onSource'],
): Promise<Quoted[]> {
  const total = (of: number) =>
    opened.reduce((sum, { source }) => sum + (source.fallback === of ? source.quota : 0), 0);
  const answers = await Promise.all(
    opened.map(async ({ source: { name, quota, fallback }, ask }) => {
      const lists = await ask(shareOf(wanted, quota / total(fallback)));
      if (lists.length > 0) onSource?.(name);
      const weights = lists.reduce((sum, { weight }) => sum + weight, 0);
      return lists.map((list) => ({
        name: list.part === undefined ? name : `${name}:${list.part}`,
        quota: (quota * FALLBACK_QUOTA ** fallback * list.weight) / weights,
        list,
      }));
    }),
  );
  return answers.flat();
}

function without({ list, ...rest }: Quoted, isHidden: (id: string) => boolean): Quoted {
  return { ...rest, list: { ...list, candidates: list.candidates.filter(({ id }) => !isHidden(id)) } };
}

/** Candidates of a list with their boosts, in the order that those give. */
function rank({ name, list }: Quoted, { surface, plan }: SurfaceRun, known: Known): Ranked[] {
  const { boosts, lambda } = surface;
  const ranked = list.candidates.map((hit, i): Ranked => {
    const candidate = {
      id: hit.id,
      score: hit.score,
      source: hit.part === undefined ? name : `${name}:${hit.part}`,
      vector: known.vector(hit.id, hit.vector),
    };
    if (boosts.length === 0 && !plan.query.explain) return candidate;
    const factors = boostFactors(boosts, known.attributes(hit.id), plan.startedAtMs);
    const score = scaleScore(hit.score, product(factors));
    const explain = { rank: i + 1, sourceScore: hit.score, boosts: factors };
    return plan.query.explain ? { ...candidate, score, explain } : { ...candidate, score };
  });
  if (boosts.length > 0) ranked.sort(byScore);
  // A pin without a vector was deleted in the meantime
  return lambda === undefined ? ranked : ranked.filter(({ vector }) => vector !== undefined);
}

function product(factors: readonly number[]): number {
  return factors.reduce((result, factor) => result * factor, 1);
}

/** What all searches together say of the answer. */
function summary(index: OpenIndex, lists: readonly Quoted[]): Omit<EngineAnswer, 'hits' | 'exhausted'> {
  const searches = lists.flatMap(({ list }) => list.searches);
  const [first] = searches;
  if (first === undefined) {
    const { generation, shards } = index.engine.describe();
    return { ef: 0, generation, coverage: { shards: shards.length, answered: shards.length } };
  }
  const { generation, coverage } = first;
  const worst = searches.find(({ coverage }) => coverage.degraded !== undefined)?.coverage ?? coverage;
  const explain = searches.flatMap((search) => search.explain ?? []);
  return {
    ef: Math.max(...searches.map(({ ef }) => ef)),
    generation,
    coverage: { ...worst, answered: Math.min(...searches.map(({ coverage }) => coverage.answered)) },
    ...(explain.length > 0 && { explain }),
  };
}

function hitOf({ id, score, source, explain, vector }: Ranked, plan: Plan, known: Known): FoundHit {
  const shown = plan.query.withVectors ? known.vector(id, vector) : undefined;
  if (!explain && !shown) return { id, score, source };
  return { id, score, source, ...(explain && { explain }), ...(shown && { vector: shown }) };
}

/** Parts of candidates' pins, read once however often the surface asks again. */
class Known {
  readonly #index: OpenIndex;
  readonly #attributes = new Map<string, Attributes>();
  readonly #vectors = new Map<string, Float32Array>();

  constructor(index: OpenIndex) {
    this.#index = index;
  }

  async readAttributes(ids: readonly string[]): Promise<void> {
    const unread = ids.filter((id) => !this.#attributes.has(id));
    if (unread.length === 0) return;
    const pins = await this.#index.engine.pins(unread, { attributes: true });
    for (const [i, id] of unread.entries()) this.#attributes.set(id, pins[i]?.attributes ?? NO_ATTRIBUTES);
  }

  async readVectors(hits: readonly Pick<Candidate, 'id' | 'vector'>[]): Promise<void> {
    const unread = hits.flatMap(({ id, vector }) => (vector || this.#vectors.has(id) ? [] : [id]));
    if (unread.length === 0) return;
    const pins = await this.#index.engine.pins(unread, { vector: true });
    for (const [i, id] of unread.entries()) {
      const vector = pins[i]?.vector;
      if (vector) this.#vectors.set(id, vector);
    }
  }

  attributes(id: string): Attributes {
    return this.#attributes.get(id) ?? NO_ATTRIBUTES;
  }

  /** The vector that was found, or read; undefined when neither, or the pin is gone. */
  vector(id: string, found: Float32Array | undefined): Float32Array | undefined {
    return found ?? this.#vectors.get(id);
  }
}
