/**
 * Experiments as data: overlapping layers (Tang, Agarwal, O'Brien and Meyer, KDD 2010). A parameter of a surface belongs
 * to one layer, a layer's buckets to at most one experiment each, so a unit is in as many experiments as there are
 * layers and none of them changes what another one changes. `docs/mixer.md` tells every field.
 */
import { checkRecord, fieldPath, isRecord } from '../../index/shape.ts';
import { errorAt, NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { BUCKETS } from './hash.ts';

/** Values of parameters by their names: the surface and the path within its config, `related.diversity.lambda`. */
export type Parameters = Readonly<Record<string, unknown>>;

export interface Arm {
  readonly name: string;
  /** The arm has the arm buckets from the end of the arm before it up to this one, not included. */
  readonly end: number;
  readonly parameters: Parameters;
}

export interface Experiment {
  readonly name: string;
  readonly surface: string;
  /** Buckets of the layer: `from` is in, `to` is not. */
  readonly from: number;
  readonly to: number;
  readonly arms: readonly Arm[];
  /** Every unit gets the answers of both arms, interleaved. */
  readonly isInterleaved: boolean;
  /** Paths within the surface's config that an arm sets. */
  readonly touches: readonly string[];
  /** Set when all of them are parameters of sources that the surface has anyway: only where one of those runs do arms differ. */
  readonly sources?: readonly string[];
}

export interface Layer {
  readonly name: string;
  readonly salt: string;
  /** Parameters that its experiments may set, and those of no other layer. */
  readonly parameters: readonly string[];
  readonly experiments: readonly Experiment[];
}

/** Units that no experiment reaches: the buckets below `end` under the salt. */
export interface Holdout {
  readonly salt: string;
  readonly end: number;
}

export interface Experiments {
  readonly layers: readonly Layer[];
  readonly holdout?: Holdout;
  /** What a request of a surface has to look at; a surface without experiments is not there. */
  readonly bySurface: ReadonlyMap<string, readonly Layer[]>;
}

/** What experiments must know of surfaces. */
export interface SurfaceRules {
  readonly surfaces: readonly string[];
  /** Throws a NearpinError with the path within the surface's config of a value that it does not take. */
  readonly check: (surface: string, parameters: Readonly<Record<string, unknown>>) => void;
  /** Whether the surface has a source of this name before experiments change it. */
  readonly hasSource: (surface: string, name: string) => boolean;
}

/** Stands in place of an arm where both are shown. */
export const INTERLEAVED = 'interleaved';
/** The name under which the holdout is reported, and its two sides. */
export const HOLDOUT = 'holdout';
export const HELD = 'held';
export const OPEN = 'open';

/** Names and salts stand in log lines and, around a colon, in what is hashed. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Steps with dots between them; none that leads to an object's prototype. */
const PARAMETER = /^(?!.*(^|\.)__proto__(\.|$))[^.]+(\.[^.]+)+$/;

/**
 * Checks the `experiments` of a mixer config.
 * @throws NearpinError bad_config with the path of the first value that is wrong
 */
export function parseExperiments(input: unknown, path: string, rules: SurfaceRules): Experiments {
  const fields = checkRecord(input, ['layers', 'holdout'], path, 'bad_config');
  const layers = checkEntries(fields.layers ?? [], fieldPath(path, 'layers'), LIMITS.layersMax, (layer, at) =>
    parseLayer(layer, at, rules),
  );
  const holdout =
    fields.holdout === undefined ? undefined : parseHoldout(fields.holdout, fieldPath(path, 'holdout'));

  const layersAt = (i: number, field: string) => fieldPath(`${fieldPath(path, 'layers')}[${i}]`, field);
  refuseRepeated(layers.map(({ name }, i) => [name, layersAt(i, 'name')]));
  refuseRepeated([
    ...layers.map(({ salt }, i) => [salt, layersAt(i, 'salt')] as const),
    ...(holdout ? [[holdout.salt, fieldPath(fieldPath(path, 'holdout'), 'salt')] as const] : []),
  ]);
  refuseRepeated(
    layers.flatMap(({ experiments }, i) =>
      experiments.map(({ name }, j) => [name, `${layersAt(i, 'experiments')}[${j}].name`] as const),
    ),
  );
  refuseSharedParameters(layers, (i, j) => `${layersAt(i, 'parameters')}[${j}]`);
  checkTogether(layers, (i, j, a) => `${layersAt(i, 'experiments')}[${j}].arms[${a}].parameters`, rules);
  refuseTwoInterleavings(layers, (i, j) => `${layersAt(i, 'experiments')}[${j}].interleave`);

  const bySurface = new Map(
    rules.surfaces.flatMap((surface) => {
      const own = layers.flatMap((layer) => {
        const experiments = layer.experiments.filter((experiment) => experiment.surface === surface);
        return experiments.length === 0 ? [] : [{ ...layer, experiments }];
      });
      return own.length === 0 ? [] : [[surface, own] as const];
    }),
  );
  return { layers, bySurface, ...(holdout && { holdout }) };
}

function parseLayer(input: unknown, path: string, rules: SurfaceRules): Layer {
  const fields = checkRecord(input, ['name', 'salt', 'parameters', 'experiments'], path, 'bad_config');
  const parameters = checkEntries(
    fields.parameters ?? [],
    fieldPath(path, 'parameters'),
    LIMITS.layerParametersMax,
    (name, at) => {
      if (typeof name !== 'string' || !PARAMETER.test(name) || !rules.surfaces.includes(surfaceOf(name)))
        throw errorAt('bad_config', at, `must be a path that starts with ${listOf(rules.surfaces)}`);
      return name;
    },
  );
  const experiments = checkEntries(
    fields.experiments ?? [],
    fieldPath(path, 'experiments'),
    LIMITS.experimentsMax,
    (experiment, at) => parseExperiment(experiment, at, parameters, rules),
  );
  for (const [j, one] of experiments.entries()) {
    const other = experiments.slice(0, j).find(({ from, to }) => one.from < to && from < one.to);
    if (other !== undefined)
      throw errorAt(
        'bad_config',
        `${fieldPath(path, 'experiments')}[${j}].from`,
        `buckets ${one.from} to ${one.to} overlap those of ${other.name}, ${other.from} to ${other.to}`,
      );
  }
  return {
    name: checkName(fields, path, 'name'),
    salt: checkName(fields, path, 'salt'),
    parameters,
    experiments,
  };
}

function parseExperiment(
  input: unknown,
  path: string,
  owned: readonly string[],
  rules: SurfaceRules,
): Experiment {
  const known = ['name', 'surface', 'from', 'to', 'arms', 'interleave'];
  const fields = checkRecord(input, known, path, 'bad_config');
  const name = checkName(fields, path, 'name');
  if (name === HOLDOUT) throw errorAt('bad_config', fieldPath(path, 'name'), `${HOLDOUT} is reserved`);
  const { surface, interleave = false } = fields;
  if (typeof surface !== 'string' || !rules.surfaces.includes(surface))
    throw errorAt('bad_config', fieldPath(path, 'surface'), `must be ${listOf(rules.surfaces)}`);
  if (typeof interleave !== 'boolean')
    throw errorAt('bad_config', fieldPath(path, 'interleave'), 'must be true or false');
  const from = checkBucket(fields.from ?? 0, fieldPath(path, 'from'), 0);
  const to = checkBucket(fields.to, fieldPath(path, 'to'), from + 1);
  const arms = parseArms(fields.arms, fieldPath(path, 'arms'), interleave, (parameters, at) => {
    const names = Object.keys(parameters);
    for (const parameter of names) {
      const where = `${at}[${JSON.stringify(parameter)}]`;
      const whole = names.find((name) => name !== parameter && isWithin(parameter, name));
      if (whole !== undefined) throw errorAt('bad_config', where, `is within ${whole}, which is set too`);
      if (surfaceOf(parameter) !== surface || !PARAMETER.test(parameter))
        throw errorAt('bad_config', where, `is no parameter of ${surface}, the surface of the experiment`);
      if (!owned.some((own) => isWithin(parameter, own)))
        throw errorAt('bad_config', where, 'is not among the parameters of the layer');
    }
    checkValues(surface, parameters, at, rules);
  });
  const touches = [...new Set(arms.flatMap(({ parameters }) => Object.keys(withinSurface(parameters))))];
  const sources = sourcesOf(touches, (source) => rules.hasSource(surface, source));
  return { name, surface, from, to, arms, isInterleaved: interleave, touches, ...(sources && { sources }) };
}

function parseArms(
  input: unknown,
  path: string,
  isInterleaved: boolean,
  checkParameters: (parameters: Parameters, path: string) => void,
): Arm[] {
  let isShared = false;
  const arms = checkEntries(input, path, LIMITS.armsMax, (arm, at) => {
    const fields = checkRecord(arm, ['name', 'share', 'parameters'], at, 'bad_config');
    const { share, parameters = {} } = fields;
    const name = checkName(fields, at, 'name');
    if (name === INTERLEAVED)
      throw errorAt('bad_config', fieldPath(at, 'name'), `${INTERLEAVED} is reserved`);
    if (share !== undefined) {
      if (isInterleaved)
        throw errorAt('bad_config', fieldPath(at, 'share'), 'has no meaning where both arms are shown');
      if (typeof share !== 'number' || !(share > 0 && share <= 1))
        throw errorAt('bad_config', fieldPath(at, 'share'), 'must be a number over 0 and up to 1');
      isShared = true;
    }
    if (!isRecord(parameters))
      throw errorAt('bad_config', fieldPath(at, 'parameters'), 'must be an object of parameters and values');
    checkParameters(parameters, fieldPath(at, 'parameters'));
    return { name, share, parameters };
  });
  if (isInterleaved && arms.length !== 2)
    throw errorAt('bad_config', path, 'must be two arms where they are interleaved');
  if (arms.length === 0) throw errorAt('bad_config', path, 'must hold at least one arm');
  refuseRepeated(arms.map(({ name }, i) => [name, `${path}[${i}].name`]));

  let sum = 0;
  const made = arms.map(({ name, share, parameters }, i) => {
    if (isShared && share === undefined)
      throw errorAt('bad_config', `${path}[${i}].share`, 'is missing where other arms have one');
    sum += share ?? 1 / arms.length;
    return { name, end: Math.round(sum * BUCKETS), parameters };
  });
  if (made.at(-1)!.end !== BUCKETS)
    throw errorAt('bad_config', path, `the shares add up to ${Number(sum.toFixed(6))}, and must to 1`);
  const empty = made.findIndex(({ end }, i) => end === (made[i - 1]?.end ?? 0));
  if (empty >= 0)
    throw errorAt('bad_config', `${path}[${empty}].share`, `is less than one of ${BUCKETS} buckets`);
  return made;
}

/** What decides by itself whether a source runs. */
const DECIDES_RUNNING: readonly (string | undefined)[] = [undefined, 'source', 'fallback'];

/** The sources whose parameters are all that is touched; undefined when more is, or whether a source runs at all. */
function sourcesOf(touches: readonly string[], isThere: (source: string) => boolean): string[] | undefined {
  const sources = new Set<string>();
  for (const path of touches) {
    const [field, source, parameter] = path.split('.');
    if (field !== 'sources' || DECIDES_RUNNING.includes(parameter) || !isThere(source!)) return undefined;
    sources.add(source!);
  }
  return sources.size > 0 ? [...sources] : undefined;
}

function parseHoldout(input: unknown, path: string): Holdout {
  const fields = checkRecord(input, ['salt', 'share'], path, 'bad_config');
  const { share } = fields;
  if (typeof share !== 'number' || !(share > 0 && share < 1))
    throw errorAt('bad_config', fieldPath(path, 'share'), 'must be a number between 0 and 1');
  const end = Math.round(share * BUCKETS);
  if (end === 0)
    throw errorAt('bad_config', fieldPath(path, 'share'), `is less than one of ${BUCKETS} buckets`);
  return { salt: checkName(fields, path, 'salt'), end };
}

/** A parameter that stands in two layers, or within another one's, would be set by both. */
function refuseSharedParameters(
  layers: readonly Layer[],
  at: (layer: number, parameter: number) => string,
): void {
  const owners: { readonly parameter: string; readonly layer: string }[] = [];
  for (const [i, layer] of layers.entries()) {
    for (const [j, parameter] of layer.parameters.entries()) {
      const other = owners.find(
        (owner) => isWithin(parameter, owner.parameter) || isWithin(owner.parameter, parameter),
      );
      if (other !== undefined)
        throw errorAt('bad_config', at(i, j), `belongs to the layer ${other.layer}, as ${other.parameter}`);
      owners.push({ parameter, layer: layer.name });
    }
  }
}

/** Arms of two layers meet in a request: values that are right alone must be right together. */
function checkTogether(
  layers: readonly Layer[],
  at: (layer: number, experiment: number, arm: number) => string,
  rules: SurfaceRules,
): void {
  const arms = layers.flatMap((layer, i) =>
    layer.experiments.flatMap(({ surface, arms: own }, j) =>
      own
        .map(({ parameters }, a) => ({ layer, surface, parameters, path: at(i, j, a) }))
        .filter(({ parameters }) => Object.keys(parameters).length > 0),
    ),
  );
  for (const [n, one] of arms.entries()) {
    for (const other of arms.slice(0, n)) {
      if (other.layer === one.layer || other.surface !== one.surface) continue;
      checkValues(one.surface, { ...other.parameters, ...one.parameters }, one.path, rules);
    }
  }
}

/** A list can be made of two answers, not of four. */
function refuseTwoInterleavings(
  layers: readonly Layer[],
  at: (layer: number, experiment: number) => string,
): void {
  const owners = new Map<string, string>();
  for (const [i, layer] of layers.entries()) {
    for (const [j, { surface, isInterleaved }] of layer.experiments.entries()) {
      if (!isInterleaved) continue;
      const owner = owners.get(surface);
      if (owner !== undefined && owner !== layer.name)
        throw errorAt('bad_config', at(i, j), `the layer ${owner} interleaves ${surface} already`);
      owners.set(surface, layer.name);
    }
  }
}

/** Holds an arm's values against the surface, and says in the config's own words where they do not fit. */
function checkValues(surface: string, parameters: Parameters, path: string, rules: SurfaceRules): void {
  try {
    rules.check(surface, withinSurface(parameters));
  } catch (error) {
    if (!(error instanceof NearpinError)) throw error;
    const [{ path: inner, message } = { path: '', message: error.message }] = error.details;
    const wrong = `${surface}.${inner}`;
    const parameter = Object.keys(parameters).find((name) => isWithin(wrong, name) || isWithin(name, wrong));
    const at = parameter === undefined ? path : `${path}[${JSON.stringify(parameter)}]`;
    throw errorAt('bad_config', at, parameter === wrong ? message : `${wrong} ${message}`);
  }
}

/** The same parameters by their paths within the surface. */
export function withinSurface(parameters: Parameters): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name.slice(name.indexOf('.') + 1), value]),
  );
}

/** Whether a path is the other one or below it. */
export function isWithin(path: string, whole: string): boolean {
  return path === whole || path.startsWith(`${whole}.`);
}

const surfaceOf = (parameter: string): string => parameter.slice(0, Math.max(0, parameter.indexOf('.')));
const listOf = (names: readonly string[]): string => `one of ${names.join(', ')}`;

export function checkName(fields: Readonly<Record<string, unknown>>, path: string, field: string): string {
  const name = fields[field];
  if (typeof name === 'string' && NAME.test(name)) return name;
  const rule = 'must be 1 to 64 letters, digits, dots, dashes and underscores';
  throw errorAt('bad_config', fieldPath(path, field), rule);
}

function checkBucket(value: unknown, path: string, min: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= BUCKETS) return value;
  throw errorAt('bad_config', path, `must be a whole number from ${min} to ${BUCKETS}`);
}

/** Reads each entry of a list, with its path. */
export function checkEntries<Entry>(
  value: unknown,
  path: string,
  max: number,
  read: (entry: unknown, path: string) => Entry,
): Entry[] {
  if (!Array.isArray(value)) throw errorAt('bad_config', path, 'must be a list');
  if (value.length > max)
    throw errorAt('bad_config', path, `${value.length} entries are over the limit of ${max}`);
  return value.map((entry, i) => read(entry, `${path}[${i}]`));
}

/** Throws at the second of two that are called the same. */
export function refuseRepeated(names: readonly (readonly [name: string, path: string])[]): void {
  const seen = new Set<string>();
  for (const [name, path] of names) {
    if (seen.has(name)) throw errorAt('bad_config', path, `${name} is there already`);
    seen.add(name);
  }
}
