/**
 * The manifest: what a generation is made of, as JSON that is written the same way every time (sorted keys, no
 * clock) and that carries a checksum of itself. It binds its files together by their sizes and checksums, so that a
 * generation put together from two others, or a number changed by hand, is refused rather than served.
 */
import { checksum, hex32 } from '../lib/checksum.ts';
import { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { type IndexConfig, resolveConfig } from './config.ts';
import { isRecord } from './shape.ts';

/**
 * The greatest format that this version knows; a greater number is a newer version's. Format 2 is written where pins have
 * words, which the pin store of format 1 has no place for.
 */
const MANIFEST_FORMAT = 2;

/** The model behind the vectors, with whatever settings its kind needs to make the same vectors again. */
export interface ModelDescription {
  readonly name: string;
  readonly revision: string;
  readonly kind: string;
  readonly dim: number;
  /** JSON values. */
  readonly [setting: string]: unknown;
}

export interface ShardEntry {
  /** Name of the segment in the generation's directory. */
  readonly file: string;
  readonly bytes: number;
  /** Checksum of the segment's header, whose table holds those of the sections; 8 hex digits. */
  readonly crc32: string;
  /** Pins in the shard. */
  readonly count: number;
}

export interface PinsEntry {
  /** Name of the pin store's directory in the generation's directory. */
  readonly dir: string;
  /** Size of its data file. */
  readonly bytes: number;
  /** Checksum of its data file; 8 hex digits. */
  readonly crc32: string;
  readonly count: number;
  /** There are pins with words for lexical search. */
  readonly words?: true;
}

export interface Manifest {
  /** Name of the generation's directory. */
  readonly generation: string;
  /** Sequence number of the last update that the generation holds. */
  readonly seq: number;
  /** Pins in the index: the sum over the shards, and what the pin store holds. */
  readonly count: number;
  readonly config: IndexConfig;
  /** Null when the vectors came from outside; the config may still name what made them. */
  readonly model: ModelDescription | null;
  /** Version of the core that wrote the segments, when known. */
  readonly coreVersion?: string;
  /** One per shard of the config, in order. */
  readonly shards: readonly ShardEntry[];
  readonly pins: PinsEntry;
}

/** Names of generations: at least six digits, counting up from 000001. */
export const GENERATION_NAME = /^(?:\d{6}|[1-9]\d{6,})$/;

/** The bytes of manifest.json: the same for the same manifest. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const content = { format: manifest.pins.words ? 2 : 1, ...manifest };
  return Buffer.from(`${JSON.stringify({ ...content, crc32: sumOf(content) }, sortKeys, 2)}\n`);
}

/**
 * Reads manifest.json back; `path` names the file in errors. Throws unsupported_version for a newer format and
 * corrupt_file, naming file and field, for everything that is not a manifest which adds up.
 */
export function parseManifest(bytes: Uint8Array, path: string): Manifest {
  const check = new Checks(path);
  const json = parseJson(bytes);
  const { crc32, ...content } = check.record(json, '');
  const format = check.whole(content.format, 'format');
  if (format > MANIFEST_FORMAT) {
    throw new NearpinError(
      'unsupported_version',
      `${path} has format ${format}, this reads ${MANIFEST_FORMAT}`,
    );
  }
  check.that(format >= 1, 'format', 'is none');
  check.that(bytes.at(-1) === LINE_FEED, '', 'is cut off before its last line feed');
  check.that(crc32 === sumOf(content), 'crc32', 'is not the checksum of the manifest');

  const { generation, seq, count, config, model, coreVersion, shards, pins, format: _, ...rest } = content;
  for (const field of Object.keys(rest)) check.fail(field, 'is not a known field');
  check.that(typeof generation === 'string' && GENERATION_NAME.test(generation), 'generation', 'is no name');
  check.that(coreVersion === undefined || typeof coreVersion === 'string', 'coreVersion', 'must be a string');
  check.that(Array.isArray(shards), 'shards', 'must be an array');

  const manifest: Manifest = {
    generation: generation as string,
    seq: check.whole(seq, 'seq'),
    count: check.whole(count, 'count'),
    config: check.config(config),
    model: model === null ? null : check.model(model),
    ...(coreVersion === undefined ? {} : { coreVersion: coreVersion as string }),
    shards: (shards as unknown[]).map((shard, i) => check.shard(shard, `shards[${i}]`)),
    pins: check.pins(pins, 'pins'),
  };
  const isOfFormat = (format === 2) === (manifest.pins.words === true);
  check.that(isOfFormat, 'pins.words', 'is not as the format says');
  checkSums(manifest, check);
  return manifest;
}

/** What the parts of a manifest say about each other. */
function checkSums({ config, model, count, shards, pins }: Manifest, check: Checks): void {
  const inShards = shards.reduce((sum, shard) => sum + shard.count, 0);
  const names = new Set([...shards.map(({ file }) => file), pins.dir]);
  check.that(shards.length === config.shards, 'shards', `has ${shards.length} of ${config.shards} shards`);
  check.that(names.size === shards.length + 1, 'shards', 'names a file twice');
  check.that(inShards === count, 'count', `is ${count} where the shards hold ${inShards} pins`);
  check.that(pins.count === count, 'pins.count', `is ${pins.count} where the index holds ${count} pins`);
  if (model === null) return;
  const name = `${model.name}@${model.revision}`;
  check.that(name === config.model, 'model', `is ${name} where the config names ${config.model}`);
  check.that(model.dim === config.dim, 'model.dim', `is ${model.dim} where the index has ${config.dim}`);
}

/** The checks of one manifest; each throws corrupt_file with the file and the field. */
class Checks {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  fail(field: string, message: string): never {
    const at = field === '' ? this.#path : `${this.#path}#${field}`;
    throw new NearpinError('corrupt_file', `${at}: ${message}`, [{ path: at, message }]);
  }

  that(condition: boolean, field: string, message: string): void {
    if (!condition) this.fail(field, message);
  }

  record(value: unknown, field: string): Readonly<Record<string, unknown>> {
    return isRecord(value) ? value : this.fail(field, 'is not an object');
  }

  exactRecord(value: unknown, fields: readonly string[], field: string): Readonly<Record<string, unknown>> {
    const record = this.record(value, field);
    for (const key of Object.keys(record)) {
      this.that(fields.includes(key), `${field}.${key}`, 'is not a known field');
    }
    return record;
  }

  whole(value: unknown, field: string): number {
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    return this.fail(field, 'must be a whole number');
  }

  text(value: unknown, pattern: RegExp, field: string): string {
    if (typeof value === 'string' && pattern.test(value)) return value;
    return this.fail(field, 'is missing or malformed');
  }

  /** A resolved config, nothing left to defaults: those of this version may not be those it was built with. */
  config(value: unknown): IndexConfig {
    let config: IndexConfig;
    try {
      config = resolveConfig(value);
    } catch (error) {
      if (error instanceof NearpinError) this.fail(error.details[0]?.path ?? 'config', error.message);
      throw error;
    }
    for (const field of Object.keys(config)) {
      this.that(Object.hasOwn(value as object, field), `config.${field}`, 'is missing');
    }
    return config;
  }

  model(value: unknown): ModelDescription {
    const model = this.record(value, 'model');
    return {
      ...model,
      name: this.text(model.name, LABEL, 'model.name'),
      revision: this.text(model.revision, LABEL, 'model.revision'),
      kind: this.text(model.kind, LABEL, 'model.kind'),
      dim: this.whole(model.dim, 'model.dim'),
    };
  }

  shard(value: unknown, field: string): ShardEntry {
    const shard = this.exactRecord(value, ['file', 'bytes', 'crc32', 'count'], field);
    return { file: this.text(shard.file, FILE_NAME, `${field}.file`), ...this.#sealed(shard, field) };
  }

  pins(value: unknown, field: string): PinsEntry {
    const pins = this.exactRecord(value, ['dir', 'bytes', 'crc32', 'count', 'words'], field);
    this.that(pins.words === undefined || pins.words === true, `${field}.words`, 'must be true');
    const entry = { dir: this.text(pins.dir, FILE_NAME, `${field}.dir`), ...this.#sealed(pins, field) };
    return pins.words === undefined ? entry : { ...entry, words: true };
  }

  #sealed(entry: Readonly<Record<string, unknown>>, field: string) {
    return {
      bytes: this.whole(entry.bytes, `${field}.bytes`),
      crc32: this.text(entry.crc32, HEX_32, `${field}.crc32`),
      count: this.whole(entry.count, `${field}.count`),
    };
  }
}

const LABEL = new RegExp(`^[^\\p{Cc}]{1,${LIMITS.modelNameBytesMax}}$`, 'u');
const LINE_FEED = 0x0a;
const HEX_32 = /^[0-9a-f]{8}$/;

/** A name inside the generation's directory: no separators, no `..`, nothing hidden. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$/;

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** Checksum over a manifest's fields, as compact JSON with sorted keys. */
function sumOf(content: Readonly<Record<string, unknown>>): string {
  return hex32(checksum(Buffer.from(JSON.stringify(content, sortKeys))));
}

/** A JSON.stringify replacer that puts the fields of every object in the order of their names. */
function sortKeys(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
