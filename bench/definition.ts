/**
 * What is measured: a definition names a kind of run, the sets and engines, and how often. Those of
 * `bench/definitions` go by name; a file of the same form serves as well.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Metric } from '../src/core/metric.ts';
import { DEFAULT_EF } from '../src/engines/shard-engine.ts';
import { checkRecord, fieldPath, isRecord } from '../src/index/shape.ts';
import { errorAt } from '../src/lib/errors.ts';
import { LIMITS } from '../src/lib/limits.ts';
import { ATTRIBUTE_NAMES } from './data/attributes.ts';
import type { SetSpec } from './data/sets.ts';
import { BENCH_ENGINES } from './engines/registry.ts';

export const KINDS = ['search', 'load', 'kernels', 'service', 'overload'] as const;

/** Nearest pins to a vector, or Related Pins with diversity. */
export const ASKS = ['query', 'related'] as const;
export type Asks = (typeof ASKS)[number];

export interface Definition {
  readonly title: string;
  readonly kind: (typeof KINDS)[number];
  readonly sets: readonly SetSpec[];
  readonly engines: readonly string[];
  readonly k: number;
  readonly ef: readonly number[];
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  readonly passes: number;
  readonly threads: readonly number[];
  /** Whether indexes are built that an earlier run has kept, too: how long that takes is what the definition is about. */
  readonly rebuild: boolean;
  /** Attributes to filter by, and the shares of the vectors that pass. */
  readonly filters: readonly string[];
  readonly selectivities: readonly number[];
  /** Of kernels. */
  readonly dims: readonly number[];
  /** Of the service. */
  readonly connections: readonly number[];
  /** The same, of load by autocannon. */
  readonly cannons: readonly number[];
  readonly requests: number;
  /** Of overload: what is asked for, at which multiples of the capacity, and for how long. */
  readonly asks: Asks;
  readonly loads: readonly number[];
  readonly seconds: number;
}

/** What a definition is where it says nothing. */
export const DEFINITION_DEFAULTS: Definition = {
  title: '',
  kind: 'search',
  sets: [],
  engines: ['wasm', 'hnswlib'],
  k: 10,
  ef: [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512],
  m: 16,
  efConstruction: 200,
  seed: 1,
  passes: 5,
  threads: [1],
  rebuild: false,
  filters: [],
  selectivities: [1, 0.5, 0.1, 0.01, 0.001],
  dims: [64, 128, 256, 784],
  connections: [1, 32],
  cannons: [],
  requests: 5000,
  asks: 'query',
  loads: [0.5, 1, 1.5, 2, 3],
  seconds: 5,
};

/** Compiled, this file lies in the output's bench; the definitions are beside the sources. */
const FOLDER = fileURLToPath(new URL('../../bench/definitions/', import.meta.url));

export function definitionNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** Reads a definition by name or from a file. Throws bad_config with the path of the bad value. */
export function readDefinition(nameOrFile: string): Definition {
  const isName = definitionNames().includes(nameOrFile);
  const path = isName ? `${FOLDER}${nameOrFile}.json` : nameOrFile;
  if (!existsSync(path)) {
    const names = definitionNames().join(', ');
    throw errorAt('bad_config', 'definition', `${nameOrFile} is neither a file nor one of ${names}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw errorAt('bad_config', 'definition', `${path} is not JSON: ${(error as Error).message}`);
  }
  return parseDefinition(value, 'definition');
}

const FIELDS = Object.keys(DEFINITION_DEFAULTS) as (keyof Definition)[];
const SET_FIELDS: readonly (keyof SetSpec)[] = [
  'name',
  'count',
  'dim',
  'queryCount',
  'seed',
  'metric',
  'base',
  'queries',
  'truth',
];
const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2'];

const VECTORS_MAX = 100_000_000;
const QUERIES_MAX = 100_000;
const PASSES_MAX = 1000;
const REQUESTS_MAX = 1_000_000;
const U32_MAX = 2 ** 32 - 1;

type Check<T> = (value: unknown, path: string) => T;

const refuse = (path: string, message: string) => errorAt('bad_config', path, message);

const whole =
  (min: number, max: number): Check<number> =>
  (value, path) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw refuse(path, `must be a whole number from ${min} to ${max}`);
  };

const oneOf =
  <T extends string>(names: readonly T[]): Check<T> =>
  (value, path) => {
    const found = names.find((name) => name === value);
    if (found === undefined) throw refuse(path, `must be one of ${names.join(', ')}`);
    return found;
  };

const listOf =
  <T>(check: Check<T>, min = 1): Check<readonly T[]> =>
  (value, path) => {
    if (!Array.isArray(value) || value.length < min) throw refuse(path, `must be a list of at least ${min}`);
    return value.map((each, i) => check(each, `${path}[${i}]`));
  };

const text: Check<string> = (value, path) => {
  if (typeof value === 'string' && value !== '') return value;
  throw refuse(path, 'must be a text');
};

const flag: Check<boolean> = (value, path) => {
  if (typeof value === 'boolean') return value;
  throw refuse(path, 'must be true or false');
};

const share: Check<number> = (value, path) => {
  if (typeof value === 'number' && value > 0 && value <= 1) return value;
  throw refuse(path, 'must be a number above 0 and up to 1');
};

const multiple: Check<number> = (value, path) => {
  if (typeof value === 'number' && value > 0 && value <= 100) return value;
  throw refuse(path, 'must be a number above 0 and up to 100');
};

/** A width of searches, or `default`, the engine's own. */
const ef: Check<number> = (value, path) =>
  value === 'default' ? DEFAULT_EF : whole(1, LIMITS.efMax)(value, path);

const set: Check<SetSpec> = (value, path) => {
  const fields = checkRecord(value, SET_FIELDS, path, 'bad_config');
  const optional = <T>(field: keyof SetSpec, check: Check<T>) =>
    fields[field] === undefined ? undefined : check(fields[field], fieldPath(path, field));
  const spec: SetSpec = {
    name: optional('name', text),
    count: optional('count', whole(1, VECTORS_MAX)),
    dim: optional('dim', whole(LIMITS.dimMin, LIMITS.dimMax)),
    queryCount: optional('queryCount', whole(1, QUERIES_MAX)),
    seed: optional('seed', whole(0, U32_MAX)),
    metric: optional('metric', oneOf(METRICS)),
    base: optional('base', text),
    queries: optional('queries', text),
    truth: optional('truth', text),
  };
  if (spec.name === undefined && spec.base === undefined) throw refuse(path, 'must have a name or a base');
  if (spec.base === undefined && (spec.queries ?? spec.truth) !== undefined) {
    throw refuse(path, 'has queries or a truth of a base that is not named');
  }
  return spec;
};

const CHECKS: { readonly [F in keyof Definition]: Check<Definition[F]> } = {
  title: text,
  kind: oneOf(KINDS),
  sets: listOf(set),
  engines: listOf(oneOf(BENCH_ENGINES)),
  k: whole(1, LIMITS.kMax),
  ef: listOf(ef),
  m: whole(LIMITS.mMin, LIMITS.mMax),
  efConstruction: whole(1, LIMITS.efConstructionMax),
  seed: whole(0, U32_MAX),
  passes: whole(1, PASSES_MAX),
  threads: listOf(whole(1, LIMITS.readersMax - 2)),
  rebuild: flag,
  filters: listOf(oneOf(ATTRIBUTE_NAMES), 0),
  selectivities: listOf(share),
  dims: listOf(whole(LIMITS.dimMin, LIMITS.dimMax)),
  connections: listOf(whole(1, 1000)),
  cannons: listOf(whole(1, 1000), 0),
  requests: whole(1, REQUESTS_MAX),
  asks: oneOf(ASKS),
  loads: listOf(multiple),
  seconds: whole(1, 600),
};

/** Checks a definition and fills in what it leaves out. Throws bad_config with the path of the bad value. */
export function parseDefinition(value: unknown, path: string): Definition {
  const fields = checkRecord(value, FIELDS, path, 'bad_config');
  if (!isRecord(value) || fields.kind === undefined) throw refuse(fieldPath(path, 'kind'), 'is missing');
  const given = FIELDS.filter((field) => fields[field] !== undefined).map((field) => [
    field,
    CHECKS[field](fields[field], fieldPath(path, field)),
  ]);
  const definition: Definition = { ...DEFINITION_DEFAULTS, ...Object.fromEntries(given) };
  if (definition.kind !== 'kernels' && definition.sets.length === 0) {
    throw refuse(fieldPath(path, 'sets'), 'are missing');
  }
  return definition;
}

/** What the command line says over a definition; what is undefined stays as the definition has it. */
export type Overrides = {
  readonly [F in Exclude<keyof Definition, 'title' | 'kind'>]?: Definition[F] | undefined;
} & {
  /** At most so many vectors of each set. */
  readonly count?: number | undefined;
  readonly queryCount?: number | undefined;
};

/** Sets that are the same once they are cut to a count are measured once. */
export function override(definition: Definition, { count, queryCount, ...fields }: Overrides): Definition {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const merged: Definition = { ...definition, ...given };
  const sets = merged.sets.map((spec) => ({
    ...spec,
    ...(count !== undefined && { count: Math.min(count, spec.count ?? count) }),
    ...(queryCount !== undefined && { queryCount }),
  }));
  const seen = new Set<string>();
  return {
    ...merged,
    sets: sets.filter((spec) => {
      const key = JSON.stringify(spec);
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    }),
  };
}
