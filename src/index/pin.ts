/** A pin as it comes in and as it goes out, and the checks between the two. */
import { errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { parseScalar } from './attribute-value.ts';
import type { AttributeTypes, IndexConfig, Metric } from './config.ts';
import { checkRecord, fieldPath, isRecord, isWellFormed } from './shape.ts';

export type AttributeValue = string | number | boolean | readonly string[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A pin as a user hands it in: by vector or by text. */
export interface PinInput {
  readonly id: string;
  readonly vector?: readonly number[] | Float32Array;
  readonly text?: string;
  readonly attributes?: Attributes;
  readonly payload?: unknown;
}

/** A stored pin as it is shown. `vector` only when asked for; under cosine it is the unit vector. */
export interface Pin {
  readonly id: string;
  readonly seq: number;
  readonly attributes?: Attributes;
  readonly payload?: unknown;
  readonly vector?: Float32Array;
}

/** A pin that passed every check, in the form that is stored. */
export interface ParsedPin {
  readonly id: string;
  /** f32[dim] as it came in, not normalised; either this or `text` is there. */
  readonly vector?: Float32Array;
  readonly text?: string;
  /** Only declared ones that hold something: times in epoch ms, keyword lists without repeats and not empty. */
  readonly attributes: Attributes;
  /** Any JSON value; undefined when the pin has none. */
  readonly payload: unknown;
}

/** A pin as a user writes it to an index: whole, or without vector and text to change one that is there. */
export interface PinWriteInput extends PinInput {
  /** The pin was last written by this update. */
  readonly ifSeq?: number;
  /** There is no such pin. */
  readonly ifAbsent?: boolean;
}

/** A pin to write that passed every check. */
export interface ParsedPinWrite extends Omit<ParsedPin, 'attributes'> {
  /** Undefined where they are to stay as they are. */
  readonly attributes: Attributes | undefined;
  readonly ifSeq?: number;
  readonly ifAbsent?: boolean;
}

const FIELDS: readonly (keyof PinInput)[] = ['id', 'vector', 'text', 'attributes', 'payload'];

/**
 * Checks a pin from outside against the index. A field that is `undefined` counts as absent.
 * Throws bad_pin (not an object, unknown field, neither or both of vector and text, a payload that is not JSON),
 * bad_pin_id, bad_dim, bad_vector, zero_vector, bad_attribute or limit_exceeded, each at its place under `path`.
 */
export function parsePin(
  value: unknown,
  { dim, metric, attributes: types }: Pick<IndexConfig, 'dim' | 'metric' | 'attributes'>,
  path: string,
): ParsedPin {
  const pin = checkRecord(value, FIELDS, path, 'bad_pin');
  const id = checkPinId(pin.id, fieldPath(path, 'id'));
  if ((pin.vector === undefined) === (pin.text === undefined)) {
    throw errorAt('bad_pin', path, 'needs either a vector or a text, and not both');
  }
  const content =
    pin.vector === undefined
      ? { text: checkText(pin.text, fieldPath(path, 'text')) }
      : { vector: checkVector(pin.vector, dim, metric, fieldPath(path, 'vector')) };
  const attributes = parseAttributes(pin.attributes, types, fieldPath(path, 'attributes'));
  if (pin.payload !== undefined) checkPayload(pin.payload, fieldPath(path, 'payload'));
  return { id, ...content, attributes, payload: pin.payload };
}

/**
 * Checks a pin to write. Without vector and text it must have attributes or a payload: it changes those of a pin that is
 * there. Throws as parsePin does, and bad_request for a bad condition.
 */
export function parsePinWrite(
  value: unknown,
  config: Pick<IndexConfig, 'dim' | 'metric' | 'attributes'>,
  path: string,
): ParsedPinWrite {
  const { ifSeq, ifAbsent, ...pin } = checkRecord(value, [...FIELDS, 'ifSeq', 'ifAbsent'], path, 'bad_pin');
  const conditions = parseConditions({ ifSeq, ifAbsent }, path);
  if (pin.vector !== undefined || pin.text !== undefined)
    return { ...parsePin(pin, config, path), ...conditions };
  const id = checkPinId(pin.id, fieldPath(path, 'id'));
  if (pin.attributes === undefined && pin.payload === undefined) {
    throw errorAt('bad_pin', path, 'needs a vector or a text, or attributes or a payload to change');
  }
  if (pin.payload !== undefined) checkPayload(pin.payload, fieldPath(path, 'payload'));
  const attributes =
    pin.attributes === undefined
      ? undefined
      : parseAttributes(pin.attributes, config.attributes, fieldPath(path, 'attributes'));
  return { id, attributes, payload: pin.payload, ...conditions };
}

/** The conditions of a write; bad_request. */
export function parseConditions(
  { ifSeq, ifAbsent }: { readonly ifSeq?: unknown; readonly ifAbsent?: unknown },
  path: string,
): { ifSeq?: number; ifAbsent?: boolean } {
  if (ifSeq !== undefined && (!Number.isSafeInteger(ifSeq) || (ifSeq as number) < 0)) {
    throw errorAt('bad_request', fieldPath(path, 'ifSeq'), 'must be the number of an update');
  }
  if (ifAbsent !== undefined && typeof ifAbsent !== 'boolean') {
    throw errorAt('bad_request', fieldPath(path, 'ifAbsent'), 'must be true or false');
  }
  return {
    ...(ifSeq !== undefined && { ifSeq: ifSeq as number }),
    ...(ifAbsent !== undefined && { ifAbsent }),
  };
}

/**
 * A pin id: a string of 1 to LIMITS.pinIdBytesMax UTF-8 bytes. An integer, when a number holds it exactly, or a
 * bigint becomes its decimal string. Throws bad_pin_id.
 */
export function checkPinId(value: unknown, path: string): string {
  const isInteger = typeof value === 'bigint' || Number.isSafeInteger(value);
  const id = isInteger ? String(value) : value;
  if (typeof id !== 'string') throw errorAt('bad_pin_id', path, 'must be a string or an integer below 2^53');
  if (id === '') throw errorAt('bad_pin_id', path, 'must not be empty');
  if (!isWellFormed(id)) throw errorAt('bad_pin_id', path, 'is not valid Unicode');
  if (Buffer.byteLength(id) > LIMITS.pinIdBytesMax) {
    throw errorAt('bad_pin_id', path, `is over ${LIMITS.pinIdBytesMax} bytes`);
  }
  return id;
}

/** Below this squared length (the smallest normal f32) f32 arithmetic loses a vector's direction. */
const SQUARES_MIN = 2 ** -126;

/**
 * Up to this squared length, by the inequality of Cauchy and Schwarz, no dot product and no squared distance of two
 * vectors overflows f32, partial sums included: |a·b| <= |a||b| and |a-b|^2 <= 2|a|^2 + 2|b|^2 <= 2^127.
 */
const SQUARES_MAX = 2 ** 125;

/**
 * A vector that can be searched: an array of numbers or a Float32Array (which is returned as it is, not copied) of
 * `dim` components that are finite once rounded to f32. Under cosine it must be long enough to have a direction,
 * under dot and l2 short enough that no distance overflows.
 * Throws bad_dim, zero_vector, or bad_vector, at `path[7]` when one component is to blame.
 */
export function checkVector(value: unknown, dim: number, metric: Metric, path: string): Float32Array {
  const isFloats = value instanceof Float32Array;
  if (!isFloats && !Array.isArray(value)) throw errorAt('bad_vector', path, 'must be an array of numbers');
  const components: ArrayLike<unknown> = value;
  if (components.length !== dim) {
    throw errorAt('bad_dim', path, `has ${components.length} dimensions where the index has ${dim}`);
  }
  let squares = 0;
  for (let i = 0; i < dim; i++) {
    const component = components[i];
    if (typeof component !== 'number') throw errorAt('bad_vector', `${path}[${i}]`, 'is not a number');
    const rounded = Math.fround(component);
    if (!Number.isFinite(rounded)) {
      throw errorAt('bad_vector', `${path}[${i}]`, `is not finite as a 32-bit float: ${component}`);
    }
    squares += rounded * rounded;
  }
  if (metric === 'cosine' && squares < SQUARES_MIN) {
    throw errorAt('zero_vector', path, squares === 0 ? 'is zero' : 'is too short to have a direction');
  }
  if (metric !== 'cosine' && squares > SQUARES_MAX) {
    throw errorAt('bad_vector', path, 'is so long that its distances overflow 32-bit floats');
  }
  return isFloats ? value : Float32Array.from(value);
}

function checkText(value: unknown, path: string): string {
  if (typeof value !== 'string') throw errorAt('bad_pin', path, 'must be a string');
  if (value.trim() === '') throw errorAt('bad_pin', path, 'must not be blank');
  if (value.length > LIMITS.textCharsMax) {
    throw errorAt('limit_exceeded', path, `is over ${LIMITS.textCharsMax} characters`);
  }
  return value;
}

/** One for all pins that have none: they are kept as long as their pins have changed since the last checkpoint. */
const NO_ATTRIBUTES: Attributes = Object.freeze({});

/** Checks attributes against their declared types; throws bad_attribute or limit_exceeded under `path`. */
export function parseAttributes(value: unknown, types: AttributeTypes, path: string): Attributes {
  if (value === undefined) return NO_ATTRIBUTES;
  if (!isRecord(value)) throw errorAt('bad_attribute', path, 'must be an object');
  // No declared name is `__proto__`, so that assigning by name only ever adds a field.
  const attributes: Record<string, AttributeValue> = {};
  for (const name of Object.keys(value)) {
    const at = fieldPath(path, name);
    const type = Object.hasOwn(types, name) ? types[name] : undefined;
    if (type === undefined) throw errorAt('bad_attribute', at, 'is not a declared attribute');
    const given = value[name];
    if (given === undefined) continue;
    if (type !== 'keyword[]') {
      attributes[name] = parseScalar(given, type, at, 'bad_attribute');
    } else {
      const keywords = parseKeywords(given, at);
      if (keywords.length > 0) attributes[name] = keywords;
    }
  }
  return attributes;
}

/** The list without repeats, in the order of first appearance. */
function parseKeywords(value: unknown, path: string): string[] {
  if (!Array.isArray(value)) throw errorAt('bad_attribute', path, 'must be an array of strings');
  if (value.length > LIMITS.keywordListMax) {
    throw errorAt('limit_exceeded', path, `has over ${LIMITS.keywordListMax} elements`);
  }
  const keywords = new Set<string>();
  for (const [i, element] of value.entries()) {
    keywords.add(parseScalar(element, 'keyword[]', `${path}[${i}]`, 'bad_attribute') as string);
  }
  return [...keywords];
}

function checkPayload(payload: unknown, path: string): void {
  checkJson(payload, path, 1);
  const bytes = Buffer.byteLength(JSON.stringify(payload));
  if (bytes > LIMITS.payloadBytesMax) {
    throw errorAt('limit_exceeded', path, `takes ${bytes} bytes as JSON, over ${LIMITS.payloadBytesMax}`);
  }
}

/** Refuses what JSON cannot say (so that JSON and msgpack clients read back the same), and a bottomless nest. */
function checkJson(value: unknown, path: string, depth: number): void {
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (!isWellFormed(value)) throw errorAt('bad_pin', path, 'is not valid Unicode');
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw errorAt('bad_pin', path, 'is not a finite number');
    return;
  }
  if (depth > LIMITS.payloadDepthMax) {
    throw errorAt('limit_exceeded', path, `is nested deeper than ${LIMITS.payloadDepthMax} levels`);
  }
  if (Array.isArray(value)) {
    for (const [i, element] of value.entries()) checkJson(element, `${path}[${i}]`, depth + 1);
    return;
  }
  if (!isRecord(value)) throw errorAt('bad_pin', path, 'is not a JSON value');
  for (const key of Object.keys(value)) {
    const at = fieldPath(path, key);
    if (key === '__proto__') throw errorAt('bad_pin', at, 'is a reserved name');
    if (!isWellFormed(key)) throw errorAt('bad_pin', at, 'has a name that is not valid Unicode');
    checkJson(value[key], at, depth + 1);
  }
}
