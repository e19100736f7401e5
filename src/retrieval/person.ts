/** A person as requests of Homefeed and Notifications bring them: what they saved, have seen, and follow. */

import { parseScalar } from '../index/attribute-value.ts';
import type { Filter } from '../index/filter.ts';
import { parseFilter } from '../index/filter.ts';
import { checkPinId, checkVector } from '../index/pin.ts';
import { checkRecord } from '../index/shape.ts';
import { errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { PersonRequest } from './contract.ts';
import { embedText } from './embed-text.ts';
import { hash64 } from './experiments/hash.ts';
import type { OpenIndex } from './open-index.ts';
import { checkList, checkWeight, checkWhole } from './plan.ts';
import { checkSeen, type IsSeen } from './seen.ts';
import type { PastPin, SurfaceInput, Topic } from './sources/source.ts';

export interface Person {
  readonly input: SurfaceInput;
  /** Whether a pin is of the history or was seen. */
  readonly isHidden: IsSeen;
  /** Pins of the history and of topics that the index does not have: pins get deleted, and that is no fault of the person's. */
  readonly skipped: number;
}

/** A pin of a history that is not read yet. */
type SavedPin = Omit<PastPin, 'vector'>;

interface AskedTopic extends Omit<Topic, 'vector'> {
  readonly wants: { readonly vector: Float32Array } | { readonly text: string } | { readonly pin: string };
  readonly path: string;
}

/**
 * Checks a person and reads their pins; all texts are embedded in one call.
 * @param path of the person in the request, empty where it is the request itself
 * @throws NearpinError bad_request, bad_pin_id, limit_exceeded, bad_filter, or what a search by text throws, with the path
 */
export async function readPerson(index: OpenIndex, person: PersonRequest, path: string): Promise<Person> {
  const at = (field: string) => (path === '' ? field : `${path}.${field}`);
  const saved = checkHistory(person.history, at('history'));
  const isSeen = checkSeen(person.seen, at('seen'));
  const asked = person.topics === undefined ? [] : checkTopics(person.topics, index, at('topics'));

  const ids = [...saved.keys(), ...asked.flatMap(({ wants }) => ('pin' in wants ? [wants.pin] : []))];
  const [pins, embedded] = await Promise.all([
    ids.length === 0 ? [] : index.engine.pins(ids, { vector: true }),
    Promise.all(
      asked.map(({ wants, path }) => ('text' in wants ? embedText(index, wants.text, path) : undefined)),
    ),
  ]);
  const vectors = new Map(ids.map((id, i) => [id, pins[i]?.vector]));
  const history = [...saved.values()].flatMap((pin): PastPin[] => {
    const vector = vectors.get(pin.id);
    return vector === undefined ? [] : [{ ...pin, vector }];
  });
  const topics = asked.flatMap(({ wants, name, weight, filter }, i): Topic[] => {
    const vector = 'vector' in wants ? wants.vector : 'pin' in wants ? vectors.get(wants.pin) : embedded[i];
    return vector === undefined ? [] : [{ name, weight, filter, vector }];
  });
  return {
    input: { history, topics },
    isHidden: (id) => saved.has(id) || isSeen(id),
    skipped: saved.size - history.length + asked.length - topics.length,
  };
}

/**
 * What draws for a request: its `seed`, else one that follows from the unit, so that a person gets the same again and not
 * what everybody gets. @throws NearpinError bad_request at `seed`
 */
export function drawSeed(seed: unknown, unit: string | undefined): number {
  const fallback = unit === undefined ? 1 : Number(hash64(unit) & 0xffff_ffffn);
  return checkWhole(seed, 'seed', 0, Number.MAX_SAFE_INTEGER, fallback);
}

/** The pins of a history by id. One that is there twice has the weights of both and the later time. */
function checkHistory(value: unknown, path: string): Map<string, SavedPin> {
  const saved = new Map<string, SavedPin>();
  for (const [i, entry] of checkList(value, path, LIMITS.historyMax).entries()) {
    const pin = checkSaved(entry, `${path}[${i}]`);
    const before = saved.get(pin.id);
    const atMs = Math.max(before?.atMs ?? Number.NEGATIVE_INFINITY, pin.atMs ?? Number.NEGATIVE_INFINITY);
    saved.set(pin.id, {
      id: pin.id,
      weight: pin.weight + (before?.weight ?? 0),
      atMs: Number.isFinite(atMs) ? atMs : undefined,
    });
  }
  return saved;
}

function checkSaved(entry: unknown, path: string): SavedPin {
  if (typeof entry !== 'object' || entry === null)
    return { id: checkPinId(entry, path), weight: 1, atMs: undefined };
  const { id, weight, at } = checkRecord(entry, ['id', 'weight', 'at'], path, 'bad_request');
  return {
    id: checkPinId(id, `${path}.id`),
    weight: checkWeight(weight, `${path}.weight`),
    atMs: at === undefined ? undefined : (parseScalar(at, 'time', `${path}.at`, 'bad_request') as number),
  };
}

const TOPIC_FIELDS = ['name', 'vector', 'text', 'pin', 'filter', 'weight'];

function checkTopics(value: unknown, index: OpenIndex, path: string): AskedTopic[] {
  const { config } = index.engine;
  return checkList(value, path, LIMITS.topicsMax).map((entry, i) => {
    const at = `${path}[${i}]`;
    const { name, vector, text, pin, filter, weight } = checkRecord(entry, TOPIC_FIELDS, at, 'bad_request');
    if ([vector, text, pin].filter((part) => part !== undefined).length !== 1)
      throw errorAt('bad_request', at, 'needs exactly one of vector, text and pin');
    if (
      name !== undefined &&
      (typeof name !== 'string' || name === '' || name.length > LIMITS.topicNameCharsMax)
    )
      throw errorAt('bad_request', `${at}.name`, `must be 1 to ${LIMITS.topicNameCharsMax} characters`);
    if (filter !== undefined) parseFilter(filter, config.attributes, `${at}.filter`);
    const wants =
      vector !== undefined
        ? { vector: checkVector(vector, config.dim, config.metric, `${at}.vector`) }
        : pin !== undefined
          ? { pin: checkPinId(pin, `${at}.pin`) }
          : { text: text as string };
    return {
      wants,
      path: `${at}.text`,
      name: name ?? String(i + 1),
      weight: checkWeight(weight, `${at}.weight`),
      filter: filter as Filter | undefined,
    };
  });
}
