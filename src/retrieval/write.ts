/** Writing pins: from a request to an update of the engine. Texts are embedded with the index's own model. */
import type { DeleteAnswer, LiveEngine, PinWrite, UpsertAnswer } from '../engines/engine.ts';
import { checkPinId, type ParsedPinWrite, parseConditions, parsePinWrite } from '../index/pin.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { DeleteRequest, UpsertRequest } from './contract.ts';
import type { OpenIndex, ServedIndex } from './open-index.ts';
import { checkList, checkModel } from './plan.ts';

/** The engine that takes the writes of an index; not_supported when there is none. */
export function writable({ name, live }: ServedIndex): LiveEngine {
  if (live === undefined) throw new NearpinError('not_supported', `index ${name} takes no writes`);
  return live;
}

/**
 * Writes pins, all or none; resolves when they are durable and can be found.
 * @throws NearpinError with the path of the bad pin; what LiveEngine.upsert rejects with
 */
export async function runUpsert(served: ServedIndex, request: UpsertRequest): Promise<UpsertAnswer> {
  const live = writable(served);
  return served.use(async (index) => {
    checkModel(index, request.model);
    const { config } = index.engine;
    const list = checkList(request.pins, 'pins', LIMITS.writePinsMax);
    if (list.length === 0) throw errorAt('bad_request', 'pins', 'must hold at least one pin');
    const pins = list.map((pin, i) => parsePinWrite(pin, config, `pins[${i}]`));
    return live.upsert(await embedTexts(index, pins, config.metric === 'cosine'), config);
  });
}

async function embedTexts(
  index: OpenIndex,
  pins: readonly ParsedPinWrite[],
  isCosine: boolean,
): Promise<PinWrite[]> {
  const texts = pins.flatMap(({ text }) => (text === undefined ? [] : [text]));
  if (texts.length === 0) return [...pins];
  if (!index.embed) {
    const first = pins.findIndex(({ text }) => text !== undefined);
    throw errorAt('no_model', `pins[${first}].text`, `index ${index.name} has no model to embed it with`);
  }
  const vectors = await index.embed(texts, 'document');
  let next = 0;
  return pins.map((pin, i) => {
    if (pin.text === undefined) return pin;
    const vector = vectors[next++]!;
    if (isCosine && vector.every((component) => component === 0)) {
      throw errorAt('zero_vector', `pins[${i}].text`, 'the model makes a zero vector of it');
    }
    return { ...pin, vector };
  });
}

/**
 * Deletes pins, all or none; resolves when it is durable and none of them can be found.
 * @throws NearpinError with the path of the bad id; what LiveEngine.delete rejects with
 */
export async function runDelete(served: ServedIndex, request: DeleteRequest): Promise<DeleteAnswer> {
  const list = checkList(request.ids, 'ids', LIMITS.writePinsMax);
  if (list.length === 0) throw errorAt('bad_request', 'ids', 'must hold at least one id');
  const pins = list.map((entry, i) => {
    const path = `ids[${i}]`;
    if (typeof entry !== 'object' || entry === null) return { id: checkPinId(entry, path) };
    const { id, ifSeq } = entry as { id?: unknown; ifSeq?: unknown };
    return { id: checkPinId(id, `${path}.id`), ...parseConditions({ ifSeq }, path) };
  });
  return writable(served).delete(pins);
}
