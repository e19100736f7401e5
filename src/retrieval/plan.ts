/**
 * What every request has in common, checked and with its defaults filled in. The server has checked shapes
 * already; the ranges are checked here, because the embedded library comes straight to retrieval.
 */
import type { EngineQuery, PinParts } from '../engines/engine.ts';
import type { IndexConfig } from '../index/config.ts';
import { type Filter, parseFilter } from '../index/filter.ts';
import { checkPinId } from '../index/pin.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { STAGE } from '../lib/watch.ts';
import type { CommonRequest, Include } from './contract.ts';
import type { Caller, Clock, OpenIndex } from './open-index.ts';
import type { Surface } from './surfaces/surface.ts';

export const DEFAULT_K = 10;
const INCLUDES: readonly string[] = ['payload', 'attributes', 'vector'] satisfies Include[];

const NOTHING_INCLUDED: readonly Include[] = [];
const NOTHING_EXCLUDED: readonly string[] = [];

/** An engine query that lacks only its vector, and what to do with the hits. */
export interface Plan {
  readonly startedAtMs: number;
  /** Of the index as it is when the request comes in. */
  readonly config: IndexConfig;
  readonly query: Omit<EngineQuery, 'vector'>;
  readonly include: readonly Include[];
  /** Stored parts of the hits' pins that are to be read; absent where none is. */
  readonly parts: PinParts | undefined;
}

/** What a surface says of all its requests. */
export type Defaults = Pick<Surface, 'k' | 'ef' | 'minScore' | 'maxAge' | 'filter'>;
const NO_DEFAULTS: Defaults = {
  k: undefined,
  ef: undefined,
  minScore: undefined,
  maxAge: undefined,
  filter: undefined,
};
/** Ages are told to the minute, so that a filter by age can be met again, for which the engine keeps what it found. */
const AGE_STEP_MS = 60_000;

/** A whole number in [min, max], or `fallback` when absent; bad_request or, over max, limit_exceeded. */
export function checkWhole(value: unknown, path: string, min: number, max: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min)
    throw errorAt('bad_request', path, `must be a whole number of at least ${min}`);
  if (value > max) throw errorAt('limit_exceeded', path, `${value} is over the limit of ${max}`);
  return value;
}

/** The weight of a seed, a pin of a history or a topic: over 0, 1 when absent; bad_request. */
export function checkWeight(weight: unknown = 1, path: string): number {
  if (typeof weight === 'number' && weight > 0 && weight <= LIMITS.weightMax) return weight;
  throw errorAt('bad_request', path, `must be a number over 0 and at most ${LIMITS.weightMax}`);
}

/** A list of at most `max` entries; bad_request or limit_exceeded. */
export function checkList(value: unknown, path: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw errorAt('bad_request', path, 'must be a list');
  if (value.length > max)
    throw errorAt('limit_exceeded', path, `${value.length} entries are over the limit of ${max}`);
  return value;
}

/**
 * Checks the common part of a request. Its deadline counts from when the caller's request arrived, or from now.
 * @param surface what holds where the request says nothing; its filter holds beside the request's
 * @throws NearpinError bad_request, limit_exceeded or bad_pin_id with the path of the bad value; deadline_exceeded when
 * nobody waits for the answer any more
 */
export function planRequest(
  index: OpenIndex,
  request: CommonRequest,
  clock: Clock,
  surface: Defaults = NO_DEFAULTS,
): Plan {
  const startedAtMs = clock();
  const { config } = index.engine;
  const { exact, explain, deadlineMs } = request;
  const minScore = request.minScore ?? surface.minScore;
  const filter = allFilters(surface, request.filter, config, startedAtMs);
  const k = checkWhole(request.k, 'k', 1, LIMITS.kMax, surface.k ?? DEFAULT_K);
  const ef = request.ef === undefined ? surface.ef : checkWhole(request.ef, 'ef', 1, LIMITS.efMax, 0);
  if (minScore !== undefined && !Number.isFinite(minScore))
    throw errorAt('bad_request', 'minScore', 'must be a finite number');
  if (deadlineMs !== undefined && !(Number.isFinite(deadlineMs) && deadlineMs > 0))
    throw errorAt('bad_request', 'deadlineMs', 'must be a number of milliseconds over 0');
  if (exact !== undefined && typeof exact !== 'boolean')
    throw errorAt('bad_request', 'exact', 'must be true or false');
  if (explain !== undefined && typeof explain !== 'boolean')
    throw errorAt('bad_request', 'explain', 'must be true or false');
  const include = request.include === undefined ? NOTHING_INCLUDED : checkInclude(request.include);
  const exclude = request.exclude === undefined ? NOTHING_EXCLUDED : checkExclude(request.exclude);
  const { caller } = index;
  const deadlineAtMs = deadlineOf(deadlineMs, caller, startedAtMs);
  const withVectors = include.includes('vector');
  const payload = include.includes('payload');
  const attributes = include.includes('attributes');
  const { watch } = index;
  watch?.took(STAGE.plan, startedAtMs);
  return {
    startedAtMs,
    config,
    include,
    parts: payload || attributes ? { payload, attributes } : undefined,
    query: { k, ef, filter, exact, explain, minScore, exclude, deadlineAtMs, withVectors, caller, watch },
  };
}

/**
 * A request's query for one vector. Written out, because V8 gives each object that
 * is spread and then added to a shape of its own, and whatever reads one misses its caches: 3 us a request.
 */
export function queryFor(
  query: Omit<EngineQuery, 'vector' | 'k'>,
  vector: Float32Array,
  k: number,
  withVectors = query.withVectors,
): EngineQuery {
  const { ef, filter, exact, explain, minScore, exclude, deadlineAtMs, caller, watch } = query;
  return {
    vector,
    k,
    ef,
    filter,
    exact,
    explain,
    minScore,
    exclude,
    deadlineAtMs,
    withVectors,
    caller,
    watch,
  };
}

/** The earlier of the request's own deadline and its caller's; undefined where there is none. */
function deadlineOf(
  deadlineMs: number | undefined,
  caller: Caller | undefined,
  nowMs: number,
): number | undefined {
  if (caller === undefined) return deadlineMs === undefined ? undefined : nowMs + deadlineMs;
  const own = deadlineMs === undefined ? Number.POSITIVE_INFINITY : caller.arrivedAtMs + deadlineMs;
  const deadlineAtMs = Math.min(own, caller.deadlineAtMs);
  if (nowMs >= deadlineAtMs)
    throw new NearpinError('deadline_exceeded', 'The deadline passed before the search began');
  if (caller.isGone()) throw new NearpinError('deadline_exceeded', 'The caller has gone');
  return deadlineAtMs === Number.POSITIVE_INFINITY ? undefined : deadlineAtMs;
}

function allFilters(
  { filter, maxAge }: Defaults,
  ofRequest: Filter | undefined,
  { attributes }: IndexConfig,
  nowMs: number,
): Filter | undefined {
  if (filter === undefined && maxAge === undefined) return ofRequest;
  // So that a fault is told by its path in the request
  if (ofRequest !== undefined) parseFilter(ofRequest, attributes);
  const since = maxAge && Math.floor((nowMs - maxAge.ms) / AGE_STEP_MS) * AGE_STEP_MS;
  const ofAge = maxAge && { [maxAge.field]: { $gte: since } };
  const all = [filter, ofAge, ofRequest].filter((each) => each !== undefined);
  return all.length > 1 ? { $and: all } : all[0];
}

function checkInclude(value: unknown): Include[] {
  return checkList(value, 'include', INCLUDES.length).map((part, i) => {
    if (!INCLUDES.includes(part as string))
      throw errorAt('bad_request', `include[${i}]`, `must be one of ${INCLUDES.join(', ')}`);
    return part as Include;
  });
}

function checkExclude(value: unknown): string[] {
  return checkList(value, 'exclude', LIMITS.excludeMax).map((id, i) => checkPinId(id, `exclude[${i}]`));
}

/** Refuses a vector or a text that is meant for another model: model_mismatch. */
export function checkModel(index: OpenIndex, model: string | undefined): void {
  if (model === undefined || model === index.model) return;
  const has =
    index.model === null
      ? `does not name its model, so it cannot be ${model}`
      : `is made by ${index.model}, not by ${model}`;
  throw errorAt('model_mismatch', 'model', `index ${index.name} ${has}`);
}
