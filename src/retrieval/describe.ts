/** An index as it is shown. */
import type { IndexDescription, MixerDescription } from './contract.ts';
import type { ServedIndex } from './open-index.ts';

export function describeIndex(served: ServedIndex): IndexDescription {
  const { name, engine, model } = served.current();
  const live = served.live?.describeLive();
  const mixer = describeMixer(served);
  return {
    name,
    status: 'ready',
    model,
    ...engine.describe(),
    ...(live && { live }),
    ...(mixer && { mixer }),
  };
}

function describeMixer(served: ServedIndex): MixerDescription | undefined {
  const { mixer } = served.current();
  const problem = served.mixerProblem?.();
  if (mixer === undefined && problem === undefined) return undefined;
  const layers = mixer?.experiments?.layers ?? [];
  return {
    experiments: layers.flatMap(({ experiments }) => experiments.map(({ name }) => name)),
    shadows: (mixer?.shadows ?? []).map(({ name }) => name),
    ...(problem && { problem: { code: problem.code, message: problem.message } }),
  };
}
