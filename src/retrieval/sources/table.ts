/** Every kind of source that a surface's config can name. */
import { interests } from './interests.ts';
import { popular } from './popular.ts';
import { sample } from './sample.ts';
import { seeds } from './seeds.ts';
import type { Source } from './source.ts';
import { text } from './text.ts';
import { top } from './top.ts';
import { topics } from './topics.ts';

export const SOURCES: Readonly<Record<string, Source>> = {
  interests,
  popular,
  sample,
  seeds,
  text,
  top,
  topics,
};
