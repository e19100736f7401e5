import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { parseTime } from '../../src/index/time.ts';

describe('times', () => {
  const good: [unknown, number][] = [
    [0, 0],
    [-1, -1],
    [1700000000000n, 1700000000000],
    [8.64e15, 8.64e15],
    ['1970-01-01', 0],
    ['1970-01-01T00:00Z', 0],
    ['1970-01-01T00:00:00.001Z', 1],
    ['1970-01-01T00:00:00.0019Z', 1],
    ['1970-01-01T00:00:00', 0],
    ['1970-01-01 00:00:01', 1000],
    ['1970-01-01T01:00:00+01:00', 0],
    ['1970-01-01T00:00:00-0030', 1_800_000],
    ['1969-12-31T23:59:59.5Z', -500],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
    ['0050-01-01', -60_589_296_000_000],
    ['2026-03-01t12:30:05,25z', Date.UTC(2026, 2, 1, 12, 30, 5, 250)],
  ];
  for (const [value, ms] of good) {
    test(`reads ${String(value)} as ${ms}`, () => assert.equal(parseTime(value), ms));
  }

  const bad = [
    ...[1.5, Number.NaN, Number.POSITIVE_INFINITY, 8.64e15 + 1, 2n ** 60n, null, true, {}, new Date()],
    ...['', 'now', '2026', '2026-03', '2026-13-01', '2026-00-01', '2026-02-30', '2023-02-29', '2026-03-00'],
    ...['2026-03-01T24:00', '2026-03-01T12:60', '2026-03-01T12:00:60', '2026-03-01T12', '2026-03-01Z'],
    ...[
      '2026-03-01T12:00+24:00',
      '2026-03-01T12:00 Z',
      ' 2026-03-01',
      '2026-03-01\n',
      '+02026-03-01',
      '١٩٧٠-٠١-٠١',
    ],
  ];
  for (const value of bad) {
    test(`does not read ${String(value)}`, () => assert.equal(parseTime(value), undefined));
  }

  test('reads back what Date writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }), (ms) => {
        assert.equal(parseTime(new Date(ms).toISOString()), ms);
      }),
      { seed: 2 },
    );
  });
});
