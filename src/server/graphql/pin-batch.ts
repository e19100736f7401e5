/** Pins of several readers, read in one call of the engine: what all fields of a level ask for costs one. */
import type { Engine, PinParts } from '../../engines/engine.ts';
import type { Pin } from '../../index/pin.ts';

interface Batch {
  /** Place of each id in the call, in the order of the first to ask. */
  readonly places: Map<string, number>;
  readonly pins: Promise<(Pin | undefined)[]>;
}

/**
 * The same engine, but calls of `pins` with the same parts that are made before the event loop goes on become one, in
 * which no id is twice. To be made for one request: what it joins must be allowed to see each other's failure.
 */
export function batchPins(engine: Engine): Engine {
  const batches = new Map<string, Batch>();

  const pins = async (ids: readonly string[], parts: PinParts): Promise<(Pin | undefined)[]> => {
    const key = `${parts.attributes ?? false} ${parts.payload ?? false} ${parts.vector ?? false}`;
    let batch = batches.get(key);
    if (batch === undefined) {
      const places = new Map<string, number>();
      const read = () => {
        batches.delete(key);
        return engine.pins([...places.keys()], parts);
      };
      batch = { places, pins: settled().then(read) };
      batches.set(key, batch);
    }
    const { places } = batch;
    for (const id of ids) if (!places.has(id)) places.set(id, places.size);
    const read = await batch.pins;
    return ids.map((id) => read[places.get(id)!]);
  };

  return {
    get config() {
      return engine.config;
    },
    describe: () => engine.describe(),
    search: (query) => engine.search(query),
    ...(engine.lexical && { lexical: engine.lexical }),
    pins,
    productsWith: (vectors) => engine.productsWith(vectors),
    sample: (count, seed) => engine.sample(count, seed),
    close: () => engine.close(),
  };
}

/** Resolves when every promise that can go on now has gone on: a tick that is asked for within a microtask comes after all of those. */
function settled(): Promise<void> {
  return Promise.resolve().then(() => new Promise((resolve) => process.nextTick(resolve)));
}
