/** An index as it is shown. */
import type { IndexDescription } from './contract.ts';
import type { ServedIndex } from './open-index.ts';

export function describeIndex(served: ServedIndex): IndexDescription {
  const { name, engine, model } = served.current();
  const live = served.live?.describeLive();
  return { name, status: 'ready', model, ...engine.describe(), ...(live && { live }) };
}
