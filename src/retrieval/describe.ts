/** An index and its surfaces, as they are shown. */
import type { IndexDescription, MixerDescription, SurfaceList } from './contract.ts';
import type { OpenIndex, ServedIndex } from './open-index.ts';
import { DEFAULT_SURFACES } from './surfaces/defaults.ts';
import { overrideSurface, SURFACE_NAMES } from './surfaces/surface.ts';

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

/** Every surface as it is in force for a request that changes nothing and is in no experiment. */
export function describeSurfaces({ mixer }: OpenIndex): SurfaceList {
  const surfaces = SURFACE_NAMES.map((name) => [
    name,
    overrideSurface(DEFAULT_SURFACES[name], mixer?.surfaces[name] ?? {}),
  ]);
  return { surfaces: Object.fromEntries(surfaces) };
}
