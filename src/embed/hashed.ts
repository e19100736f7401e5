/**
 * The built-in embedder, which needs no download: hashed character n-grams (the subword units of Bojanowski et al.,
 * 2017, without the training; the signed feature hashing of Weinberger et al., 2009).
 *
 * What it is: lexical overlap as a vector. Texts that share words or parts of words are near, so it forgives
 * plurals, inflections and typing errors. What it is not: it knows no meaning. "sofa" and "couch" are as far apart
 * as "sofa" and "carburettor", and unrelated texts have a small random similarity from hash collisions (about
 * 1/sqrt(dim)). For meaning, use a static or transformers model.
 *
 * The text is brought to NFKC and lower case and cut into words (runs of letters, marks and digits). A word gives
 * one feature for each of its n-grams of 3 to 5 UTF-16 units, the word standing between blanks so that its ends
 * count, and one for itself where no n-gram holds it whole. A feature that occurs n times weighs sqrt(n): a square
 * root is rounded the same way on every machine, a logarithm need not be, and the vectors of an index and of its
 * queries must never differ.
 * Changing anything here is a new revision.
 */
import { errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { DescribedEmbedder, ModelDescription } from './description.ts';
import { writeVector } from './unit.ts';

export const HASHED_NAME = 'hashed-ngrams';
export const HASHED_REVISION = '1';
export const HASHED_DIM_DEFAULT = 256;

const GRAM_MIN = 3;
const GRAM_MAX = 5;
const BLANK = 0x20;
const FNV_PRIME = 0x01000193;
/** FNV-1a's offset basis; words start from another number, so that a word is not its own n-gram. */
const GRAM_SEED = 0x811c9dc5;
const WORD_SEED = 0x9e3779b9;
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
/** Texts embedded in one go, a few milliseconds, before the event loop gets its turn. */
const TEXTS_PER_TURN = 256;

/** MurmurHash3's finaliser (Appleby): spreads FNV's weak low bits, as the hash is cut down to a dimension. */
function spread(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export class HashedEmbedder implements DescribedEmbedder {
  readonly description: ModelDescription;
  readonly model: string;
  readonly dim: number;
  readonly #sum: Float64Array;
  /** Hashes of one text's features; grows to the longest text seen. */
  #features = new Uint32Array(1024);
  #closed = false;

  /** Makes the embedder for `dim` in LIMITS.dimMin..dimMax. Throws `bad_config` outside. */
  constructor(dim: number = HASHED_DIM_DEFAULT) {
    if (!Number.isInteger(dim) || dim < LIMITS.dimMin || dim > LIMITS.dimMax)
      throw errorAt('bad_config', 'model', `${HASHED_NAME} has ${LIMITS.dimMin} to ${LIMITS.dimMax} dims`);
    this.dim = dim;
    const name = `${HASHED_NAME}-${dim}`;
    this.description = { name, revision: HASHED_REVISION, kind: 'hashed', dim, normalize: true };
    this.model = `${name}@${HASHED_REVISION}`;
    this.#sum = new Float64Array(dim);
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (const text of texts) {
      if (vectors.length > 0 && vectors.length % TEXTS_PER_TURN === 0) await new Promise(setImmediate);
      if (this.#closed) throw errorAt('closed', 'model', `${this.model} is closed`);
      vectors.push(this.embedText(text));
    }
    return vectors;
  }

  /** The unit vector, f32[dim], of one text; zero when the text holds no letter or digit. */
  embedText(text: string): Float32Array {
    const features = this.#hashFeatures(text);
    // Sorting brings equal features together and fixes the order of the sum.
    features.sort();
    const sum = this.#sum.fill(0);
    for (let i = 0; i < features.length; ) {
      const feature = features[i]!;
      let end = i + 1;
      while (features[end] === feature) end++;
      const weight = Math.sqrt(end - i);
      sum[(feature >>> 1) % this.dim]! += feature & 1 ? weight : -weight;
      i = end;
    }
    const vector = new Float32Array(this.dim);
    writeVector(sum, vector, true);
    return vector;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #hashFeatures(text: string): Uint32Array {
    const normal = text.normalize('NFKC').toLowerCase();
    // A word of L units has itself and, of each size, at most one n-gram from each of L + 1 starts; there are at
    // most (length + 1) / 2 words.
    const most = 5 * normal.length + 2;
    if (this.#features.length < most) this.#features = new Uint32Array(most);
    const features = this.#features;
    let count = 0;
    for (const [word] of normal.matchAll(WORD)) {
      let whole = WORD_SEED;
      for (let start = -1; start < word.length; start++) {
        if (start >= 0) whole = Math.imul(whole ^ word.charCodeAt(start), FNV_PRIME);
        let gram = GRAM_SEED;
        const end = Math.min(start + GRAM_MAX, word.length + 1);
        for (let at = start; at < end; at++) {
          const unit = at < 0 || at === word.length ? BLANK : word.charCodeAt(at);
          gram = Math.imul(gram ^ unit, FNV_PRIME);
          if (at - start >= GRAM_MIN - 1) features[count++] = spread(gram);
        }
      }
      if (word.length > GRAM_MAX - 2) features[count++] = spread(whole);
    }
    return features.subarray(0, count);
  }
}
