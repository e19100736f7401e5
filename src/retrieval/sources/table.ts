/** Every kind of source that a surface's config can name. */
import { seeds } from './seeds.ts';
import type { Source } from './source.ts';

export const SOURCES: Readonly<Record<string, Source>> = { seeds };
