/**
 * A request to a surface under the experiments of its index: the arms' parameters are laid over what the index says of
 * the surface, below what the request says, and the surface runs as ever; twice, where two arms are interleaved.
 */
import type { RetrievalAnswer, SurfaceRequest } from '../contract.ts';
import type { MixerConfig } from '../mixer-config.ts';
import type { OpenIndex } from '../open-index.ts';
import { DEFAULT_SURFACES } from '../surfaces/defaults.ts';
import { overrideSurface, type SurfaceName, type SurfaceOverride } from '../surfaces/surface.ts';
import { type Assignment, assign, exposed } from './assign.ts';
import { draftSeed, teamDraft } from './interleave.ts';
import { decides, withParameters } from './parameters.ts';

/**
 * Answers a request by `run`, which gets the index as the unit's arms would have it, and says in the answer which
 * experiments ran. Requests that no experiment concerns are run as they are.
 * @throws NearpinError bad_request or limit_exceeded at `unit` or `variants`; what `run` throws
 */
export async function underExperiments<Answer extends RetrievalAnswer>(
  index: OpenIndex,
  surface: SurfaceName,
  request: SurfaceRequest,
  run: (index: OpenIndex) => Promise<Answer>,
): Promise<Answer> {
  const { unit, variants } = request;
  if (unit === undefined && variants === undefined) return run(index);
  const assignment = assign(index.mixer?.experiments, surface, request, (path) => decides(request, path));
  if (assignment === undefined) return run(index);

  const ran = new Set<string>();
  const runWith = (parameters: Assignment['parameters']) =>
    run(withArms(index, surface, parameters, (source) => ran.add(source)));
  const { parameters, interleaving } = assignment;
  const answer =
    interleaving === undefined
      ? await runWith(parameters)
      : await interleave(interleaving, unit, (own) => runWith({ ...parameters, ...own }));
  const experiments = exposed(assignment, (source) => ran.has(source));
  return experiments.length === 0 ? answer : { ...answer, experiments };
}

async function interleave<Answer extends RetrievalAnswer>(
  { experiment, teams }: NonNullable<Assignment['interleaving']>,
  unit: string | undefined,
  run: (parameters: Assignment['parameters']) => Promise<Answer>,
): Promise<Answer> {
  const [a, b] = await Promise.all([run(teams[0].parameters), run(teams[1].parameters)]);
  const lists = [a.hits, b.hits] as const;
  const k = Math.max(a.hits.length, b.hits.length);
  const seed = draftSeed(experiment, unit, lists);
  const hits = teamDraft(lists, [teams[0].name, teams[1].name], k, seed);
  const shown = new Set(hits.map(({ id }) => id));
  const isAll = lists.every((list) => list.every(({ id }) => shown.has(id)));
  return {
    ...a,
    hits,
    tookMs: Math.max(a.tookMs, b.tookMs),
    ef: Math.max(a.ef, b.ef),
    coverage: a.coverage.answered <= b.coverage.answered ? a.coverage : b.coverage,
    exhausted: a.exhausted && b.exhausted && isAll,
  };
}

/** Combinations of arms that are remembered; beyond them a surface is checked anew now and then. */
const COMBINATIONS_MAX = 1000;
/** Overrides that were made already, by the mixer config, surface and parameters: a surface is checked once for each. */
const made = new WeakMap<MixerConfig, Map<string, SurfaceOverride>>();

function withArms(
  index: OpenIndex,
  surface: SurfaceName,
  parameters: Assignment['parameters'],
  onSource: (name: string) => void,
): OpenIndex {
  const mixer = index.mixer!;
  const overrides = made.get(mixer) ?? new Map<string, SurfaceOverride>();
  made.set(mixer, overrides);
  const key = JSON.stringify([surface, parameters]);
  let override = overrides.get(key);
  if (override === undefined) {
    const ofIndex = mixer.surfaces[surface];
    const changed = withParameters(overrideSurface(DEFAULT_SURFACES[surface], ofIndex ?? {}), parameters);
    // Sources that the index leaves out stay left out
    const sources = changed.sources && { ...ofIndex?.sources, ...changed.sources };
    override = { ...ofIndex, ...changed, ...(sources && { sources }) };
    if (overrides.size >= COMBINATIONS_MAX) overrides.clear();
    overrides.set(key, override);
  }
  return { ...index, onSource, mixer: { ...mixer, surfaces: { ...mixer.surfaces, [surface]: override } } };
}
