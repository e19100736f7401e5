/** The surfaces as they are when nobody says otherwise. */
import type { SurfaceConfig, SurfaceName } from './surface.ts';

export const DEFAULT_SURFACES: Readonly<Record<SurfaceName, SurfaceConfig>> = {
  related: {
    sources: { seeds: { source: 'seeds' } },
    nearDuplicates: { similarity: 1 },
  },
  search: {
    sources: { text: { source: 'text' } },
  },
  homefeed: {
    sources: {
      interests: { source: 'interests' },
      topics: { source: 'topics', quota: 0.5 },
      fresh: { source: 'top', fallback: 1 },
      popular: { source: 'popular', fallback: 1 },
      // Where pins have neither a time nor a number of saves
      any: { source: 'sample', fallback: 9 },
    },
    nearDuplicates: { similarity: 0.9999 },
  },
  notifications: {
    sources: { interests: { source: 'interests', blend: 'score' } },
    k: 3,
    maxAge: { days: 30 },
    nearDuplicates: { similarity: 0.9999 },
  },
};
