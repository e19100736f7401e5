/**
 * Who gets what: a pure function of the config, the surface and the unit, so that any service in any language comes to
 * the same (`test/golden/buckets.json`). One hash draws the unit's bucket in a layer, and with it the experiment; a
 * second one, which also knows the experiment's name, draws the arm. So widening an experiment moves nobody to another
 * arm, and the next experiment on the same buckets mixes the arms of the last one anew.
 */
import { isRecord } from '../../index/shape.ts';
import { errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import {
  type Experiment,
  type Experiments,
  HELD,
  HOLDOUT,
  INTERLEAVED,
  type Layer,
  OPEN,
  withinSurface,
} from './config.ts';
import { bucketOf } from './hash.ts';

/** What experiments read of a request. */
export interface ExperimentFields {
  /** Id of the user or session; without one no experiment reaches the request. */
  readonly unit?: string;
  /** Arms by experiment, in place of what is drawn: for trying them out. */
  readonly variants?: Readonly<Record<string, string>>;
}

/** One experiment whose code path ran for a request. */
export interface Assigned {
  readonly experiment: string;
  readonly arm: string;
  /** By the request's `variants`; not to be counted. */
  readonly forced?: true;
}

/** What a layer comes to for a request. */
interface Drawn extends Assigned {
  /** Sources in which the arms differ, where they differ in nothing else. */
  readonly sources?: readonly string[] | undefined;
}

/** The two sides of an interleaved answer. */
export interface Team {
  readonly name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface Assignment {
  /** Not empty. */
  readonly drawn: readonly Drawn[];
  /** The side of the holdout that the unit is on; nothing is changed for one that is held. */
  readonly side?: typeof HELD | typeof OPEN;
  /** Values of all arms, by paths within the surface's config. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Set where two answers are to be interleaved: their parameters beside the ones above. */
  readonly interleaving?: { readonly experiment: string; readonly teams: readonly [Team, Team] };
}

/** The bucket of a unit in a layer, or under the salt of the holdout. */
export function layerBucket(salt: string, unit: string): number {
  return bucketOf(`${salt}:${unit}`);
}

/** The bucket that decides on the arm within an experiment. */
export function armBucket(salt: string, experiment: string, unit: string): number {
  return bucketOf(`${salt}:${experiment}:${unit}`);
}

/** The experiment of a layer that has the unit, among those handed over, and its arm (INTERLEAVED for both). */
export function draw(layer: Layer, unit: string): { experiment: Experiment; arm: string } | undefined {
  const bucket = layerBucket(layer.salt, unit);
  const experiment = layer.experiments.find(({ from, to }) => from <= bucket && bucket < to);
  if (experiment === undefined) return undefined;
  if (experiment.isInterleaved) return { experiment, arm: INTERLEAVED };
  const armed = armBucket(layer.salt, experiment.name, unit);
  return { experiment, arm: experiment.arms.find(({ end }) => armed < end)!.name };
}

/** The side of the holdout that a unit is on; undefined where there is none. */
export function sideOf({ holdout }: Experiments, unit: string): typeof HELD | typeof OPEN | undefined {
  return holdout && (layerBucket(holdout.salt, unit) < holdout.end ? HELD : OPEN);
}

/**
 * What the experiments make of a request; undefined when none of them concerns it. `decides` says which paths within
 * the surface's config the request's own fields decide: where those are all that an experiment changes, its code path
 * does not run, and the unit is not exposed to it.
 * @throws NearpinError bad_request or limit_exceeded at `unit` or `variants`
 */
export function assign(
  experiments: Experiments | undefined,
  surface: string,
  request: ExperimentFields,
  decides: (path: string) => boolean,
): Assignment | undefined {
  const { unit, variants } = request;
  if (unit !== undefined) checkUnit(unit, 'unit');
  if (variants !== undefined) checkVariants(experiments, variants);
  const layers = experiments?.bySurface.get(surface);
  if (layers === undefined) return undefined;

  const drawn: Drawn[] = [];
  const parameters: Record<string, unknown> = {};
  let interleaving: Assignment['interleaving'];
  const side = unit === undefined ? undefined : sideOf(experiments!, unit);
  for (const layer of layers) {
    const forced = variants && forcedIn(layer, variants);
    const chosen = forced ?? (unit === undefined ? undefined : draw(layer, unit));
    if (chosen === undefined) continue;
    const { experiment, arm } = chosen;
    const { touches, sources } = experiment;
    if (touches.length > 0 && touches.every(decides)) continue;
    drawn.push({ experiment: experiment.name, arm, sources, ...(forced && { forced: true }) });
    if (side === HELD && !forced) continue;
    if (arm === INTERLEAVED) {
      const [a, b] = experiment.arms.map(({ name, parameters: own }) => ({
        name,
        parameters: withinSurface(own),
      }));
      interleaving = { experiment: experiment.name, teams: [a!, b!] };
    } else {
      const { parameters: own } = experiment.arms.find(({ name }) => name === arm)!;
      Object.assign(parameters, withinSurface(own));
    }
  }
  if (drawn.length === 0) return undefined;
  return { drawn, parameters, ...(side && { side }), ...(interleaving && { interleaving }) };
}

/**
 * What to tell of an assignment once its request was answered: the experiments whose code path ran, and then the side of
 * the holdout.
 * @param ran whether a source had anything to look for
 */
export function exposed({ drawn, side }: Assignment, ran: (source: string) => boolean): Assigned[] {
  const reached = drawn.filter(({ sources }) => sources === undefined || sources.some(ran));
  const isDrawn = ({ forced }: Drawn) => forced === undefined;
  const told = side === HELD ? reached.filter((each) => !isDrawn(each)) : reached;
  const assigned = told.map(({ experiment, arm, forced }) => ({
    experiment,
    arm,
    ...(forced && { forced }),
  }));
  if (side === undefined || !reached.some(isDrawn)) return assigned;
  return [...assigned, { experiment: HOLDOUT, arm: side }];
}

/** A unit id, or bad_request or limit_exceeded at the path. */
export function checkUnit(unit: unknown, path: string): string {
  if (typeof unit !== 'string' || unit === '')
    throw errorAt('bad_request', path, 'must be a string that is not empty');
  // A UTF-16 unit is at most three bytes, so most are told without counting
  if (unit.length * 3 > LIMITS.unitBytesMax && new TextEncoder().encode(unit).length > LIMITS.unitBytesMax)
    throw errorAt('limit_exceeded', path, `is over the limit of ${LIMITS.unitBytesMax} bytes`);
  return unit;
}

function forcedIn(layer: Layer, variants: Readonly<Record<string, string>>) {
  const experiment = layer.experiments.find(({ name }) => Object.hasOwn(variants, name));
  return experiment && { experiment, arm: variants[experiment.name]! };
}

/** Refuses what is no experiment or no arm of it, and two experiments of one layer, which never meet. */
function checkVariants(experiments: Experiments | undefined, variants: unknown): void {
  if (!isRecord(variants))
    throw errorAt('bad_request', 'variants', 'must be an object of experiments and arms');
  const forced = new Map<Layer, string>();
  for (const [name, arm] of Object.entries(variants)) {
    const path = `variants.${name}`;
    const layer = experiments?.layers.find((each) => each.experiments.some((one) => one.name === name));
    if (layer === undefined) throw errorAt('bad_request', path, 'is no experiment of the index');
    const { arms, isInterleaved } = layer.experiments.find((one) => one.name === name)!;
    const names = [...arms.map((each) => each.name), ...(isInterleaved ? [INTERLEAVED] : [])];
    if (!names.includes(arm as string))
      throw errorAt('bad_request', path, `must be one of ${names.join(', ')}`);
    const other = forced.get(layer);
    if (other !== undefined)
      throw errorAt('bad_request', path, `is in the layer of ${other}: a unit is in one of them only`);
    forced.set(layer, name);
  }
}
