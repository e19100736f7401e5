/**
 * Random values by a JSON schema, and their bytes. Most are what the schema asks for, some are at its limits, and at any
 * place something else may stand: another type, a key that reaches a prototype or comes twice, depth, length, odd text.
 */
import type { Prng } from '../../src/lib/prng.ts';
import type { JsonSchema } from '../../src/server/openapi.ts';

/** An object as it is to be written, where a key may come twice. */
export class Entries {
  readonly list: readonly (readonly [unknown, unknown])[];
  constructor(list: readonly (readonly [unknown, unknown])[]) {
    this.list = list;
  }
}

/** Bytes as they are to stand in a body, whatever they mean there. */
export class Raw {
  readonly json: string;
  readonly msgpack: Buffer;
  constructor(json: string, msgpack: Buffer) {
    this.json = json;
    this.msgpack = msgpack;
  }
}

const ODD_TEXTS = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\ufeff',
  '‮abc',
  '𝒑𝒊𝒏',
  'e\u0301',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'null',
  'NaN',
  '1e999',
  '../../etc/passwd',
  "'; DROP TABLE pins; --",
  '" OR "a"*',
  '<script>alert(1)</script>',
  '%00%2e%2e',
  '$where',
  '💥'.repeat(64),
  'x'.repeat(129),
  'x'.repeat(10_000),
];
const ODD_NUMBERS = [
  0,
  -0,
  -1,
  1.5,
  0.1,
  1e-320,
  1e39,
  -1e39,
  1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 53) - 2,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
export const WORDS = ['red', 'green', 'lamp', 'reading', 'old', 'desk', 'sage', 'bras'];
const CATEGORIES = ['lamps', 'chairs', 'shoes', 'cakes'];
const FIELDS = ['category', 'price', 'tags', 'fresh', 'added'];
const OPERATORS = ['$eq', '$ne', '$in', '$nin', '$gt', '$gte', '$lt', '$lte', '$exists'];
/** Of a query, a search, a topic, a pin to write. */
const ONE_OF = ['vector', 'vectors', 'text', 'pin'];
/** What is mostly refused, or makes what else is asked for not matter. */
const SELDOM = ['variants', 'sources', 'boosts', 'fusion', 'ifSeq', 'ifAbsent', 'deadlineMs', 'negatives'];
/** Where no schema can say what there is. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  field: FIELDS,
  index: ['pins'],
  generation: ['000001', '000002', '000003'],
};
/** Deadlines that can be kept, and what is none: one that is too short is answered with 504, and any 5xx is a finding. */
const KEPT_DEADLINES = [60_000, 1e300];
const NO_DEADLINES = [0, -1, '60000', null, Number.NaN];
const JUNK = [0xc1, 0xc7, 0xd4, 0xd6, 0xdf, 0xdd, 0xdb, 0xc6];

export interface World {
  readonly schemas: Readonly<Record<string, JsonSchema>>;
  readonly dim: number;
  /** Ids that were written: p0, p1, … */
  readonly pins: number;
}

export class ValueMaker {
  readonly #prng: Prng;
  readonly #world: World;
  /** Chance of something odd at each place. */
  readonly #oddity: number;

  constructor(prng: Prng, world: World, oddity: number) {
    this.#prng = prng;
    this.#world = world;
    this.#oddity = oddity;
  }

  make(schema: JsonSchema, depth = 0): unknown {
    const prng = this.#prng;
    if (depth > 0 && prng.float() < this.#oddity) return this.odd();
    if (schema.$ref !== undefined) return this.#named(schema.$ref.split('/').at(-1)!, depth);
    if (schema.enum) return prng.pick(schema.enum);
    if (schema.const !== undefined) return schema.const;
    if (schema.anyOf) return this.make(prng.pick(schema.anyOf), depth);
    switch (schema.type) {
      case 'object':
        return this.#object(schema, depth);
      case 'array': {
        const items = schema.items ?? {};
        return Array.from({ length: this.#length(schema.maxItems) }, () => this.make(items, depth + 1));
      }
      case 'integer':
        return Math.trunc(this.#number(schema));
      case 'number':
        return this.#number(schema);
      case 'boolean':
        return prng.below(2) === 0;
      case 'null':
        return null;
      case 'string':
        return this.text();
      default:
        return this.anything(depth);
    }
  }

  #length(max = 20): number {
    const prng = this.#prng;
    const chance = prng.below(100);
    if (chance === 0) return Math.min(max + 1, 2000);
    if (chance === 1) return Math.min(max, 200);
    return prng.below(Math.min(max, 4) + 1);
  }

  #number({ minimum = 0, exclusiveMinimum, maximum = 100 }: JsonSchema): number {
    const prng = this.#prng;
    const least = exclusiveMinimum ?? minimum;
    if (prng.float() < this.#oddity + 0.005) return prng.pick([least - 1, maximum + 1, ...ODD_NUMBERS]);
    switch (prng.below(20)) {
      case 0:
        return least;
      case 1:
        return maximum;
      default:
        return least + (1 - prng.float()) * Math.min(20, maximum - least);
    }
  }

  #object(schema: JsonSchema, depth: number): unknown {
    const prng = this.#prng;
    const list: [unknown, unknown][] = [];
    const chosen = depth === 0 ? 0.25 : 0.5;
    const one = prng.pick(ONE_OF.filter((name) => Object.hasOwn(schema.properties ?? {}, name)));
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      // Mostly one of these, and no model but the index's
      if (
        (ONE_OF.includes(name) && prng.float() >= this.#oddity) ||
        (name === 'model' && prng.below(50) > 0)
      ) {
        if (name === one) list.push([name, this.make(field, depth + 1)]);
        continue;
      }
      if (SELDOM.includes(name) && prng.below(12) > 0) continue;
      if (name === 'deadlineMs') {
        list.push([name, prng.pick<unknown>(prng.float() < this.#oddity ? NO_DEADLINES : KEPT_DEADLINES)]);
        continue;
      }
      const known = KNOWN[name];
      if (known && prng.float() >= this.#oddity) {
        list.push([name, prng.pick(known)]);
        continue;
      }
      const isNeeded = schema.required?.includes(name) === true;
      if (prng.float() < (isNeeded ? 1 - this.#oddity / 2 : chosen))
        list.push([name, this.make(field, depth + 1)]);
    }
    for (const field of Object.values(schema.patternProperties ?? {}))
      for (let left = prng.below(3); left > 0; left--) list.push([this.text(), this.make(field, depth + 1)]);
    if (prng.float() < this.#oddity) list.push([this.text(), this.anything(depth + 1)]);
    if (prng.float() < this.#oddity / 2 && list[0] && list[0][0] !== 'deadlineMs')
      list.push([list[0][0], this.anything(depth + 1)]);
    return new Entries(list);
  }

  #named(name: string, depth: number): unknown {
    const prng = this.#prng;
    switch (name) {
      case 'Vector': {
        const dim = prng.below(30) === 0 ? prng.below(20) : this.#world.dim;
        const vector = Float32Array.from({ length: dim }, () => prng.normal());
        return prng.below(3) === 0 ? [...vector] : vector;
      }
      case 'PinId':
        return this.pinId();
      case 'Filter':
        return this.#filter(0);
      case 'Attributes':
        return this.#attributes();
      case 'Sources':
        return new Entries([
          [
            prng.pick(['seeds', 'text', 'history', 'popular', this.text()]),
            prng.pick([null, new Entries([['quota', this.#number({ minimum: 1, maximum: 1000 })]])]),
          ],
        ]);
      default:
        return this.make(this.#world.schemas[name] ?? {}, depth);
    }
  }

  pinId(): string | number {
    const prng = this.#prng;
    if (prng.below(30) === 0) return prng.pick<string | number>(['', 7, 'x'.repeat(129), 'gone', '\ud800']);
    return `p${prng.below(this.#world.pins)}`;
  }

  #attributes(): Entries {
    const prng = this.#prng;
    const values: Record<string, () => unknown> = {
      category: () => prng.pick(CATEGORIES),
      price: () => prng.below(1000) / 10,
      tags: () => [prng.pick(WORDS), prng.pick(WORDS)],
      fresh: () => prng.below(2) === 0,
      added: () => prng.pick<unknown>([1_700_000_000_000 + prng.below(1e9), '2026-11-02T10:00:00Z']),
    };
    return new Entries(
      FIELDS.filter(() => prng.below(2) === 0).map((name) => [
        name,
        prng.float() < this.#oddity ? this.odd() : values[name]!(),
      ]),
    );
  }

  #filter(depth: number): unknown {
    const prng = this.#prng;
    if (prng.float() < this.#oddity) return this.odd();
    if (depth < 4 && prng.below(4) === 0) {
      const operator = prng.pick(['$and', '$or', '$not']);
      const inner = Array.from({ length: prng.below(4) }, () => this.#filter(depth + 1));
      return new Entries([[operator, operator === '$not' ? this.#filter(depth + 1) : inner]]);
    }
    const field = prng.pick(FIELDS);
    const of = (): unknown =>
      prng.pick<unknown>([prng.pick(CATEGORIES), prng.below(100), true, '2026-11-02', prng.pick(WORDS)]);
    const operator = prng.pick(OPERATORS);
    const operand =
      operator === '$exists' ? true : operator === '$in' || operator === '$nin' ? [of(), of()] : of();
    return new Entries([[field, prng.below(3) === 0 ? of() : new Entries([[operator, operand]])]]);
  }

  text(): string {
    const prng = this.#prng;
    if (prng.below(8) === 0) return prng.pick(ODD_TEXTS);
    return Array.from({ length: 1 + prng.below(3) }, () => prng.pick(WORDS)).join(' ');
  }

  anything(depth = 0): unknown {
    const prng = this.#prng;
    switch (prng.below(depth > 4 ? 4 : 6)) {
      case 0:
        return null;
      case 1:
        return prng.below(2) === 0;
      case 2:
        return prng.pick(ODD_NUMBERS);
      case 3:
        return this.text();
      case 4:
        return Array.from({ length: prng.below(4) }, () => this.anything(depth + 1));
      default:
        return new Entries(
          Array.from({ length: prng.below(3) }, () => [this.text(), this.anything(depth + 1)]),
        );
    }
  }

  odd(): unknown {
    const prng = this.#prng;
    switch (prng.below(10)) {
      case 0: {
        // Deep, but small
        let value: unknown = 1;
        for (let left = prng.pick([30, 63, 64, 65, 500]); left > 0; left--)
          value = prng.below(2) === 0 ? [value] : new Entries([['a', value]]);
        return value;
      }
      case 1:
        return new Entries([[prng.pick(['__proto__', 'constructor', 'prototype', 'toString']), {}]]);
      case 2:
        return new Entries([
          ['length', prng.pick(ODD_NUMBERS)],
          ['0', 1],
        ]);
      case 3:
        return 2n ** BigInt(prng.below(64)) - 1n;
      case 4:
        return new Float32Array(prng.below(9)).fill(prng.pick(ODD_NUMBERS));
      case 5:
        return new Raw(
          prng.pick([
            '01',
            '1e999',
            '-',
            'undefined',
            '"\\ud800"',
            '"\\x"',
            '[1,]',
            '{"a":1,}',
            '/**/1',
            '+1',
          ]),
          Buffer.from([prng.pick(JUNK), ...Array.from({ length: prng.below(9) }, () => prng.below(256))]),
        );
      case 6: {
        const depth = prng.pick([1000, 20_000]);
        return prng.below(4) === 0
          ? new Raw('['.repeat(depth) + ']'.repeat(depth), Buffer.alloc(depth, 0x91))
          : prng.pick(ODD_TEXTS);
      }
      case 7:
        return prng.pick(ODD_NUMBERS);
      default:
        return this.anything();
    }
  }
}

/** JSON as it is told, also where that is none. */
export function toJson(value: unknown): string {
  if (value instanceof Raw) return value.json;
  if (value instanceof Entries)
    return `{${value.list.map(([key, inner]) => `${JSON.stringify(String(key))}:${toJson(inner)}`).join()}}`;
  if (value instanceof Float32Array) return `[${Array.from(value).join()}]`;
  if (Array.isArray(value)) return `[${value.map(toJson).join()}]`;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return JSON.stringify(value) ?? 'null';
}

/** msgpack as it is told; whole numbers take any of the widths that hold them. */
export function toMsgpack(value: unknown, prng: Prng): Buffer {
  const parts: Buffer[] = [];
  const head = (byte: number, bytes: number, n: number) => {
    const part = Buffer.alloc(1 + bytes);
    part[0] = byte;
    part.writeUIntBE(n, 1, bytes);
    parts.push(part);
  };
  const write = (each: unknown): void => {
    if (each instanceof Raw) return void parts.push(each.msgpack);
    if (each === null || each === undefined) return void parts.push(Buffer.of(0xc0));
    if (typeof each === 'boolean') return void parts.push(Buffer.of(each ? 0xc3 : 0xc2));
    if (typeof each === 'bigint') {
      const part = Buffer.alloc(9);
      part[0] = 0xcf;
      part.writeBigUInt64BE(BigInt.asUintN(64, each), 1);
      return void parts.push(part);
    }
    if (typeof each === 'number') {
      if (Number.isInteger(each) && each >= 0 && each < 2 ** 32 && prng.below(2) === 0) {
        if (each < 128) return void parts.push(Buffer.of(each));
        return void head(0xce, 4, each);
      }
      const part = Buffer.alloc(9);
      part[0] = 0xcb;
      part.writeDoubleBE(each, 1);
      return void parts.push(part);
    }
    if (typeof each === 'string') {
      const bytes = Buffer.from(each);
      if (bytes.length < 32 && prng.below(2) === 0) parts.push(Buffer.of(0xa0 + bytes.length));
      else if (bytes.length < 65_536) head(0xda, 2, bytes.length);
      else head(0xdb, 4, bytes.length);
      return void parts.push(bytes);
    }
    if (each instanceof Float32Array) {
      head(0xc6, 4, each.byteLength);
      return void parts.push(Buffer.from(each.buffer, each.byteOffset, each.byteLength));
    }
    if (Array.isArray(each)) {
      head(0xdd, 4, each.length);
      each.forEach(write);
      return;
    }
    const list = each instanceof Entries ? each.list : Object.entries(each);
    head(0xde, 2, list.length);
    for (const [key, inner] of list) {
      write(key);
      write(inner);
    }
  };
  write(value);
  return Buffer.concat(parts);
}
