/** The index of words against BM25 as its formula stands. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { WordIndex, type WordSearch } from '../../src/lexical/word-index.ts';
import { Prng } from '../../src/lib/prng.ts';
import { naiveBm25 } from './naive-bm25.ts';

/** Words that Porter's stemmer leaves as they are, none near another. */
const WORDS = ['lamp', 'brick', 'mango', 'velvet', 'quartz', 'sofa', 'zebra', 'plum'];

/** An index that remembers what it was last given. */
class Remembering extends WordIndex {
  readonly words = new Map<string, string>();

  give(pins: Iterable<readonly [string, string]>): void {
    const changes = [...pins].map(([id, words]) => {
      const before = this.words.get(id) ?? '';
      this.words.set(id, words);
      return { id, before, words };
    });
    this.change(changes);
  }
}

function indexOf(pins: Iterable<readonly [string, string]>): Remembering {
  const index = new Remembering();
  index.give(pins);
  return index;
}

function search(index: WordIndex, text: string, more: Partial<WordSearch> = {}) {
  const query = { k: 10, accepts: () => true, minScore: Number.NEGATIVE_INFINITY, isLate: () => false };
  return index.search({ ...query, text, ...more });
}

const idsOf = (index: WordIndex, text: string) => search(index, text).hits.map(({ id }) => id);

describe('an index of words', () => {
  test('scores as BM25 does, whatever was put, changed and taken away', () => {
    const text = fc.array(fc.constantFrom(...WORDS), { maxLength: 8 }).map((words) => words.join(' '));
    const change = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), text);
    fc.assert(
      fc.property(
        fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 6 }),
        text,
        fc.integer({ min: 1, max: 7 }),
        (groups, query, k) => {
          const index = new Remembering();
          for (const group of groups) index.give(group);
          const expected = naiveBm25(index.words, query);
          const { hits, isExhausted, isComplete } = search(index, query, { k });
          index.close();
          assert.ok(isComplete);
          // A word that none has may stand for another, but these are far from each other
          assert.equal(isExhausted, expected.length < k);
          assert.equal(hits.length, Math.min(k, expected.length));
          for (const [i, { score }] of hits.entries()) {
            assert.ok(Math.abs(score - expected[i]!.score) < 1e-9, `${score}, not ${expected[i]!.score}`);
          }
        },
      ),
      { seed: 3, numRuns: 150 },
    );
  });

  test('orders equal scores by id, also at the end of the answer', () => {
    const index = indexOf(['e', 'c', 'a', 'd', 'b'].map((id) => [id, 'lamp'] as const));
    index.give([['z', 'sofa']]);
    const { hits, isExhausted } = search(index, 'lamp', { k: 3 });
    assert.deepEqual(
      hits.map(({ id }) => id),
      ['a', 'b', 'c'],
    );
    assert.equal(isExhausted, false);
    index.close();
  });

  test('knows words in any case, with and without accents, in their forms', () => {
    const index = indexOf([
      ['a', 'Café LAMPS'],
      ['b', 'running shoes'],
      ['c', 'naïve art'],
    ]);
    assert.deepEqual(idsOf(index, 'cafe lamp'), ['a']);
    assert.deepEqual(idsOf(index, 'RUN'), ['b']);
    assert.deepEqual(idsOf(index, 'naive'), ['c']);
    index.close();
  });

  test('finds what was meant by misspelt words, and leaves out what nobody knows', () => {
    const index = indexOf([
      ['a', 'a yellow raincoat'],
      ['b', 'an electric guitar'],
      ['c', 'a velvet armchair'],
    ]);
    assert.deepEqual(idsOf(index, 'yelow raincaot'), ['a']);
    assert.deepEqual(idsOf(index, 'guitra xqzzyv'), ['b']);
    assert.deepEqual(idsOf(index, 'armch'), ['c']);
    assert.deepEqual(search(index, 'xqzzyv'), { hits: [], isComplete: true, isExhausted: true });
    index.give([['d', 'a xylophone']]);
    assert.deepEqual(idsOf(index, 'xylofone'), ['d']);
    index.close();
  });

  test('takes any text for words, never for a query language', () => {
    const index = indexOf([
      ['a', 'brass lamp\0 shade'],
      ['b', 'NEAR AND OR NOT'],
      ['c', '\ud800 mango'],
    ]);
    for (const text of [
      '"',
      'lamp"',
      'lamp OR',
      'NEAR(lamp, 3)',
      '^lamp*',
      'words: lamp',
      '-lamp',
      '{lamp}',
      "'; DROP",
    ]) {
      assert.doesNotThrow(() => search(index, text), text);
    }
    assert.deepEqual(idsOf(index, 'shade'), ['a']);
    assert.deepEqual(idsOf(index, 'sha\0de lamp'), ['a']);
    assert.deepEqual(idsOf(index, 'AND'), ['b']);
    assert.deepEqual(idsOf(index, 'mango \ud800'), ['c']);
    assert.deepEqual(idsOf(index, '!?… \n\t'), []);
    assert.deepEqual(idsOf(index, 'x'.repeat(8192)), []);
    const many = Array.from({ length: 1600 }, (_, i) => `w${i}`).join(' ');
    assert.deepEqual(idsOf(index, `${many} lamp`), ['a']);
    index.close();
  });

  test('finds nothing when it is empty, and everything once more after all has gone', () => {
    const index = new Remembering();
    assert.deepEqual(idsOf(index, 'lamp'), []);
    index.give([['a', 'lamp']]);
    index.give([['a', '']]);
    assert.equal(index.count, 0);
    assert.deepEqual(idsOf(index, 'lamp'), []);
    index.give([['a', 'lamp']]);
    assert.deepEqual(idsOf(index, 'lamp'), ['a']);
    index.close();
  });

  test('goes on until enough pins are accepted, or none are left', () => {
    const index = indexOf(Array.from({ length: 500 }, (_, i) => [`p${i}`, 'lamp'] as const));
    index.give([['z', 'sofa']]);
    const accepts = (id: string) => id === 'p7' || id === 'p450';
    const found = search(index, 'lamp sofa', { accepts, k: 2 });
    assert.deepEqual(
      found.hits.map(({ id }) => id),
      ['p450', 'p7'],
    );
    assert.equal(search(index, 'lamp', { accepts, k: 3 }).isExhausted, true);
    assert.equal(search(index, 'lamp', { minScore: 1e9 }).hits.length, 0);
    index.close();
  });

  test('answers with what it has when it is late', () => {
    const index = indexOf(Array.from({ length: 500 }, (_, i) => [`p${i}`, 'lamp'] as const));
    let looks = 0;
    const found = search(index, 'lamp', { accepts: (id) => id === 'none', isLate: () => looks++ > 2 });
    assert.deepEqual(found, { hits: [], isComplete: false, isExhausted: false });
    assert.deepEqual(search(index, 'lamp', { k: 1 }).hits[0]!.id, 'p0');
    index.close();
  });

  test('leaves out common words where rarer ones find enough, with next to the same scores', () => {
    const random = new Prng(5);
    const pins = new Map<string, string>();
    for (let i = 0; i < 9000; i++) {
      const words = ['the', 'of', 'lamp', ...(i % 4 === 0 ? ['sofa'] : []), `rare${random.below(900)}`];
      pins.set(`p${i}`, words.slice(0, 3 + random.below(3)).join(' '));
    }
    const index = indexOf(pins);
    for (const query of [
      'the lamp of rare17',
      'the sofa of rare3 lamp',
      'the',
      'the of lamp rare17 rare9999',
    ]) {
      const expected = naiveBm25(pins, query);
      const { hits } = search(index, query, { k: 40 });
      assert.equal(hits.length, Math.min(40, expected.length));
      for (const [i, { score }] of hits.entries()) {
        assert.ok(
          Math.abs(score - expected[i]!.score) < 1e-4,
          `${query} ${i}: ${score}, ${expected[i]!.score}`,
        );
      }
    }
    index.close();
  });
});
