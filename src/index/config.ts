/** What an index is: its config as a user writes it, and the same with every default filled in. */
import type { Metric } from '../core/metric.ts';
import { errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { checkRecord, fieldPath, isRecord, isWellFormed } from './shape.ts';

export type { Metric };

/** Type of an attribute, as declared in the index config. */
export type AttributeType = 'keyword' | 'keyword[]' | 'number' | 'bool' | 'time';

export type AttributeTypes = Readonly<Record<string, AttributeType>>;

/**
 * The precisions: `i10` is what the code leaves of a vector, in 10 bits a component; `i4` are 4 further bits of each of its
 * components, for vectors of which one line of code has nearly all.
 */
export const PRECISIONS = ['f32', 'i8', 'i8+f32', 'i8+i10', 'i8+i4'] as const;

/**
 * How vectors are held: the code that the graph is traversed by, and, after the plus, the finer level that the
 * candidates are rescored with. Without a plus the code itself is the finest level.
 */
export type Precision = (typeof PRECISIONS)[number];

/** What a user declares; only `dim` and `metric` are needed. */
export interface IndexConfigInput {
  readonly dim: number;
  readonly metric: Metric;
  readonly shards?: number;
  readonly attributes?: AttributeTypes;
  /** `name@revision` of the model whose vectors the index holds. */
  readonly model?: string;
  readonly m?: number;
  readonly efConstruction?: number;
  readonly precision?: Precision;
  readonly seed?: number;
}

/** The config with its defaults, as the manifest states it. */
export interface IndexConfig {
  readonly dim: number;
  readonly metric: Metric;
  readonly shards: number;
  readonly attributes: AttributeTypes;
  readonly model: string | null;
  readonly m: number;
  readonly efConstruction: number;
  readonly precision: Precision;
  readonly seed: number;
}

/** What a field of the config is when the user leaves it out; `defaultPrecision` says the rest. */
export const DEFAULTS = {
  metric: 'cosine',
  shards: 1,
  m: 16,
  efConstruction: 200,
  seed: 1,
} as const satisfies Partial<IndexConfig>;

/**
 * Dimensions from which `i8+i4` is the default, up to the most that it is for: such vectors take three quarters of the memory at the same
 * recall (decision 25). Vectors of fewer lie so dense that 12 bits a component may not tell them apart.
 */
const I4_DIM_MIN = 32;

export function defaultPrecision(dim: number): Precision {
  return dim >= I4_DIM_MIN && dim <= LIMITS.i4DimMax ? 'i8+i4' : 'i8+i10';
}

const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2'];
const ATTRIBUTE_TYPES: readonly AttributeType[] = ['keyword', 'keyword[]', 'number', 'bool', 'time'];
const FIELDS: readonly (keyof IndexConfig)[] = [
  'dim',
  'metric',
  'shards',
  'attributes',
  'model',
  'm',
  'efConstruction',
  'precision',
  'seed',
];
const MODEL_NAME = /^[^\p{Cc}]+@[^@\p{Cc}]+$/u;
const CONTROL_CHARACTER = /\p{Cc}/u;

/**
 * Checks a config from outside and fills in the defaults. A resolved config resolves to itself.
 * Throws bad_config with the path of the bad field: an unknown one, a wrong type, a value out of its range.
 */
export function resolveConfig(input: unknown, path = 'config'): IndexConfig {
  const config = checkRecord(input, FIELDS, path, 'bad_config');

  const whole = (field: keyof IndexConfig, min: number, max: number, fallback?: number): number => {
    const value = config[field] === undefined ? fallback : config[field];
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw errorAt('bad_config', fieldPath(path, field), `must be a whole number from ${min} to ${max}`);
  };
  const oneOf = <T extends string>(field: keyof IndexConfig, names: readonly T[], fallback: T): T => {
    const value = config[field] === undefined ? fallback : config[field];
    const name = names.find((candidate) => candidate === value);
    if (name === undefined) {
      throw errorAt('bad_config', fieldPath(path, field), `must be one of ${names.join(', ')}`);
    }
    return name;
  };

  const dim = whole('dim', LIMITS.dimMin, LIMITS.dimMax);
  const m = whole('m', LIMITS.mMin, LIMITS.mMax, DEFAULTS.m);
  const precision = oneOf('precision', PRECISIONS, defaultPrecision(dim));
  if (precision === 'i8+i4' && dim > LIMITS.i4DimMax) {
    const why = `is i8+i4, which is for up to ${LIMITS.i4DimMax} dimensions`;
    throw errorAt('bad_config', fieldPath(path, 'precision'), why);
  }
  return {
    dim,
    metric: oneOf('metric', METRICS, DEFAULTS.metric),
    shards: whole('shards', 1, LIMITS.shardsMax, DEFAULTS.shards),
    attributes: checkAttributeTypes(config.attributes, fieldPath(path, 'attributes')),
    model: checkModelName(config.model, fieldPath(path, 'model')),
    m,
    efConstruction: whole('efConstruction', m, LIMITS.efConstructionMax, DEFAULTS.efConstruction),
    precision,
    seed: whole('seed', 0, 2 ** 32 - 1, DEFAULTS.seed),
  };
}

function checkAttributeTypes(value: unknown, path: string): AttributeTypes {
  if (value === undefined) return {};
  if (!isRecord(value)) throw errorAt('bad_config', path, 'must be an object of attribute names and types');
  const names = Object.keys(value);
  if (names.length > LIMITS.attributesMax) {
    throw errorAt('bad_config', path, `must declare at most ${LIMITS.attributesMax} attributes`);
  }
  const types: Record<string, AttributeType> = {};
  for (const name of names) {
    const at = fieldPath(path, name);
    const fault = faultOfName(name);
    if (fault !== undefined) throw errorAt('bad_config', at, `the name ${fault}`);
    const type = ATTRIBUTE_TYPES.find((candidate) => candidate === value[name]);
    if (type === undefined) throw errorAt('bad_config', at, `must be one of ${ATTRIBUTE_TYPES.join(', ')}`);
    types[name] = type;
  }
  return types;
}

/** Why a string cannot name an attribute; undefined when it can. */
function faultOfName(name: string): string | undefined {
  if (name === '') return 'is empty';
  // A filter could not tell it from an operator.
  if (name.startsWith('$')) return 'must not start with $';
  // Assigning to it would change the object's prototype instead of adding a field.
  if (name === '__proto__') return 'is reserved';
  if (CONTROL_CHARACTER.test(name)) return 'must not hold control characters';
  if (!isWellFormed(name)) return 'is not valid Unicode';
  if (Buffer.byteLength(name) > LIMITS.attributeNameBytesMax) {
    return `is over ${LIMITS.attributeNameBytesMax} bytes`;
  }
  return undefined;
}

function checkModelName(value: unknown, path: string): string | null {
  if (value === undefined || value === null) return null;
  if (
    typeof value === 'string' &&
    MODEL_NAME.test(value) &&
    isWellFormed(value) &&
    Buffer.byteLength(value) <= LIMITS.modelNameBytesMax
  ) {
    return value;
  }
  throw errorAt(
    'bad_config',
    path,
    `must be name@revision, without control characters and of at most ${LIMITS.modelNameBytesMax} bytes`,
  );
}
