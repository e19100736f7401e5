import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { HashedEmbedder } from '../../src/embed/hashed.ts';
import { NearpinError } from '../../src/lib/errors.ts';

const embedder = new HashedEmbedder();
const cosine = (a: string, b: string): number => {
  const [left, right] = [embedder.embedText(a), embedder.embedText(b)];
  return left.reduce((sum, value, i) => sum + value * right[i]!, 0);
};
const norm = (vector: Float32Array): number => Math.hypot(...vector);
const code = (error: unknown): string => (error instanceof NearpinError ? error.code : String(error));

/** The same embedder the slow way: features as strings, counted in a map. Words of ASCII letters only. */
function twin(text: string, dim: number): Float32Array {
  const counts = new Map<number, number>();
  const add = (feature: string, seed: number): void => {
    let h = seed;
    for (const char of feature) h = Math.imul(h ^ char.charCodeAt(0), 0x01000193);
    h ^= h >>> 16;
    h = Math.imul(h, 0x85ebca6b);
    h ^= h >>> 13;
    h = Math.imul(h, 0xc2b2ae35);
    h = (h ^ (h >>> 16)) >>> 0;
    counts.set(h, (counts.get(h) ?? 0) + 1);
  };
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    const framed = ` ${word} `;
    for (const n of [3, 4, 5])
      for (let at = 0; at + n <= framed.length; at++) add(framed.slice(at, at + n), 0x811c9dc5);
    if (framed.length > 5) add(word, 0x9e3779b9);
  }
  const sum = new Array<number>(dim).fill(0);
  for (const [feature, count] of [...counts].sort(([a], [b]) => a - b))
    sum[Math.floor(feature / 2) % dim]! += (feature % 2 === 1 ? 1 : -1) * Math.sqrt(count);
  const length = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
  const scale = length === 0 ? 0 : 1 / length;
  return Float32Array.from(sum, (value) => value * scale + 0);
}

describe('the hashed embedder', () => {
  test('gives the golden values of its revision', () => {
    const nonZero = (dim: number, text: string) =>
      [...new HashedEmbedder(dim).embedText(text).entries()].filter(([, value]) => value !== 0);
    // " a " is the only feature.
    assert.deepEqual(nonZero(256, 'a'), [[188, 1]]);
    // 9 n-grams and the word itself, twice; they fell on 12 of 16 dims, and 8 of them in pairs.
    const one = Math.fround(1 / Math.sqrt(24));
    const two = Math.fround(2 / Math.sqrt(24));
    assert.deepEqual(nonZero(16, 'Blue lamp'), [
      [0, -two],
      [1, -two],
      [2, one],
      [3, -one],
      [4, -one],
      [6, two],
      [7, two],
      [8, -one],
      [9, one],
      [10, -one],
      [14, one],
      [15, -one],
    ]);
  });

  test('agrees with a naive twin', () => {
    fc.assert(
      fc.property(fc.lorem({ maxCount: 30 }), fc.constantFrom(2, 7, 64, 256, 4096), (text, dim) => {
        assert.deepEqual(new HashedEmbedder(dim).embedText(text), twin(text, dim));
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  test('names its dims and its revision', () => {
    assert.equal(embedder.model, 'hashed-ngrams-256@1');
    assert.equal(new HashedEmbedder(64).model, 'hashed-ngrams-64@1');
    assert.equal(new HashedEmbedder(64).embedText('x').length, 64);
  });

  test('gives unit length to every text with a letter or digit, zero to any other', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const length = norm(embedder.embedText(text));
        if (/[\p{L}\p{M}\p{N}]/u.test(text.normalize('NFKC').toLowerCase()))
          // Features may cancel each other, which leaves nothing; no text of the seed below does.
          assert.ok(Math.abs(length - 1) < 1e-6, `length ${length}`);
        else assert.equal(length, 0);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('does not depend on what was embedded before', async () => {
    const texts = ['red chair', 'x'.repeat(5000), '', 'red chair', 'chair red'];
    const together = await embedder.embed(texts);
    for (const [i, text] of texts.entries())
      assert.deepEqual(together[i], new HashedEmbedder().embedText(text), text);
    assert.notEqual(together[0]!.buffer, together[3]!.buffer);
  });

  test('sees no difference in case, width or composition', () => {
    const plain = embedder.embedText('café 12');
    assert.deepEqual(embedder.embedText('CAFE\u0301 12'), plain);
    assert.deepEqual(embedder.embedText('ｃａｆé，１２'), plain);
  });

  test('puts texts that share words or parts of words nearer than others', () => {
    const query = 'blue velvet armchair';
    const near = ['armchair in blue velvet', 'blue velvet armchairs', 'blue velvt armchair'];
    const far = ['chocolate birthday cake', 'hiking boots for men', 'watercolour of a harbour'];
    const nearest = Math.min(...near.map((text) => cosine(query, text)));
    const farthest = Math.max(...far.map((text) => cosine(query, text)));
    assert.ok(nearest > 0.6 && farthest < 0.3, `near ${nearest}, far ${farthest}`);
  });

  test('weighs a repeated word less than twice', () => {
    const twice = cosine('lamp lamp chair', 'lamp');
    const once = cosine('lamp chair', 'lamp');
    assert.ok(twice > once && twice < 1);
    // sqrt(2) times the features of "lamp" beside those of "chair", which share none.
    const [lamp, chair] = [10, 13];
    assert.ok(Math.abs(twice - Math.sqrt((2 * lamp) / (2 * lamp + chair))) < 0.1, `${twice}`);
  });

  test('gives the event loop its turn during a long call', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await embedder.embed(Array.from({ length: 20_000 }, (_, i) => `pin number ${i} with a title`));
    clearInterval(timer);
    assert.ok(turns > 3, `${turns} turns`);
  });

  test('refuses dims out of range', () => {
    for (const dim of [0, 1, 4097, 2.5, Number.NaN])
      assert.throws(
        () => new HashedEmbedder(dim),
        (error) => code(error) === 'bad_config',
      );
  });

  test('refuses texts once it is closed, and those of a call under way', async () => {
    const closing = new HashedEmbedder();
    const long = closing.embed(Array(10_000).fill('text'));
    await closing.close();
    await closing.close();
    await assert.rejects(long, (error) => code(error) === 'closed');
    await assert.rejects(closing.embed(['text']), (error) => code(error) === 'closed');
  });
});
