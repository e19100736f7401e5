/**
 * What is kept of a pin beside its vector, and its bytes: a msgpack array `[shard, ordinal, seq, attributes]`, with
 * the payload as a fifth element when there is one. A pin that was made of a text has it as the sixth; its fifth is then an
 * array of the payload, or of nothing. Plain msgpack without msgpackr's private extensions, so that any language reads it;
 * numbers keep all 64 bits.
 */
import { Packr } from 'msgpackr';
import type { Attributes } from '../index/pin.ts';

export interface StoredPin {
  readonly shard: number;
  readonly ordinal: number;
  /** Sequence number of the update that wrote it; 0 for what an offline build wrote. */
  readonly seq: number;
  readonly attributes: Attributes;
  /** Any JSON value; undefined when there is none. */
  readonly payload: unknown;
  /** What the vector was made of, where it was a text. */
  readonly text: string | undefined;
}

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** The bytes of a pin whose attributes and payload passed parsePin; the same for the same pin. */
export function encodeStoredPin({ shard, ordinal, seq, attributes, payload, text }: StoredPin): Buffer {
  const fields: unknown[] = [shard, ordinal, seq, attributes];
  if (text !== undefined) fields.push(payload === undefined ? [] : [payload], text);
  else if (payload !== undefined) fields.push(payload);
  return packr.encode(fields);
}

/** Reads the bytes back; they may be overwritten afterwards. Throws when they are not of a pin. */
export function decodeStoredPin(bytes: Uint8Array): StoredPin {
  const fields: unknown = packr.decode(bytes);
  if (!Array.isArray(fields) || fields.length < 4 || fields.length > 6) throw new Error('not a stored pin');
  const [shard, ordinal, seq, attributes, fifth, text] = fields as [
    number,
    number,
    number,
    Attributes,
    unknown,
    string | undefined,
  ];
  const payload = text === undefined ? fifth : (fifth as unknown[])[0];
  return { shard, ordinal, seq, attributes, payload, text };
}
