/** Two lists as one: against fusion as its formulas stand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { EngineHit } from '../../src/engines/engine.ts';
import { DEFAULT_FUSION, type Fusion, fuse } from '../../src/retrieval/fuse.ts';

const list = (...ids: string[]): EngineHit[] => ids.map((id, i) => ({ id, score: 10 - i }));
const fusion = (changes: Partial<Fusion>): Fusion => ({ ...DEFAULT_FUSION, ...changes });
const equal = { dense: 1, lexical: 1 };

const hits = fc
  .uniqueArray(
    fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'), fc.integer({ min: 1, max: 20 })),
    {
      selector: ([id]) => id,
    },
  )
  .map((pairs): EngineHit[] =>
    pairs.map(([id, score]) => ({ id, score })).sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)),
  );

describe('fusion by ranks', () => {
  test('adds weights over ranks, and orders ties by id', () => {
    const fused = fuse(
      {
        dense: list('a', 'b'),
        lexical: list('b', 'c'),
        denseScores: new Map([['c', 0]]),
        isLexicalWhole: true,
      },
      fusion({ method: 'ranks', weights: equal, rankConstant: 60 }),
    );
    assert.deepEqual(fused, [
      { id: 'b', score: 1 / 62 + 1 / 61, part: 'both' },
      { id: 'a', score: 1 / 61, part: 'dense' },
      { id: 'c', score: 1 / 62, part: 'lexical' },
    ]);
  });
});

describe('fusion by scores', () => {
  test('brings both lists to one scale', () => {
    const dense = [
      { id: 'a', score: 0.9 },
      { id: 'b', score: 0.5 },
    ];
    const lexical = [
      { id: 'b', score: 8 },
      { id: 'c', score: 4 },
    ];
    const denseScores = new Map([['c', 0.1]]);
    const byId = (isLexicalWhole: boolean) =>
      new Map(
        fuse({ dense, lexical, denseScores, isLexicalWhole }, fusion({ weights: equal })).map(
          ({ id, score }) => [id, Math.round(score * 1e9) / 1e9],
        ),
      );
    assert.deepEqual(
      byId(true),
      new Map([
        ['b', 1.5],
        ['a', 1],
        ['c', 0.5],
      ]),
    );
    // What is not among the words found may score as the last of them
    assert.equal(byId(false).get('a'), 1.5);
  });

  test('says next to nothing by words that half of the pins have', () => {
    const fused = fuse(
      {
        dense: list('a', 'b'),
        lexical: [{ id: 'b', score: 1e-6 }],
        denseScores: new Map(),
        isLexicalWhole: true,
      },
      DEFAULT_FUSION,
    );
    assert.equal(fused[0]!.id, 'a');
  });
});

test('either way each hit is there once, by a score within the weights, and who is better in both is better', () => {
  fc.assert(
    fc.property(
      hits,
      hits,
      fc.constantFrom('scores' as const, 'ranks' as const),
      fc.boolean(),
      (dense, lexical, method, isWhole) => {
        const ids = new Set([...dense, ...lexical].map(({ id }) => id));
        const worst = Math.min(0, ...dense.map(({ score }) => score));
        const others = lexical.filter(({ id }) => !dense.some((hit) => hit.id === id));
        const denseScores = new Map(others.map(({ id }) => [id, worst - id.charCodeAt(0) / 1000]));
        const fused = fuse({ dense, lexical, denseScores, isLexicalWhole: isWhole }, fusion({ method }));
        assert.deepEqual(new Set(fused.map(({ id }) => id)), ids);
        assert.equal(fused.length, ids.size);
        for (const { score } of fused) assert.ok(score >= 0 && score <= 1 + 1e-12);
        const place = (id: string) => fused.findIndex((hit) => hit.id === id);
        for (const [i, better] of dense.entries())
          for (const other of dense.slice(i + 1)) {
            const [b, o] = [better.id, other.id].map((id) => lexical.find((hit) => hit.id === id));
            const isBetter =
              better.score > other.score && b !== undefined && (o === undefined || b.score > o.score);
            if (isBetter) assert.ok(place(better.id) < place(other.id));
          }
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

test('a pin that is gone is left out', () => {
  const fused = fuse(
    { dense: list('a'), lexical: list('b', 'a'), denseScores: new Map(), isLexicalWhole: true },
    DEFAULT_FUSION,
  );
  assert.deepEqual(
    fused.map(({ id }) => id),
    ['a'],
  );
});
