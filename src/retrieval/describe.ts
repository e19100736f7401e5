/** An index as it is shown. */
import type { IndexDescription } from './contract.ts';
import type { OpenIndex } from './open-index.ts';

export function describeIndex({ name, engine, model }: OpenIndex): IndexDescription {
  return { name, status: 'ready', model, ...engine.describe() };
}
