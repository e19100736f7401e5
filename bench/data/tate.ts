/**
 * Tate's artworks as vectors: title, artists, medium and date, embedded by a static model, both from the data folder.
 * Many artworks have the same words, and so the same vector: what recall by id does not bear.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openEmbedder } from '../../src/embed/models.ts';
import { Prng } from '../../src/lib/prng.ts';

const MODEL = 'potion-base-2M';
const BATCH = 1024;
const SEED = 1;

/** The vectors in an order drawn by a seed, so that the last of them are like all. Texts of unknown words are left out. */
export async function* tateTexts(artworks: string, dataDir: string): AsyncGenerator<Float32Array> {
  const texts = gunzipSync(readFileSync(artworks))
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { title, artists, medium, classification, date } = JSON.parse(line);
      return [title, artists, medium, classification, date].filter(Boolean).join('. ');
    });
  const prng = new Prng(SEED);
  for (let i = texts.length - 1; i > 0; i--) {
    const j = prng.below(i + 1);
    [texts[i], texts[j]] = [texts[j]!, texts[i]!];
  }
  const embedder = await openEmbedder({ name: join(dataDir, MODEL), kind: 'static' });
  try {
    for (let first = 0; first < texts.length; first += BATCH) {
      for (const vector of await embedder.embed(texts.slice(first, first + BATCH), 'document')) {
        if (vector.some((value) => value !== 0)) yield vector;
      }
    }
  } finally {
    await embedder.close();
  }
}
