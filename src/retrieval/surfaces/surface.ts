/**
 * A surface as data: which sources propose candidates, how much room each has, and how hits are chosen among them.
 * Defaults are in `defaults.ts`; an index overrides them, an experiment those, and a request what it has fields for.
 */
import type { AttributeTypes, IndexConfig } from '../../index/config.ts';
import { type Filter, type FilterNode, parseFilter } from '../../index/filter.ts';
import { checkRecord, fieldPath, isRecord } from '../../index/shape.ts';
import { DAY_MS } from '../../index/time.ts';
import { type ErrorCode, errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { SurfaceRequest } from '../contract.ts';
import type { OpenIndex } from '../open-index.ts';
import type { Opening } from '../sources/source.ts';
import { SOURCES } from '../sources/table.ts';
import { DEFAULT_SURFACES } from './defaults.ts';

export const SURFACE_NAMES = ['related', 'search', 'homefeed', 'notifications'] as const;
export type SurfaceName = (typeof SURFACE_NAMES)[number];

/** A kind of source with its parameters, and its part of the hits in relation to the others' (1 when absent). */
export interface SourceEntry {
  readonly source: string;
  readonly quota?: number;
  /** 0 when absent. Sources of a higher number are asked only where those of lower ones leave room, and fill that. */
  readonly fallback?: number;
  readonly [param: string]: unknown;
}

/** Multiplies the scores of pins that match a filter, or that are fresh by an attribute of type `time`. */
export type Boost =
  | { readonly filter: Filter; readonly factor: number }
  /** The factor is 1 + weight at age 0, and what it has over 1 halves with every `halfLifeDays`. */
  | { readonly field: string; readonly halfLifeDays: number; readonly weight: number };

export interface SurfaceConfig {
  /** By name; hits tell the name as their `source`. */
  readonly sources: Readonly<Record<string, SourceEntry>>;
  /** Hits when the request does not say how many. */
  readonly k?: number;
  readonly ef?: number;
  /** Every candidate passes this and the filter of the request. */
  readonly filter?: Filter | null;
  /** Only candidates whose source gave them at least this score. */
  readonly minScore?: number | null;
  /** Only pins whose time, by a declared attribute (the first one where none is named), is not longer ago. */
  readonly maxAge?: { readonly days: number; readonly field?: string } | null;
  readonly boosts?: readonly Boost[];
  /** Maximal marginal relevance (Carbonell and Goldstein, 1998); lambda in [0, 1], 1 is pure relevance. */
  readonly diversity?: { readonly lambda?: number } | null;
  /** At most `size` hits that share a value of this attribute. */
  readonly groupBy?: { readonly field: string; readonly size: number } | null;
  /** No hit is as similar as this to a seed or to a hit before it; 1 is the same vector. */
  readonly nearDuplicates?: { readonly similarity: number } | null;
}

/** Changes to a surface: fields replace its own, null takes away; sources are changed one by one. */
export type SurfaceOverride = Omit<Partial<SurfaceConfig>, 'sources'> & {
  readonly sources?: Readonly<Record<string, Partial<SourceEntry> | null>>;
};

/** A surface that passed every check. */
export interface Surface {
  readonly sources: readonly CheckedSource[];
  readonly k: number | undefined;
  readonly ef: number | undefined;
  readonly filter: Filter | undefined;
  readonly minScore: number | undefined;
  /** Undefined also where no attribute is named and the index declares no time. */
  readonly maxAge: { readonly field: string; readonly ms: number } | undefined;
  readonly boosts: readonly CheckedBoost[];
  readonly lambda: number | undefined;
  readonly groupBy: { readonly field: string; readonly size: number } | undefined;
  /** Similarity from which two pins are near-duplicates; undefined when any may be hits together. */
  readonly nearDuplicates: number | undefined;
}

export interface CheckedSource {
  readonly name: string;
  readonly quota: number;
  readonly fallback: number;
  readonly open: Opening;
}

export type CheckedBoost =
  | { readonly matches: FilterNode; readonly factor: number }
  | { readonly field: string; readonly halfLifeMs: number; readonly weight: number };

/** What `diversity` without a lambda means; docs/decisions/0013-surfaces.md says why. */
export const DEFAULT_LAMBDA = 0.42;

const FIELDS: readonly (keyof SurfaceConfig)[] = [
  'sources',
  'k',
  'ef',
  'filter',
  'minScore',
  'maxAge',
  'boosts',
  'diversity',
  'groupBy',
  'nearDuplicates',
];
const SOURCE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** A surface with changes made to it. */
export function overrideSurface(surface: SurfaceConfig, changes: SurfaceOverride): SurfaceConfig {
  const sources: Record<string, SourceEntry> = { ...surface.sources };
  for (const [name, change] of Object.entries(changes.sources ?? {})) {
    if (change === null) delete sources[name];
    else sources[name] = { ...sources[name], ...change } as SourceEntry;
  }
  return { ...surface, ...changes, sources };
}

/**
 * Checks a surface from outside against the index that it is for.
 * Throws `code`, limit_exceeded or bad_filter with the path of the bad value, unknown fields among them.
 */
export function checkSurface(value: unknown, config: IndexConfig, path: string, code: ErrorCode): Surface {
  const surface = checkRecord(value, FIELDS, path, code);
  const at = (field: keyof SurfaceConfig) => fieldPath(path, field);
  const check = new ValueCheck(code);
  const { k, ef, filter, minScore, maxAge, boosts, diversity, groupBy, nearDuplicates } = surface;
  if (isGiven(filter)) parseFilter(filter, config.attributes, at('filter'));
  return {
    sources: checkSources(surface.sources, config, at('sources'), check),
    k: k === undefined ? undefined : check.whole(k, at('k'), 1, LIMITS.kMax),
    ef: ef === undefined ? undefined : check.whole(ef, at('ef'), 1, LIMITS.efMax),
    filter: isGiven(filter) ? (filter as Filter) : undefined,
    minScore: isGiven(minScore) ? check.number(minScore, at('minScore')) : undefined,
    maxAge: isGiven(maxAge) ? checkMaxAge(maxAge, config.attributes, at('maxAge'), check) : undefined,
    boosts: checkBoosts(boosts, config.attributes, at('boosts'), check),
    lambda: isGiven(diversity) ? checkLambda(diversity, at('diversity'), check) : undefined,
    groupBy: isGiven(groupBy) ? checkGroups(groupBy, config.attributes, at('groupBy'), check) : undefined,
    nearDuplicates: isGiven(nearDuplicates)
      ? checkSimilarity(nearDuplicates, at('nearDuplicates'), check)
      : undefined,
  };
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** Values of a config, refused with one code. */
class ValueCheck {
  readonly code: ErrorCode;

  constructor(code: ErrorCode) {
    this.code = code;
  }

  record(value: unknown, fields: readonly string[], path: string): Readonly<Record<string, unknown>> {
    return checkRecord(value, fields, path, this.code);
  }

  number(
    value: unknown,
    path: string,
    min = Number.NEGATIVE_INFINITY,
    max = Number.POSITIVE_INFINITY,
  ): number {
    if (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max) return value;
    const range = min > Number.NEGATIVE_INFINITY ? `number from ${min} to ${max}` : 'finite number';
    throw errorAt(this.code, path, `must be a ${range}`);
  }

  whole(value: unknown, path: string, min: number, max: number): number {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min)
      throw errorAt(this.code, path, `must be a whole number of at least ${min}`);
    if (value > max) throw errorAt('limit_exceeded', path, `${value} is over the limit of ${max}`);
    return value;
  }

  /** A number over 0 and at most `max`. */
  positive(value: unknown, path: string, max: number): number {
    if (typeof value === 'number' && value > 0 && value <= max) return value;
    throw errorAt(this.code, path, `must be a number over 0 and at most ${max}`);
  }
}

function checkSources(value: unknown, config: IndexConfig, path: string, check: ValueCheck): CheckedSource[] {
  if (!isRecord(value)) throw errorAt(check.code, path, 'must be an object of names and sources');
  const names = Object.keys(value);
  if (names.length === 0) throw errorAt(check.code, path, 'must hold at least one source');
  if (names.length > LIMITS.surfaceSourcesMax)
    throw errorAt(
      'limit_exceeded',
      path,
      `${names.length} sources are over the limit of ${LIMITS.surfaceSourcesMax}`,
    );
  return names.map((name) => {
    const at = fieldPath(path, name);
    if (!SOURCE_NAME.test(name))
      throw errorAt(check.code, at, 'is named with more than letters, digits, - and _');
    const entry = value[name];
    if (!isRecord(entry)) throw errorAt(check.code, at, 'must be an object');
    const { source: kind, quota = 1, fallback = 0, ...params } = entry;
    if (typeof kind !== 'string' || !Object.hasOwn(SOURCES, kind))
      throw errorAt(check.code, `${at}.source`, `must be one of ${Object.keys(SOURCES).join(', ')}`);
    return {
      name,
      quota: check.positive(quota, `${at}.quota`, LIMITS.surfaceQuotaMax),
      fallback: check.whole(fallback, `${at}.fallback`, 0, LIMITS.surfaceFallbackMax),
      open: SOURCES[kind]!(params, { path: at, config, code: check.code }),
    };
  });
}

function checkBoosts(value: unknown, types: AttributeTypes, path: string, check: ValueCheck): CheckedBoost[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw errorAt(check.code, path, 'must be a list');
  if (value.length > LIMITS.surfaceBoostsMax)
    throw errorAt(
      'limit_exceeded',
      path,
      `${value.length} boosts are over the limit of ${LIMITS.surfaceBoostsMax}`,
    );
  return value.map((entry, i): CheckedBoost => {
    const at = `${path}[${i}]`;
    const max = LIMITS.surfaceFactorMax;
    if (isRecord(entry) && entry.field !== undefined) {
      const { field, halfLifeDays, weight } = check.record(entry, ['field', 'halfLifeDays', 'weight'], at);
      if (typeof field !== 'string' || !Object.hasOwn(types, field) || types[field] !== 'time')
        throw errorAt(check.code, `${at}.field`, 'must be an attribute of type time');
      return {
        field,
        halfLifeMs:
          DAY_MS * check.positive(halfLifeDays, `${at}.halfLifeDays`, LIMITS.surfaceHalfLifeDaysMax),
        weight: check.positive(weight, `${at}.weight`, max),
      };
    }
    const { filter, factor } = check.record(entry, ['filter', 'factor'], at);
    return {
      matches: parseFilter(filter, types, `${at}.filter`),
      factor: check.number(factor, `${at}.factor`, 1 / max, max),
    };
  });
}

function checkMaxAge(value: unknown, types: AttributeTypes, path: string, check: ValueCheck) {
  const { days, field } = check.record(value, ['days', 'field'], path);
  const ms = DAY_MS * check.positive(days, `${path}.days`, LIMITS.surfaceHalfLifeDaysMax);
  const named = field ?? Object.keys(types).find((name) => types[name] === 'time');
  if (named === undefined) return undefined;
  if (typeof named !== 'string' || !Object.hasOwn(types, named) || types[named] !== 'time')
    throw errorAt(check.code, `${path}.field`, 'must be an attribute of type time');
  return { field: named, ms };
}

function checkLambda(value: unknown, path: string, check: ValueCheck): number {
  const { lambda = DEFAULT_LAMBDA } = check.record(value, ['lambda'], path);
  return check.number(lambda, `${path}.lambda`, 0, 1);
}

function checkGroups(value: unknown, types: AttributeTypes, path: string, check: ValueCheck) {
  const { field, size } = check.record(value, ['field', 'size'], path);
  if (typeof field !== 'string' || !Object.hasOwn(types, field))
    throw errorAt(check.code, `${path}.field`, 'must be an attribute that the index declares');
  return { field, size: check.whole(size, `${path}.size`, 1, LIMITS.kMax) };
}

function checkSimilarity(value: unknown, path: string, check: ValueCheck): number {
  const { similarity } = check.record(value, ['similarity'], path);
  return check.number(similarity, `${path}.similarity`, 0, 1);
}

/** Surfaces that were checked already, by the config of the index and each of the layers that they were made of. */
const checked = new WeakMap<object, Layered>();
interface Layered {
  surface?: Surface;
  readonly over: WeakMap<object, Layered>;
}

/**
 * The surface that a request meets: the default, what the index says over it, what experiments say over that, and what the
 * request says over all. What is made of the same objects is checked once.
 * @param parameters of experiments, in order
 * @throws NearpinError bad_request, limit_exceeded or bad_filter with the path in the request of what it may not change
 */
export function surfaceInForce(
  name: SurfaceName,
  { engine: { config }, mixer }: OpenIndex,
  request: SurfaceRequest,
  parameters: readonly SurfaceOverride[] = [],
): Surface {
  const ofIndex = mixer?.surfaces[name];
  const layers = ofIndex === undefined ? parameters : [ofIndex, ...parameters];
  const changes = changesOf(request);
  const build = () => layers.reduce<SurfaceConfig>(overrideSurface, DEFAULT_SURFACES[name]);
  if (changes !== undefined)
    return checkSurface(overrideSurface(build(), changes), config, '', 'bad_request');
  let at = child(checked, config);
  for (const layer of [DEFAULT_SURFACES[name], ...layers]) at = child(at.over, layer);
  at.surface ??= checkSurface(build(), config, '', 'bad_config');
  return at.surface;
}

/** The fields with which a request changes its surface; undefined when it has none. */
function changesOf({ sources, boosts, diversity, groupBy, nearDuplicates, maxAge }: SurfaceRequest) {
  const changes = { sources, boosts, diversity, groupBy, nearDuplicates, maxAge };
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  return given.length > 0 ? (Object.fromEntries(given) as SurfaceOverride) : undefined;
}

function child(parent: WeakMap<object, Layered>, key: object): Layered {
  let found = parent.get(key);
  if (found === undefined) {
    found = { over: new WeakMap() };
    parent.set(key, found);
  }
  return found;
}
