/** Parameters of arms, which are paths within a surface's config, as changes of that config. */
import { isRecord } from '../../index/shape.ts';
import { errorAt } from '../../lib/errors.ts';
import type { SurfaceRequest } from '../contract.ts';
import type { SurfaceConfig, SurfaceOverride } from '../surfaces/surface.ts';

type Fields = Record<string, unknown>;

/**
 * The changes to a surface that set each path to its value; what lies beside a path within a field stays as it is.
 * @throws NearpinError bad_config at a path that leads through what is no object
 */
export function withParameters(
  surface: SurfaceConfig,
  parameters: Readonly<Record<string, unknown>>,
): SurfaceOverride {
  const changed: Fields = {};
  for (const [path, value] of Object.entries(parameters)) {
    const steps = path.split('.');
    const last = steps.pop()!;
    const [field = last] = steps;
    if (!Object.hasOwn(changed, field))
      changed[field] = structuredClone((surface as unknown as Fields)[field]);
    let at = changed;
    for (const step of steps) {
      at[step] ??= {};
      const next = at[step];
      if (!isRecord(next)) throw errorAt('bad_config', path, `${step} is no object`);
      at = next;
    }
    at[last] = value;
  }
  return changed as SurfaceOverride;
}

/** Whether a request's own fields decide what a surface does at a path, whatever the config says. */
export function decides(request: SurfaceRequest, path: string): boolean {
  const [field, source, parameter] = path.split('.');
  if (field !== 'sources') return field !== 'filter' && (request as unknown as Fields)[field!] !== undefined;
  const change = request.sources?.[source!];
  if (change === null) return true;
  return isRecord(change) && parameter !== undefined && Object.hasOwn(change, parameter);
}
