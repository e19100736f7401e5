/** Team-draft interleaving: fair to both lists whatever they hold, and clicks go to whom they belong. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { creditClicks, draftSeed, teamDraft } from '../../../src/retrieval/experiments/interleave.ts';

interface Ranked {
  readonly id: string;
}
const NAMES = ['a', 'b'] as const;
const list = fc
  .uniqueArray(fc.integer({ min: 0, max: 30 }), { maxLength: 20 })
  .map((ids) => ids.map((id) => ({ id: `p${id}` })));
const lists = fc.tuple(list, list);
const k = fc.integer({ min: 1, max: 25 });
const seed = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const runs = { seed: 5, numRuns: 500 };

describe('team-draft interleaving', () => {
  it('gives k different hits of either list, as many as there are', () => {
    fc.assert(
      fc.property(lists, k, seed, ([a, b], wanted, chance) => {
        const found = teamDraft([a, b], NAMES, wanted, chance).map(({ id }) => id);
        const all = new Set([...a, ...b].map(({ id }) => id));
        assert.equal(new Set(found).size, found.length);
        assert.equal(found.length, Math.min(wanted, all.size));
        for (const id of found) assert.ok(all.has(id));
      }),
      runs,
    );
  });

  it('never lets a team get ahead by more than one hit, at any depth', () => {
    fc.assert(
      fc.property(lists, k, seed, ([a, b], wanted, chance) => {
        let lead = 0;
        for (const { team } of teamDraft([a, b], NAMES, wanted, chance)) {
          if (team !== undefined) lead += team === 'a' ? 1 : -1;
          assert.ok(Math.abs(lead) <= 1);
        }
      }),
      runs,
    );
  });

  it('keeps the order of each list among the hits that its team added, each the best that was left', () => {
    fc.assert(
      fc.property(lists, k, seed, ([a, b], wanted, chance) => {
        const shown = new Set<string>();
        for (const { id, team } of teamDraft([a, b], NAMES, wanted, chance)) {
          const left = (of: readonly Ranked[]) => of.filter((hit) => !shown.has(hit.id));
          if (team === undefined) {
            assert.ok(left(a).length === 0 || left(b).length === 0, 'there was a rival');
          } else {
            assert.equal(id, left(team === 'a' ? a : b)[0]!.id);
          }
          shown.add(id);
        }
      }),
      runs,
    );
  });

  it('is fair: over many seeds each team opens the list half of the time, and rivals are shown as high', () => {
    const a = Array.from({ length: 10 }, (_, i) => ({ id: `a${i}` }));
    const b = Array.from({ length: 10 }, (_, i) => ({ id: `b${i}` }));
    const trials = 4000;
    let first = 0;
    let ranks = 0;
    for (let i = 0; i < trials; i++) {
      const found = teamDraft([a, b], NAMES, 10, BigInt(i));
      first += Number(found[0]!.team === 'a');
      for (const [rank, { team }] of found.entries()) ranks += team === 'a' ? rank : -rank;
    }
    const deviation = Math.sqrt(trials / 4);
    assert.ok(Math.abs(first - trials / 2) < 4 * deviation, `${first} of ${trials}`);
    // Each of the five pairs of ranks gives 1 to either side
    assert.ok(Math.abs(ranks) < 4 * Math.sqrt(5 * trials), `${ranks}`);
  });

  it('tells two equal lists apart by nothing but chance', () => {
    const same = Array.from({ length: 20 }, (_, i) => ({ id: `p${i}` }));
    let wins = 0;
    for (let i = 0; i < 2000; i++) {
      const found = teamDraft([same, same], NAMES, 10, BigInt(i));
      assert.deepEqual(
        found.map(({ id }) => id),
        same.slice(0, 10).map(({ id }) => id),
      );
      // Users click the first hit
      wins += creditClicks(found, ['p0']).winner === 'a' ? 1 : -1;
    }
    assert.ok(Math.abs(wins) < 4 * Math.sqrt(2000), `${wins}`);
  });

  it('draws alike for the same unit and lists, and differently for others', () => {
    const a = [{ id: 'x' }, { id: 'y' }];
    const b = [{ id: 'y' }, { id: 'x' }];
    assert.equal(draftSeed('e', 'u', [a, b]), draftSeed('e', 'u', [[...a], [...b]]));
    const others = [
      draftSeed('f', 'u', [a, b]),
      draftSeed('e', 'v', [a, b]),
      draftSeed('e', undefined, [a, b]),
      draftSeed('e', 'u', [b, a]),
      draftSeed('e', 'u', [a.slice(1), b]),
    ];
    assert.equal(new Set([draftSeed('e', 'u', [a, b]), ...others]).size, 6);
  });
});

describe('credit for clicks', () => {
  const hits = [{ id: 'p1', team: 'a' }, { id: 'p2', team: 'b' }, { id: 'p3', team: 'b' }, { id: 'p4' }];

  it('goes to the team that added the hit; the team with more wins', () => {
    assert.deepEqual(creditClicks(hits, ['p2', 'p3', 'p1']), { clicks: { a: 1, b: 2 }, winner: 'b' });
  });

  it('is given once for a hit, and for nothing that no team added', () => {
    assert.deepEqual(creditClicks(hits, ['p1', 'p1', 'p4', 'other']), {
      clicks: { a: 1, b: 0 },
      winner: 'a',
    });
  });

  it('is a tie for as many clicks each, and for none', () => {
    assert.equal(creditClicks(hits, ['p1', 'p2']).winner, null);
    assert.deepEqual(creditClicks(hits, []), { clicks: { a: 0, b: 0 }, winner: null });
    assert.deepEqual(creditClicks([], ['p1']), { clicks: {}, winner: null });
  });
});
