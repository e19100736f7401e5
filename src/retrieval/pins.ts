/** Stored pins by their ids. */
import type { PinParts } from '../engines/engine.ts';
import { checkPinId, type Pin } from '../index/pin.ts';
import { errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { OpenIndex } from './open-index.ts';
import { checkList } from './plan.ts';

/** The pin with the parts that are asked for; unknown_pin or bad_pin_id at `id`. */
export async function readPin(index: OpenIndex, id: unknown, parts: PinParts): Promise<Pin> {
  const known = checkPinId(id, 'id');
  const [pin] = await index.engine.pins([known], parts);
  if (pin === undefined) throw errorAt('unknown_pin', 'id', `there is no pin ${known} in ${index.name}`);
  return pin;
}

/**
 * Pins in the order of their ids, up to LIMITS.readPinsMax; undefined for one that is not there. bad_request, bad_pin_id or
 * limit_exceeded at `ids`.
 */
export async function readPins(
  index: OpenIndex,
  ids: unknown,
  parts: PinParts,
): Promise<(Pin | undefined)[]> {
  const known = checkList(ids, 'ids', LIMITS.readPinsMax).map((id, i) => checkPinId(id, `ids[${i}]`));
  return known.length === 0 ? [] : index.engine.pins(known, parts);
}
