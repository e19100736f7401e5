/** What the schema's own scalars take and give; all but JSON stay what they are, for retrieval checks their values. */
import { GraphQLError, Kind, type ValueNode } from 'graphql';
import { errorAt } from '../../lib/errors.ts';
import type { Vector } from '../../retrieval/contract.ts';
import { FORBIDDEN_KEYS } from '../codec/json.ts';

type Variables = Readonly<Record<string, unknown>> | null | undefined;

/** Base64, padded or not, in either alphabet. */
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** A list goes on as it is; base64 becomes floats. bad_vector, or bad_dim for bytes that are no floats. */
function readVector(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (!BASE64.test(value)) throw errorAt('bad_vector', '', 'is not base64');
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length % 4 !== 0)
    throw errorAt('bad_dim', '', `has ${bytes.length} bytes, not a multiple of 4 for 32-bit floats`);
  const vector = new Float32Array(bytes.length / 4);
  new Uint8Array(vector.buffer).set(bytes);
  return vector;
}

/** A vector as an answer shows it. */
export function writeVector(vector: Vector, format: 'floats' | 'base64'): readonly number[] | string {
  if (format === 'floats') return Array.from(vector);
  const floats = vector instanceof Float32Array ? vector : Float32Array.from(vector);
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString('base64');
}

/** The value of a literal, with variables put in. */
function readLiteral(node: ValueNode, variables: Variables): unknown {
  switch (node.kind) {
    case Kind.NULL:
      return null;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.STRING:
    case Kind.BOOLEAN:
    case Kind.ENUM:
      return node.value;
    case Kind.VARIABLE:
      return variables?.[node.name.value];
    case Kind.LIST:
      return node.values.map((value) => readLiteral(value, variables));
    case Kind.OBJECT: {
      const fields: Record<string, unknown> = {};
      for (const { name, value } of node.fields) {
        if (FORBIDDEN_KEYS.includes(name.value))
          throw new GraphQLError(`${name.value} is not allowed as a key`, { nodes: node });
        fields[name.value] = readLiteral(value, variables);
      }
      return fields;
    }
  }
}

function readLong(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new GraphQLError('It must be a whole number of up to 53 bits.');
}

function readTimestamp(value: unknown): number | string {
  if (typeof value === 'number' || typeof value === 'string') return value;
  throw new GraphQLError('It must be epoch milliseconds or ISO 8601.');
}

const same = (value: unknown): unknown => value;

/** By the names of the schema. */
export const SCALARS = {
  JSON: { serialize: same, parseValue: same, parseLiteral: readLiteral },
  Vector: {
    serialize: same,
    parseValue: readVector,
    parseLiteral: () => {
      throw new GraphQLError('A vector must be given as a variable.');
    },
  },
  Long: {
    serialize: same,
    parseValue: readLong,
    parseLiteral: (node: ValueNode) => readLong(readLiteral(node, undefined)),
  },
  Timestamp: {
    serialize: same,
    parseValue: readTimestamp,
    parseLiteral: (node: ValueNode) => readTimestamp(readLiteral(node, undefined)),
  },
};
