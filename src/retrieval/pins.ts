/** One stored pin. */
import { checkPinId, type Pin } from '../index/pin.ts';
import { errorAt } from '../lib/errors.ts';
import type { OpenIndex } from './open-index.ts';

/** The pin with its attributes and payload, and its vector when asked for; unknown_pin or bad_pin_id at `id`. */
export async function readPin(index: OpenIndex, id: unknown, withVector: boolean): Promise<Pin> {
  const known = checkPinId(id, 'id');
  const [pin] = await index.engine.pins([known], { payload: true, attributes: true, vector: withVector });
  if (pin === undefined) throw errorAt('unknown_pin', 'id', `there is no pin ${known} in ${index.name}`);
  return pin;
}
