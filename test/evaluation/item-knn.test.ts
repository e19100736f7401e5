/** Popularity and item-kNN: by hand, and against the definition written out. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Interactions } from '../../src/evaluation/interactions.ts';
import { createItemKnn, mostPopular } from '../../src/evaluation/item-knn.ts';

async function* listsOf(lists: readonly (readonly string[])[]) {
  yield* lists;
}
const everything = async () => true;
const read = (lists: readonly (readonly string[])[], has: (id: string) => Promise<boolean> = everything) =>
  Interactions.read(listsOf(lists), has);
const NOTHING: ReadonlySet<string> = new Set();

test('an example worked out by hand', async () => {
  const interactions = await read([['a', 'b'], ['a', 'b', 'c'], ['a', 'c'], ['d']]);
  assert.equal(interactions.users, 4);
  // a: 3 users; b and c: 2; d: 1. cosine(b, a) = 2 / sqrt 6 = 0.816, cosine(b, c) = 1 / 2
  assert.deepEqual(createItemKnn(interactions)(['b'], new Set(['b']), 2), ['a', 'c']);
  assert.deepEqual(mostPopular(interactions, NOTHING, 9), ['a', 'b', 'c', 'd']);
  assert.deepEqual(mostPopular(interactions, new Set(['a']), 2), ['b', 'c']);
  // -log2 of (3 + 1) / (4 + 1), and of nobody
  assert.ok(Math.abs(interactions.selfInformation('a') - 0.32192809) < 1e-8);
  assert.ok(Math.abs(interactions.selfInformation('unknown') - Math.log2(5)) < 1e-12);
});

test('what has nothing in common comes after what has, by popularity; so does everything for an empty history', async () => {
  const interactions = await read([['x', 'y'], ['p', 'q'], ['p'], ['q', 'p']]);
  const recommend = createItemKnn(interactions);
  assert.deepEqual(recommend(['x'], new Set(['x']), 4), ['y', 'p', 'q']);
  assert.deepEqual(recommend([], NOTHING, 2), ['p', 'q']);
  assert.deepEqual(recommend(['never seen'], NOTHING, 1), ['p']);
});

test('pins that the index does not have are left out, each asked for once', async () => {
  const asked: string[] = [];
  const interactions = await read(
    [
      ['a', 'gone', 'b'],
      ['gone', 'a'],
    ],
    async (id) => {
      asked.push(id);
      return id !== 'gone';
    },
  );
  assert.deepEqual(asked.sort(), ['a', 'b', 'gone']);
  assert.equal(interactions.missing, 1);
  assert.deepEqual(mostPopular(interactions, NOTHING, 9), ['a', 'b']);
  await assert.rejects(
    read([['a']], async () => false),
    { code: 'bad_file' },
  );
});

test('the same as the definition, whatever was asked before', async () => {
  const pin = fc.integer({ min: 0, max: 11 }).map((n) => `pin-${n}`);
  const list = fc.uniqueArray(pin, { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(list, { minLength: 1, maxLength: 12 }),
      fc.array(fc.tuple(list, list, fc.integer({ min: 1, max: 14 })), { minLength: 1, maxLength: 4 }),
      async (lists, asks) => {
        const interactions = await read(lists);
        const recommend = createItemKnn(interactions);
        for (const [history, hidden, k] of asks) {
          assert.deepEqual(
            recommend(history, new Set(hidden), k),
            naiveKnn(lists, history, hidden, k),
            JSON.stringify({ history, hidden, k }),
          );
        }
      },
    ),
    { seed: 20261121, numRuns: 300 },
  );
});

/** Every pin scored pair by pair, sums in the order of the history. */
function naiveKnn(
  lists: readonly (readonly string[])[],
  history: readonly string[],
  hidden: readonly string[],
  k: number,
): string[] {
  const users = (...pins: string[]) => lists.filter((own) => pins.every((pin) => own.includes(pin))).length;
  const all = [...new Set(lists.flat())];
  const score = (pin: string) =>
    history
      .filter((other) => users(other) > 0)
      .reduce((sum, other) => sum + users(pin, other) / Math.sqrt(users(other) * users(pin)), 0);
  return all
    .filter((pin) => !hidden.includes(pin))
    .map((pin) => ({ pin, score: score(pin), users: users(pin) }))
    .sort((a, b) => b.score - a.score || (a.score === 0 ? b.users - a.users : 0) || (a.pin < b.pin ? -1 : 1))
    .slice(0, k)
    .map(({ pin }) => pin);
}
