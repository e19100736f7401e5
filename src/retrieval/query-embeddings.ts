/**
 * Embeddings of queries, which come again: those asked for last are kept, and one that is being made is waited for by all who
 * want it. Documents are written once and pass by.
 */
import type { Embed } from './open-index.ts';

/** Texts that are kept; longer ones are seldom asked for twice, and only those who ask at the same time share theirs. */
const TEXT_CHARS_MAX = 512;

/** The same embedding with a memory for `most` texts. A text whose embedding fails is forgotten. */
export function rememberQueries(embed: Embed, most: number): Embed {
  /** By text, the one that was asked for last at the end. */
  const known = new Map<string, Promise<Float32Array>>();

  const remember = (text: string, vector: Promise<Float32Array>) => {
    known.set(text, vector);
    const forget = () => {
      if (known.get(text) === vector) known.delete(text);
    };
    if (text.length > TEXT_CHARS_MAX) vector.then(forget, forget);
    else vector.catch(forget);
    for (const oldest of known.keys()) {
      if (known.size <= most) break;
      known.delete(oldest);
    }
  };

  return async (texts, kind) => {
    if (kind !== 'query') return embed(texts, kind);
    const wanted = [...new Set(texts)].filter((text) => !known.has(text));
    const vectors = new Map<string, Promise<Float32Array>>();
    for (const text of texts) {
      const vector = known.get(text);
      if (vector === undefined) continue;
      vectors.set(text, vector);
      known.delete(text);
      known.set(text, vector);
    }
    if (wanted.length > 0) {
      const made = embed(wanted, kind);
      for (const [i, text] of wanted.entries()) {
        const vector = made.then((all) => all[i]!);
        vectors.set(text, vector);
        remember(text, vector);
      }
    }
    return Promise.all(texts.map((text) => vectors.get(text)!));
  };
}
