/** What is compared: the surface, the same with other fields, and baselines that know no vectors. */
import type { EvaluationCase, RequestBody } from './case.ts';
import type { Interactions } from './interactions.ts';
import { createItemKnn, mostPopular } from './item-knn.ts';
import { type Answering, hiddenBy, type Surface } from './surfaces.ts';

/** Something that makes a list of at most k pin ids for a case, or rejects. */
export interface System {
  readonly name: string;
  list(evaluationCase: EvaluationCase, k: number): Promise<readonly string[]>;
}

/**
 * The surface as it is asked.
 * @param fields stand in the place of the case's own
 */
export function surfaceSystem(
  name: string,
  surface: Surface,
  index: Answering,
  fields: RequestBody = {},
): System {
  return {
    name,
    list: ({ request }, k) => surface.ask(index, surface.wanting({ ...request, ...fields }, k)),
  };
}

/** The pins that most users saved. */
export function popularitySystem(surface: Surface, interactions: Interactions): System {
  return {
    name: 'popularity',
    list: async ({ request }, k) => mostPopular(interactions, hiddenBy(surface, request), k),
  };
}

/** The neighbours, by who saved them, of the pins that a request starts from. */
export function itemKnnSystem(surface: Surface, interactions: Interactions): System {
  const recommend = createItemKnn(interactions);
  return {
    name: 'item-knn',
    list: async ({ request }, k) =>
      recommend(surface.history?.(request) ?? [], hiddenBy(surface, request), k),
  };
}

/**
 * Any pins.
 * @param sample draws so many pins of the index by a seed
 */
export function randomSystem(
  surface: Surface,
  sample: (count: number, seed: number) => Promise<readonly string[]>,
  seed: number,
): System {
  let drawn = 0;
  return {
    name: 'random',
    list: async ({ request }, k) => {
      const hidden = hiddenBy(surface, request);
      const ids = await sample(k + hidden.size, seed + drawn++);
      return ids.filter((id) => !hidden.has(id)).slice(0, k);
    },
  };
}
