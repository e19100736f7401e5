/** Texts of several requests, embedded in one call of the model. */
import type { Embed } from './open-index.ts';

/** The same embedding, but calls that are made in one turn of the event loop become one call. */
export function embedTogether(embed: Embed): Embed {
  let texts: string[] = [];
  let pending: Promise<Float32Array[]> | undefined;
  return async (added, kind) => {
    const start = texts.length;
    texts.push(...added);
    pending ??= Promise.resolve().then(() => {
      const together = texts;
      texts = [];
      pending = undefined;
      return embed(together, kind);
    });
    return (await pending).slice(start, start + added.length);
  };
}
