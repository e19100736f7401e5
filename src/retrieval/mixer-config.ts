/** What an index says of its surfaces, the experiments on them and its shadows: `mixer.json`, as docs/mixer.md tells it. */
import type { IndexConfig } from '../index/config.ts';
import { checkRecord, fieldPath, isRecord } from '../index/shape.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { type Experiments, parseExperiments } from './experiments/config.ts';
import { withParameters } from './experiments/parameters.ts';
import { parseShadows, type Shadow } from './experiments/shadow.ts';
import { DEFAULT_SURFACES } from './surfaces/defaults.ts';
import {
  checkSurface,
  overrideSurface,
  SURFACE_NAMES,
  type SurfaceName,
  type SurfaceOverride,
} from './surfaces/surface.ts';

export interface MixerConfig {
  /** What is not as in `surfaces/defaults.ts`. */
  readonly surfaces: Readonly<Partial<Record<SurfaceName, SurfaceOverride>>>;
  readonly experiments?: Experiments;
  readonly shadows?: readonly Shadow[];
}

/** Requests that shadows can take. */
const SHADOWED = ['query', ...SURFACE_NAMES];

/**
 * Checks a mixer config against the index that it is for.
 * @throws NearpinError bad_config with the path of the first value that is wrong
 */
export function parseMixerConfig(input: unknown, config: IndexConfig): MixerConfig {
  const fields = checkRecord(input, ['surfaces', 'experiments', 'shadows'], '', 'bad_config');
  const surfaces = parseSurfaces(fields.surfaces ?? {}, config);
  const ofIndex = (name: SurfaceName) => overrideSurface(DEFAULT_SURFACES[name], surfaces[name] ?? {});
  const experiments = parseExperiments(fields.experiments ?? {}, 'experiments', {
    surfaces: SURFACE_NAMES,
    hasSource: (name, source) => Object.hasOwn(ofIndex(name as SurfaceName).sources, source),
    check: (name, parameters) => {
      const surface = ofIndex(name as SurfaceName);
      checkSurface(overrideSurface(surface, withParameters(surface, parameters)), config, '', 'bad_config');
    },
  });
  const shadows = parseShadows(fields.shadows ?? [], 'shadows', SHADOWED);
  return { surfaces, experiments, shadows };
}

function parseSurfaces(input: unknown, config: IndexConfig): MixerConfig['surfaces'] {
  const surfaces = checkRecord(input, SURFACE_NAMES, 'surfaces', 'bad_config');
  for (const name of SURFACE_NAMES) {
    const override = surfaces[name];
    if (override === undefined) continue;
    const path = fieldPath('surfaces', name);
    if (!isRecord(override)) throw errorAt('bad_config', path, 'must be an object');
    if (override.sources !== undefined && !isRecord(override.sources))
      throw errorAt('bad_config', `${path}.sources`, 'must be an object of names and sources');
    try {
      checkSurface(overrideSurface(DEFAULT_SURFACES[name], override), config, path, 'bad_config');
    } catch (error) {
      // One code for a config, whatever is wrong with it
      if (!(error instanceof NearpinError)) throw error;
      throw new NearpinError('bad_config', error.message, error.details);
    }
  }
  return surfaces as MixerConfig['surfaces'];
}
