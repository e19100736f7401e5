/**
 * Pins for a text, or for a vector that stands for one:
 *
 *   dense    near the text's vector by the index's own model
 *   lexical  with its words, by BM25
 *   hybrid   both, fused; where one of them can say nothing, because the model knows none of the words or there is no model,
 *            or no pin has any of them, the other alone
 *
 * A vector is dense in every mode. Candidates tell which of the two proposed them.
 */
import type { EngineAnswer } from '../../engines/engine.ts';
import { checkVector } from '../../index/pin.ts';
import { checkRecord, fieldPath } from '../../index/shape.ts';
import { type ErrorCode, errorAt, NearpinError } from '../../lib/errors.ts';
import { STAGE } from '../../lib/watch.ts';
import { embedText } from '../embed-text.ts';
import { DEFAULT_FUSION, FUSION_METHODS, type Fusion, fuse } from '../fuse.ts';
import { similarity } from '../similarity.ts';
import { asOne } from './best-of.ts';
import {
  type CandidateList,
  nothing,
  type OpenSource,
  type Source,
  type SourceContext,
  searchNear,
  type TextInput,
  widestSearch,
} from './source.ts';

export const TEXT_MODES = ['dense', 'lexical', 'hybrid'] as const;
export type TextMode = (typeof TEXT_MODES)[number];

/** Least hits of each list that hybrid fuses: so deep a pin of both lists can lie in one of them. */
const FUSED_MIN = 100;
const WEIGHT_MAX = 1000;
const RANK_CONSTANT_MAX = 10_000;

export const text: Source = (params, place) => {
  const { mode = 'dense', fusion } = checkRecord(params, ['mode', 'fusion'], place.path, place.code);
  if (!isMode(mode))
    throw errorAt(place.code, fieldPath(place.path, 'mode'), `must be one of ${TEXT_MODES.join(', ')}`);
  const fused =
    fusion === undefined ? DEFAULT_FUSION : checkFusion(fusion, fieldPath(place.path, 'fusion'), place.code);
  return async (context) => {
    const { text } = context.input;
    if (text === undefined) return nothing;
    const { words } = text;
    return words === undefined ? openDense(context, text) : OPENINGS[mode](context, words, fused);
  };
};

const isMode = (value: unknown): value is TextMode => (TEXT_MODES as readonly unknown[]).includes(value);

type OpeningOfText = (context: SourceContext, words: string, fusion: Fusion) => Promise<OpenSource>;

const OPENINGS: Readonly<Record<TextMode, OpeningOfText>> = {
  dense: (context, words) => openDense(context, { words }),

  lexical: async (context, words) => async (wanted) => [
    withPart(await searchWords(context, words, wanted), 'lexical'),
  ],

  hybrid: async (context, words, fusion) => {
    const found = await vectorOf(context, { words }).catch((error) => {
      if (error instanceof NearpinError && SPEECHLESS.includes(error.code)) return error;
      throw error;
    });
    const vector = found instanceof NearpinError ? undefined : found;
    // What the request wants at least is a fused score
    const { minScore = Number.NEGATIVE_INFINITY } = context.query;
    const unbounded = { ...context, query: { ...context.query, minScore: undefined } };
    return async (wanted) => {
      const depth = Math.max(wanted, FUSED_MIN);
      const [dense, lexical] = await Promise.all([
        vector && searchNear(unbounded, vector, depth),
        searchWords(unbounded, words, depth),
      ]);
      // An index without words answers as it does to dense
      if (found instanceof NearpinError && lexical.candidates.length === 0 && !hasWords(context)) throw found;
      const list = await fuseLists(unbounded, vector, dense, lexical, fusion);
      return [{ ...list, candidates: list.candidates.filter(({ score }) => score >= minScore) }];
    };
  },
};

/** Why there may be no vector of a text, where words do as well. */
const SPEECHLESS: readonly string[] = ['no_model', 'zero_vector'];

const hasWords = ({ index }: SourceContext): boolean => index.engine.lexical!.describe().pins > 0;

async function openDense(context: SourceContext, text: TextInput): Promise<OpenSource> {
  const vector = await vectorOf(context, text);
  return async (wanted) => [withPart(await searchNear(context, vector, wanted), 'dense')];
}

async function vectorOf({ index }: SourceContext, { words, vector }: TextInput): Promise<Float32Array> {
  if (vector !== undefined) return vector;
  const { dim, metric } = index.engine.config;
  return checkVector(await embedText(index, words, 'text'), dim, metric, 'text');
}

async function searchWords(context: SourceContext, text: string, wanted: number): Promise<CandidateList> {
  const { engine, watch } = context.index;
  if (engine.lexical === undefined)
    throw new NearpinError('not_supported', 'the engine does not search by words');
  const { filter, minScore, exclude, deadlineAtMs } = context.query;
  const k = Math.min(wanted, widestSearch(context));
  const sinceMs = watch ? watch.now() : 0;
  const found = await engine.lexical.search({ text, k, filter, minScore, exclude, deadlineAtMs });
  watch?.took(STAGE.words, sinceMs);
  return {
    weight: 1,
    candidates: found.hits,
    isEnd: isEndOf(found, k, wanted),
    isAll: found.exhausted,
    searches: [found],
  };
}

function isEndOf({ hits, coverage }: EngineAnswer, k: number, wanted: number): boolean {
  return hits.length < k || k < wanted || coverage.degraded !== undefined;
}

function withPart(list: CandidateList, part: string): CandidateList {
  return { ...list, part };
}

/** The lists as one. @param dense undefined where the text has no vector */
async function fuseLists(
  context: SourceContext,
  vector: Float32Array | undefined,
  dense: CandidateList | undefined,
  lexical: CandidateList,
  fusion: Fusion,
): Promise<CandidateList> {
  const inDense = new Set(dense?.candidates.map(({ id }) => id));
  const others = lexical.candidates.flatMap(({ id }) => (inDense.has(id) ? [] : [id]));
  const denseScores = await scoresOf(context, vector, others);
  const lists = {
    dense: dense?.candidates ?? [],
    lexical: lexical.candidates,
    denseScores,
    isLexicalWhole: lexical.isAll,
  };
  const both = dense === undefined ? [lexical] : [dense, lexical];
  return asOne(both, fuse(lists, dense === undefined ? withoutDense(fusion) : fusion));
}

function withoutDense({ weights, ...fusion }: Fusion): Fusion {
  return { ...fusion, weights: { ...weights, dense: 0 } };
}

/** What a vector scores some pins; all the same without one, and none for a pin that is gone. */
async function scoresOf(
  { index: { engine } }: SourceContext,
  vector: Float32Array | undefined,
  ids: readonly string[],
): Promise<Map<string, number>> {
  if (vector === undefined || ids.length === 0) return new Map(ids.map((id) => [id, 0]));
  const { metric } = engine.config;
  const pins = await engine.pins(ids, { vector: true });
  // Pins are kept as unit vectors under cosine
  const scale = metric === 'cosine' ? 1 / Math.hypot(...vector) : 1;
  return new Map(
    pins.flatMap((pin) =>
      pin?.vector ? [[pin.id, scale * similarity(metric, vector, pin.vector)] as const] : [],
    ),
  );
}

/** Checks how lists are fused and fills in defaults; `code` with the path of the bad value. */
export function checkFusion(value: unknown, path: string, code: ErrorCode): Fusion {
  const {
    method = DEFAULT_FUSION.method,
    weights = {},
    rankConstant = DEFAULT_FUSION.rankConstant,
  } = checkRecord(value, ['method', 'weights', 'rankConstant'], path, code);
  const found = FUSION_METHODS.find((name) => name === method);
  if (found === undefined)
    throw errorAt(code, `${path}.method`, `must be one of ${FUSION_METHODS.join(', ')}`);
  const given = checkRecord(weights, ['dense', 'lexical'], `${path}.weights`, code);
  const weight = (name: 'dense' | 'lexical') =>
    numberFrom(given[name] ?? DEFAULT_FUSION.weights[name], WEIGHT_MAX, `${path}.weights.${name}`, code);
  const [dense, lexical] = [weight('dense'), weight('lexical')];
  if (dense + lexical === 0) throw errorAt(code, `${path}.weights`, 'must not both be 0');
  return {
    method: found,
    weights: { dense, lexical },
    rankConstant: numberFrom(rankConstant, RANK_CONSTANT_MAX, `${path}.rankConstant`, code),
  };
}

function numberFrom(value: unknown, max: number, path: string, code: ErrorCode): number {
  if (typeof value === 'number' && value >= 0 && value <= max) return value;
  throw errorAt(code, path, `must be a number from 0 to ${max}`);
}
