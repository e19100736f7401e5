import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { networkOf, RateLimiter } from '../../../src/server/overload/rate-limiter.ts';

/** A bucket of tokens per key, as one would draw it. */
class NaiveBuckets {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  take(key: string, nowMs: number, perSecond: number): boolean {
    const size = Math.max(1, perSecond);
    const { tokens, atMs } = this.#buckets.get(key) ?? { tokens: size, atMs: nowMs };
    const filled = Math.min(size, tokens + ((nowMs - atMs) * perSecond) / 1000);
    const isTaken = filled >= 1 - 1e-9;
    this.#buckets.set(key, { tokens: isTaken ? filled - 1 : filled, atMs: nowMs });
    return isTaken;
  }
}

describe('the rate limiter', () => {
  it('lets a second’s worth through at once, then one at a time', () => {
    const limiter = new RateLimiter(5);
    for (let i = 0; i < 5; i++) assert.equal(limiter.take('a', 1000), 0);
    assert.equal(limiter.take('a', 1000), 200);
    assert.equal(limiter.take('b', 1000), 0, 'each key has its own');
    assert.equal(limiter.take('a', 1199), 1);
    assert.equal(limiter.take('a', 1200), 0);
    assert.equal(limiter.take('a', 1200), 200);
  });

  it('takes a rate below one a second', () => {
    const limiter = new RateLimiter(0.5);
    assert.equal(limiter.take('slow', 0), 0);
    assert.equal(limiter.take('slow', 0), 2000);
    assert.equal(limiter.take('slow', 2000), 0);
  });

  it('does as buckets of tokens do', () => {
    const steps = fc.array(
      fc.record({ key: fc.constantFrom('a', 'b', 'c'), afterMs: fc.integer({ min: 0, max: 400 }) }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, fc.constantFrom(0.5, 1, 3, 10, 64), (asked, perSecond) => {
        const limiter = new RateLimiter(perSecond);
        const naive = new NaiveBuckets();
        let nowMs = 1_700_000_000_000;
        for (const { key, afterMs } of asked) {
          nowMs += afterMs;
          const waitMs = limiter.take(key, nowMs);
          assert.equal(waitMs < 1e-3, naive.take(key, nowMs, perSecond), `${key} at ${nowMs}: ${waitMs}`);
        }
      }),
      { seed: 18 },
    );
  });

  it('keeps a bounded number of keys, those that asked last among them', () => {
    const limiter = new RateLimiter(1, 100);
    assert.equal(limiter.take('first', 0), 0);
    for (let i = 0; i < 100; i++) limiter.take(`k${i}`, 0);
    assert.ok(limiter.take('first', 0) > 0, 'still known');
    for (let i = 100; i < 350; i++) limiter.take(`k${i}`, 0);
    assert.equal(limiter.take('first', 0), 0, 'forgotten');
    assert.ok(limiter.take('k349', 0) > 0);
  });
});

describe('the network of an address', () => {
  for (const [address, network] of [
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '::ffff:203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::', 'fe80:0:0:0'],
    ['', ''],
  ] as const)
    it(`of ${address || 'nobody'} is ${network || 'nobody'}`, () =>
      assert.equal(networkOf(address), network));
});
