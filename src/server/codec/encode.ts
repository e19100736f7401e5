/** Answers to bytes: vectors are arrays of numbers in JSON and `bin` of little-endian f32 in msgpack. */
import type {
  BatchAnswer,
  Hit,
  MultiAnswer,
  NotificationsAnswer,
  RetrievalAnswer,
  Vector,
} from '../../retrieval/contract.ts';
import { JSON_TYPE, type MediaType } from './format.ts';
import { encodeMsgpack } from './msgpack.ts';

type Convert = (vector: Vector) => unknown;

/** The bytes or the text of any answer, in the given media type. */
export function encodeAnswer(value: object, type: MediaType): Buffer | string {
  return type === JSON_TYPE
    ? JSON.stringify(withVectors(value, (vector) => Array.from(vector)))
    : encodeMsgpack(withVectors(value, toBin));
}

function toBin(vector: Vector): Buffer {
  const floats = vector instanceof Float32Array ? vector : Float32Array.from(vector);
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength);
}

/** Whether an answer has vectors: numbers without a pattern, which nothing packs. */
export function hasVectors(value: object): boolean {
  if ('hits' in value) return (value as RetrievalAnswer).hits[0]?.vector !== undefined;
  const parts =
    (value as Partial<BatchAnswer>).answers ??
    (value as Partial<MultiAnswer>).results ??
    (value as Partial<NotificationsAnswer>).users;
  return parts?.some(hasVectors) ?? false;
}

/** The same answer with its vectors converted, wherever an answer can have them; untouched when it has none. */
function withVectors(value: object, convert: Convert): object {
  if ('hits' in value) {
    const { hits } = value as RetrievalAnswer;
    return hits[0]?.vector === undefined
      ? value
      : { ...value, hits: hits.map((hit) => withVector(hit, convert)) };
  }
  if ('answers' in value)
    return { answers: (value as BatchAnswer).answers.map((answer) => withVectors(answer, convert)) };
  if ('users' in value)
    return { users: (value as NotificationsAnswer).users.map((user) => withVectors(user, convert)) };
  if ('results' in value)
    return { results: (value as MultiAnswer).results.map((answer) => withVectors(answer, convert)) };
  return withVector(value, convert);
}

function withVector(value: object & Pick<Hit, 'vector'>, convert: Convert): object {
  return value.vector === undefined ? value : { ...value, vector: convert(value.vector) };
}
