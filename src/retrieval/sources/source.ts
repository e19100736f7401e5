/**
 * A source proposes candidates for a surface: pins near the seeds, near an interest, of a text, the newest ones. A
 * surface's config names its sources by kind, with parameters; `table.ts` knows the kinds. Adding one is a file here
 * and a line there.
 */
import type { EngineAnswer, EngineHit, EngineQuery } from '../../engines/engine.ts';
import type { IndexConfig } from '../../index/config.ts';
import type { Filter } from '../../index/filter.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { OpenIndex } from '../open-index.ts';
import { queryFor } from '../plan.ts';

/** A pin of the request as sources see it: read, with its vector as the index holds it. */
export interface WeightedPin {
  readonly id: string;
  /** Over 0. */
  readonly weight: number;
  /** f32[dim], unit under cosine. */
  readonly vector: Float32Array;
}

/** A pin of a history. */
export interface PastPin extends WeightedPin {
  /** When it was saved, epoch milliseconds; undefined when nobody knows. */
  readonly atMs: number | undefined;
}

/** Something that a person follows. */
export interface Topic {
  readonly name: string;
  /** Over 0. */
  readonly weight: number;
  /** f32[dim]. */
  readonly vector: Float32Array;
  /** What its pins must be beside near. */
  readonly filter: Filter | undefined;
}

/** What is searched for: words, or a vector that stands for them. */
export interface TextInput {
  readonly words?: string;
  /** f32[dim]. */
  readonly vector?: Float32Array;
}

/** What a request brings for its sources; a source whose part is absent proposes nothing. */
export interface SurfaceInput {
  readonly seeds?: readonly WeightedPin[];
  readonly negatives?: readonly WeightedPin[];
  /** No pin twice. */
  readonly history?: readonly PastPin[];
  readonly topics?: readonly Topic[];
  readonly text?: TextInput;
}

export interface SourceContext {
  readonly index: OpenIndex;
  readonly input: SurfaceInput;
  /** What all searches of the request have in common, its filter and its deadline among it. */
  readonly query: Omit<EngineQuery, 'vector' | 'k'>;
  /** Moment of the request, epoch milliseconds. */
  readonly nowMs: number;
  /** Of everything that is drawn. */
  readonly seed: number;
}

/** A pin that a source proposes. */
export interface Proposal extends EngineHit {
  /** Which of the source's ways led to it; as `part` of a list, for a candidate of its own. */
  readonly part?: string;
}

/** Candidates of one kind, the best first. A source gives one list, or several that share its quota. */
export interface CandidateList {
  /** Tells this list from the source's others; the hits' `source` is then `entry:part`. */
  readonly part?: string;
  /** Over 0: how the lists of a source share its quota. */
  readonly weight: number;
  /** Score descending, ties by id, no id twice; scores need not be comparable with those of other lists. */
  readonly candidates: readonly Proposal[];
  /** Asking for more would give no more. */
  readonly isEnd: boolean;
  /** These are all there are: nothing was left out for lack of time or of room. */
  readonly isAll: boolean;
  /** Unit vector whose cosine similarity the scores are; absent when they are something else. */
  readonly direction?: Float32Array | undefined;
  /** What the engine said of each search that it took. */
  readonly searches: readonly Pick<EngineAnswer, 'ef' | 'generation' | 'coverage' | 'explain'>[];
}

/** Gives the best candidates, about so many; asked again for more when those were not enough. */
export type OpenSource = (wanted: number) => Promise<readonly CandidateList[]>;

/** Readies a source for one request: what does not depend on how many are wanted is done here, once. */
export type Opening = (context: SourceContext) => OpenSource | Promise<OpenSource>;

/** Where the parameters of a source stand, and how they are refused. */
export interface ParamsPlace {
  readonly path: string;
  readonly config: IndexConfig;
  readonly code: ErrorCode;
}

/**
 * A kind of source: checks the parameters that stand in a config beside `source` and `quota`, fills in defaults, and tells
 * how to open it with them. Throws the place's code, or limit_exceeded, with the path of the bad value, an unknown field
 * among them.
 */
export type Source = (params: Readonly<Record<string, unknown>>, place: ParamsPlace) => Opening;

/** Order of candidates: larger score first, ties by id. */
export function byScore(a: Pick<EngineHit, 'id' | 'score'>, b: Pick<EngineHit, 'id' | 'score'>): number {
  return b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** A source that proposes nothing, because the request brings nothing for it. */
export const nothing: OpenSource = async () => [];

/** Most hits that one search of this request can give. */
export function widestSearch({ query }: SourceContext): number {
  return LIMITS.candidatesMax - (query.exclude?.length ?? 0);
}

/**
 * One search of the engine as a list. Vectors come with the hits where `withVectors` or the request wants them.
 * @param part as in CandidateList, for sources with several lists
 */
export async function searchNear(
  context: SourceContext,
  vector: Float32Array,
  wanted: number,
  { part, weight = 1, withVectors = false }: { part?: string; weight?: number; withVectors?: boolean } = {},
): Promise<CandidateList> {
  const { index, query } = context;
  const k = Math.min(wanted, widestSearch(context));
  const found = await index.engine.search(
    queryFor(query, vector, k, withVectors || query.withVectors === true),
  );
  const { hits, coverage } = found;
  return {
    weight,
    candidates: hits,
    isEnd: hits.length < k || k < wanted || coverage.degraded !== undefined,
    isAll: found.exhausted,
    searches: [found],
    ...(part !== undefined && { part }),
    ...(index.engine.config.metric === 'cosine' && { direction: vector }),
  };
}

/**
 * How many candidates a list of several asks for: twice its share, so that a list that gives less, or the same pins as
 * another, can be made up for by the others.
 * @param share of the list's weight in that of all, over 0 and at most 1
 */
export function shareOf(wanted: number, share: number): number {
  return Math.min(wanted, Math.ceil(2 * wanted * share));
}
