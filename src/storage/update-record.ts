/**
 * One update of an index, as the log keeps it: a batch of upserts, changes and deletes that is applied as a whole.
 *
 * The bytes are a checksum (u32, of what follows) and a msgpack array `[format, model, operations]`; an operation is
 * `[0, id, vector, text, attributes, payload?]`, `[1, id, attributes, payload?]` or `[2, id]`. A vector is the
 * little-endian f32 that came in, not normalised, so that the update can be applied to a generation of another metric;
 * attributes are null where an update of a pin leaves them as they are.
 */
import { Packr } from 'msgpackr';
import type { Attributes } from '../index/pin.ts';
import { checksum } from '../lib/checksum.ts';

/** The whole pin: what was stored under its id before is replaced. */
export interface UpsertOperation {
  readonly kind: 'upsert';
  readonly id: string;
  /** f32[dim]. */
  readonly vector: Float32Array;
  /** What the vector was made of, where it was a text. */
  readonly text: string | null;
  readonly attributes: Attributes;
  /** Undefined when there is none. */
  readonly payload: unknown;
}

/** New attributes, a new payload, or both, for a pin that is there. */
export interface ChangeOperation {
  readonly kind: 'change';
  readonly id: string;
  /** Null to leave them as they are. */
  readonly attributes: Attributes | null;
  /** Undefined to leave it as it is. */
  readonly payload: unknown;
}

export interface DeleteOperation {
  readonly kind: 'delete';
  readonly id: string;
}

export type Operation = UpsertOperation | ChangeOperation | DeleteOperation;

export interface UpdateRecord {
  /** `name@revision` that made the vectors; null when unknown. */
  readonly model: string | null;
  /** No id twice. */
  readonly operations: readonly Operation[];
}

const FORMAT = 1;
const CHECKSUM_BYTES = 4;
const packr = new Packr({ useRecords: false, variableMapSize: true });

function toFields(operation: Operation): unknown[] {
  const { id } = operation;
  if (operation.kind === 'delete') return [2, id];
  const { attributes, payload } = operation;
  const rest = payload === undefined ? [] : [payload];
  if (operation.kind === 'change') return [1, id, attributes, ...rest];
  const { buffer, byteOffset, byteLength } = operation.vector;
  return [0, id, Buffer.from(buffer, byteOffset, byteLength), operation.text, attributes, ...rest];
}

/** The bytes of an update, which have a buffer of their own. */
export function encodeUpdate({ model, operations }: UpdateRecord): Buffer {
  const body = packr.encode([FORMAT, model, operations.map(toFields)]);
  const bytes = Buffer.allocUnsafeSlow(CHECKSUM_BYTES + body.length);
  bytes.writeUInt32LE(checksum(body));
  bytes.set(body, CHECKSUM_BYTES);
  return bytes;
}

/** Whether the bytes are as they were written. */
export function isWhole(bytes: Uint8Array): boolean {
  if (bytes.length <= CHECKSUM_BYTES) return false;
  const stored = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return checksum(bytes.subarray(CHECKSUM_BYTES)) === stored;
}

const NO_VECTOR = new Float32Array(0);

function fromFields(fields: readonly unknown[], withVectors: boolean): Operation {
  const [kind, id] = fields as [number, string];
  if (kind === 2) return { kind: 'delete', id };
  if (kind === 1)
    return { kind: 'change', id, attributes: fields[2] as Attributes | null, payload: fields[3] };
  const bytes = fields[2] as Uint8Array;
  // A copy: msgpack does not put floats where they can be read in place
  const vector = withVectors ? new Float32Array(bytes.length / 4) : NO_VECTOR;
  if (withVectors) new Uint8Array(vector.buffer).set(bytes);
  const [, , , text, attributes, payload] = fields as [
    0,
    string,
    Uint8Array,
    string | null,
    Attributes,
    unknown,
  ];
  return { kind: 'upsert', id, vector, text, attributes, payload };
}

/**
 * Reads bytes that are whole back. @param withVectors false gives empty ones, which saves a buffer for each
 * Throws when a newer version wrote them.
 */
export function decodeUpdate(bytes: Uint8Array, withVectors = true): UpdateRecord {
  const [format, model, operations] = packr.decode(bytes.subarray(CHECKSUM_BYTES)) as [
    number,
    string | null,
    unknown[][],
  ];
  if (format !== FORMAT) throw new Error(`an update of format ${format}`);
  return { model, operations: operations.map((fields) => fromFields(fields, withVectors)) };
}
