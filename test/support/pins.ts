/** Pins and a text model for tests of everything above engines. */
import type { AttributeTypes } from '../../src/index/config.ts';
import type { PinInput } from '../../src/index/pin.ts';
import { Prng } from '../../src/lib/prng.ts';

export const ATTRIBUTES: AttributeTypes = {
  category: 'keyword',
  price: 'number',
  tags: 'keyword[]',
  fresh: 'bool',
};
const CATEGORIES = ['lamps', 'chairs', 'shoes', 'cakes'];
const WORDS = ['red', 'green', 'blue', 'old', 'new'];

/** `count` pins p0, p1, … with random vectors; their attributes and payloads follow from the number. */
export function somePins(count: number, dim: number, seed: number): PinInput[] {
  const random = new Prng(seed);
  return Array.from({ length: count }, (_, i) => ({
    id: `p${i}`,
    vector: Array.from({ length: dim }, () => Math.fround(random.normal())),
    attributes: {
      category: CATEGORIES[i % CATEGORIES.length]!,
      price: i + 0.1,
      tags: [WORDS[i % 5]!, WORDS[(i + 2) % 5]!],
      ...(i % 3 === 0 && { fresh: true }),
    },
    payload: { title: `Pin ${i} <b>&amp;</b>`, price: i + 0.1, nested: { list: [1, 'two', null, true] } },
  }));
}

/** A model in the manner of hashing: the sum of a fixed vector per known word; unknown words add nothing. */
export function wordModel(dim: number) {
  const vectorOf = new Map(WORDS.map((word, i) => [word, new Prng(i + 100)] as const));
  const words = new Map(
    [...vectorOf].map(([word, random]) => [word, Float32Array.from({ length: dim }, () => random.normal())]),
  );
  return async (texts: readonly string[]): Promise<Float32Array[]> =>
    texts.map((text) => {
      const sum = new Float32Array(dim);
      for (const word of text.split(' '))
        for (const [i, x] of (words.get(word) ?? []).entries()) sum[i]! += x;
      return sum;
    });
}
