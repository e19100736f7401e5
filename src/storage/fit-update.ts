/**
 * An update as a generation takes it that may be of another model, or have other attributes, than the one that it was
 * made for. Texts can be embedded again; vectors of another model are refused, as an index of two models answers
 * nonsense.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AttributeTypes, IndexConfig } from '../index/config.ts';
import { type Attributes, parseAttributes } from '../index/pin.ts';
import { NearpinError } from '../lib/errors.ts';
import type { Operation, UpdateRecord } from './update-record.ts';

/** What takes updates. */
export interface UpdateTaker {
  /** As messages name it. */
  readonly name: string;
  readonly config: Pick<IndexConfig, 'dim' | 'metric' | 'model' | 'attributes'>;
  /** Whether its model is at hand to embed texts. */
  readonly embeds: boolean;
  /** The types that the updates were checked against; undefined when they are the taker's. */
  readonly typesOfLog: AttributeTypes | undefined;
}

export interface FittedUpdate {
  readonly operations: readonly Operation[];
  /** What the vectors of the upserts, in order, are to be made of; undefined when they stay. */
  readonly texts: readonly string[] | undefined;
}

/** Throws model_mismatch, zero_vector or bad_attribute when the taker cannot take the update. */
export function fitUpdate(
  seq: number,
  { model, operations }: UpdateRecord,
  { name, config, embeds, typesOfLog }: UpdateTaker,
): FittedUpdate {
  const upserts = operations.filter((operation) => operation.kind === 'upsert');
  const isOther = model !== config.model || upserts.some(({ vector }) => vector.length !== config.dim);
  let texts: string[] | undefined;
  if (upserts.length > 0 && isOther) {
    texts = upserts.flatMap(({ text }) => (text === null ? [] : [text]));
    if (texts.length < upserts.length || !embeds) {
      const of = model === null ? 'of no named model' : `of ${model}`;
      throw new NearpinError(
        'model_mismatch',
        `update ${seq} holds vectors ${of}, which ${name} cannot take`,
      );
    }
  }
  const isZero = config.metric === 'cosine' && upserts.find(({ vector }) => vector.every((x) => x === 0));
  if (!texts && isZero) {
    const message = `update ${seq} holds a zero vector, which ${name} cannot take: it compares directions`;
    throw new NearpinError('zero_vector', message);
  }
  if (typesOfLog === undefined || isDeepStrictEqual(typesOfLog, config.attributes))
    return { operations, texts };
  const fitted = operations.map((operation): Operation => {
    if (operation.kind === 'delete' || operation.attributes === null) return operation;
    return { ...operation, attributes: fitAttributes(operation.attributes, config.attributes, seq) };
  });
  return { operations: fitted, texts };
}

/** Those of the attributes that the taker declares. */
function fitAttributes(attributes: Attributes, types: AttributeTypes, seq: number): Attributes {
  const declared = Object.entries(attributes).filter(([name]) => Object.hasOwn(types, name));
  return parseAttributes(Object.fromEntries(declared), types, `update ${seq}`);
}
