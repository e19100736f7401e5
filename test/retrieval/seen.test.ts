/** What was seen: ids, and Bloom filters of them as other programs make them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../src/lib/limits.ts';
import { bloomAdd, bloomHas, checkSeen, emptyBloom } from '../../src/retrieval/seen.ts';

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    const { code, details } = error as { code: string; details: readonly { path: string }[] };
    return `${code} ${details[0]!.path}`;
  }
  return 'accepted';
};

describe('checkSeen', () => {
  it('knows the ids of a list, integers as their decimal strings', () => {
    const isSeen = checkSeen(['a', 7], 'seen');
    assert.deepEqual(['a', '7', 'b'].map(isSeen), [true, true, false]);
    assert.equal(checkSeen(undefined, 'seen')('a'), false);
    assert.equal(checkSeen([], 'seen')('a'), false);
  });

  it('takes a filter as bytes or in base64', () => {
    const bloom = emptyBloom(10, 0.01);
    bloomAdd(bloom, 'a');
    const base64 = Buffer.from(bloom.bits).toString('base64');
    for (const bits of [bloom.bits, base64]) {
      const isSeen = checkSeen({ bloom: { bits, hashes: bloom.hashes } }, 'seen');
      assert.deepEqual(['a', 'b'].map(isSeen), [true, false]);
    }
  });

  it('refuses what is neither, with its place', () => {
    const bits = new Uint8Array(8);
    const cases: readonly (readonly [unknown, string])[] = [
      ['a', 'bad_request seen.bloom'],
      [null, 'bad_request seen.bloom'],
      [{}, 'bad_request seen.bloom'],
      [{ bloom: { hashes: 3 } }, 'bad_request seen.bloom.bits'],
      [{ bloom: { bits: 'no base64!', hashes: 3 } }, 'bad_request seen.bloom.bits'],
      [{ bloom: { bits: '', hashes: 3 } }, 'bad_request seen.bloom.bits'],
      [{ bloom: { bits, hashes: 0 } }, 'bad_request seen.bloom.hashes'],
      [{ bloom: { bits, hashes: 1e9 } }, 'limit_exceeded seen.bloom.hashes'],
      [{ bloom: { bits } }, 'bad_request seen.bloom.hashes'],
      [
        { bloom: { bits: new Uint8Array(LIMITS.bloomBytesMax + 1), hashes: 1 } },
        'limit_exceeded seen.bloom.bits',
      ],
      [
        { bloom: { bits: 'A'.repeat(LIMITS.bloomBytesMax * 2), hashes: 1 } },
        'limit_exceeded seen.bloom.bits',
      ],
      [new Array(LIMITS.seenMax + 1).fill('a'), 'limit_exceeded seen'],
      [['a', ''], 'bad_pin_id seen[1]'],
    ];
    for (const [value, expected] of cases)
      assert.equal(
        code(() => checkSeen(value, 'seen')),
        expected,
      );
  });
});

describe('a Bloom filter', () => {
  it('has every id that was added', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), { maxLength: 200 }),
        fc.constantFrom(0.5, 0.01, 0.0001),
        (ids, rate) => {
          const bloom = emptyBloom(Math.max(1, ids.length), rate);
          for (const id of ids) bloomAdd(bloom, id);
          for (const id of ids) assert.ok(bloomHas(bloom, id));
        },
      ),
      { seed: 1 },
    );
  });

  it('takes about as many others for them as it was made for', () => {
    const bloom = emptyBloom(5000, 0.01);
    for (let i = 0; i < 5000; i++) bloomAdd(bloom, `seen-${i}`);
    let others = 0;
    for (let i = 0; i < 50_000; i++) if (bloomHas(bloom, `other-${i}`)) others++;
    assert.ok(others > 300 && others < 700, `${others} of 50,000`);
    assert.ok(bloom.bits.length * 8 < 10 * 5000);
  });

  it('is the same bytes in every language', () => {
    const bloom = { bits: new Uint8Array(8), hashes: 3 };
    for (const id of ['pin-1', 'Küche', '42']) bloomAdd(bloom, id);
    // Computed by a program of another language
    assert.equal(Buffer.from(bloom.bits).toString('hex'), '8043010044005000');
  });
});
