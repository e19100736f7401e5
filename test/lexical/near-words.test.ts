/** Which known words a misspelt one stands for. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { editsBetween, NearWords } from '../../src/lexical/near-words.ts';

/** The definition, without a bound and without remembering anything. */
function naiveEdits(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  const [c, d] = [a.at(-1), b.at(-1)];
  let least = Math.min(
    naiveEdits(a.slice(0, -1), b) + 1,
    naiveEdits(a, b.slice(0, -1)) + 1,
    naiveEdits(a.slice(0, -1), b.slice(0, -1)) + (c === d ? 0 : 1),
  );
  if (a.length > 1 && b.length > 1 && c === b.at(-2) && d === a.at(-2)) {
    least = Math.min(least, naiveEdits(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return least;
}

const known = ['yellow', 'lamp', 'lampshade', 'guitar', 'chair', 'chain'].map((word, i) => ({
  word,
  pins: i + 1,
}));

describe('edits between two words', () => {
  test('are those of the definition, up to the bound', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(word, word, fc.integer({ min: 0, max: 3 }), (a, b, most) => {
        const edits = naiveEdits(a, b);
        const found = editsBetween(a, b, most);
        assert.ok(edits <= most ? found === edits : found > most, `${a} ${b}: ${found}, not ${edits}`);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('near words', () => {
  const near = new NearWords(known);
  test('are those with the least edits', () => {
    assert.deepEqual(near.of('yelow'), ['yellow']);
    assert.deepEqual(near.of('guitra'), ['guitar']);
    assert.deepEqual(near.of('lapm'), ['lamp']);
  });
  test('with as many edits are in the order of how many pins have them', () => {
    assert.deepEqual(near.of('chaiv'), ['chain', 'chair']);
  });
  test('are those that begin with a word, too', () => {
    assert.deepEqual(near.of('lampsh'), ['lampshade']);
  });
  test('are none for a word that is like no other, for a number and for a few letters', () => {
    for (const word of ['xqzzyv', 'lamp2', 'la', '']) assert.deepEqual(near.of(word), []);
  });
  test('find every word with one edit or, in long ones, two', () => {
    const words = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd'), minLength: 3, maxLength: 9 });
    fc.assert(
      fc.property(fc.uniqueArray(words, { minLength: 1, maxLength: 12 }), words, (all, word) => {
        const most = word.length < 6 ? 1 : 2;
        const edits = all.map((other) => {
          const isBeginning = word.length >= 4 && other.length > word.length && other.startsWith(word);
          return Math.min(naiveEdits(word, other), isBeginning ? 1 : Number.POSITIVE_INFINITY);
        });
        const least = Math.min(...edits);
        const expected = all.filter((_, i) => edits[i] === least && least <= most);
        const found = new NearWords(all.map((each) => ({ word: each, pins: 1 }))).of(word);
        assert.equal(found.length, Math.min(3, expected.length));
        for (const each of found) assert.ok(expected.includes(each));
      }),
      { seed: 2, numRuns: 200 },
    );
  });
});
