/** The surfaces as they are when nobody says otherwise. */
import type { SurfaceConfig, SurfaceName } from './surface.ts';

export const DEFAULT_SURFACES: Readonly<Record<SurfaceName, SurfaceConfig>> = {
  related: {
    sources: { seeds: { source: 'seeds' } },
    nearDuplicates: { similarity: 0.9999 },
  },
  search: {
    sources: { seeds: { source: 'seeds' } },
  },
  homefeed: {
    sources: { seeds: { source: 'seeds' } },
  },
  notifications: {
    sources: { seeds: { source: 'seeds' } },
  },
};
