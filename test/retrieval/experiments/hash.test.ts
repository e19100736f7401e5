/** Buckets that other languages agree on: the vectors are of the reference implementation of XXH64. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import fc from 'fast-check';
import { Prng } from '../../../src/lib/prng.ts';
import { armBucket, layerBucket } from '../../../src/retrieval/experiments/assign.ts';
import { BUCKETS, bucketOf, hash64 } from '../../../src/retrieval/experiments/hash.ts';

const golden = JSON.parse(
  readFileSync(new URL('../../../../test/golden/buckets.json', import.meta.url), 'utf8'),
) as {
  readonly hashes: readonly { text: string; hash: string }[];
  readonly buckets: readonly {
    salt: string;
    unit: string;
    bucket: number;
    experiment: string;
    armBucket: number;
  }[];
};

const UNITS = 100_000;
/** Quantile of chi-square at 1 - 1e-4, by the cube-root rule (Wilson and Hilferty, 1931). */
const chiSquareBound = (degrees: number): number =>
  degrees * (1 - 2 / (9 * degrees) + 3.719 * Math.sqrt(2 / (9 * degrees))) ** 3;

/** Sum of (observed - expected)^2 / expected, where each cell is as likely as any other. */
function chiSquare(cells: readonly number[], total: number): number {
  const expected = total / cells.length;
  return cells.reduce((sum, observed) => sum + (observed - expected) ** 2 / expected, 0);
}

/** Ids as products have them: running numbers behind a word, and random ones. */
function someUnits(): string[] {
  const random = new Prng(42);
  return Array.from({ length: UNITS }, (_, i) =>
    i % 2 === 0 ? `user-${i}` : random.u32().toString(16).padStart(8, '0'),
  );
}

it('hashes as the reference implementation does, at every length of its tail', () => {
  assert.ok(golden.hashes.length >= 14);
  for (const { text, hash } of golden.hashes)
    assert.equal(hash64(text).toString(16).padStart(16, '0'), hash, JSON.stringify(text));
});

/** The definition written down with bigints. */
function xxh64(text: string): bigint {
  const [p1, p2, p3, p4, p5] = [
    0x9e3779b185ebca87n,
    0xc2b2ae3d27d4eb4fn,
    0x165667b19e3779f9n,
    0x85ebca77c2b2ae63n,
    0x27d4eb2f165667c5n,
  ] as const;
  const u64 = (x: bigint) => BigInt.asUintN(64, x);
  const rotate = (x: bigint, bits: bigint) => u64(x << bits) | (x >> (64n - bits));
  const round = (sum: bigint, lane: bigint) => u64(rotate(u64(sum + lane * p2), 31n) * p1);
  const bytes = Buffer.from(text);
  let at = 0;
  let sum: bigint = p5;
  if (bytes.length >= 32) {
    const lanes = [u64(p1 + p2), p2, 0n, u64(-p1)];
    for (; at + 32 <= bytes.length; at += 32)
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, bytes.readBigUInt64LE(at + 8 * i));
    sum = u64([1n, 7n, 12n, 18n].reduce((all, bits, i) => all + rotate(lanes[i]!, bits), 0n));
    for (const lane of lanes) sum = u64((sum ^ round(0n, lane)) * p1 + p4);
  }
  sum = u64(sum + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8)
    sum = u64(rotate(sum ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * p1 + p4);
  if (at + 4 <= bytes.length) {
    sum = u64(rotate(sum ^ u64(BigInt(bytes.readUInt32LE(at)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (; at < bytes.length; at++) sum = u64(rotate(sum ^ u64(BigInt(bytes[at]!) * p5), 11n) * p1);
  sum = u64((sum ^ (sum >> 33n)) * p2);
  sum = u64((sum ^ (sum >> 29n)) * p3);
  return sum ^ (sum >> 32n);
}

it('hashes every text as the definition says, and reduces it exactly', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 120 }), (text) => {
      const hash = xxh64(text);
      assert.equal(hash64(text), hash);
      assert.equal(bucketOf(text), Number(hash % 10_000n));
    }),
    { seed: 3, numRuns: 2000 },
  );
});

it('draws the buckets and arm buckets of the golden file', () => {
  assert.ok(golden.buckets.length >= 20);
  for (const { salt, unit, bucket, experiment, armBucket: armed } of golden.buckets) {
    assert.equal(layerBucket(salt, unit), bucket, `${salt}:${unit}`);
    assert.equal(armBucket(salt, experiment, unit), armed, `${salt}:${experiment}:${unit}`);
  }
});

it('spreads 100,000 units evenly over the buckets, and over every digit of their numbers', () => {
  const buckets = someUnits().map((unit) => layerBucket('blend', unit));
  for (const width of [1, 100, 2500]) {
    const cells = new Array<number>(BUCKETS / width).fill(0);
    for (const bucket of buckets) cells[Math.floor(bucket / width)]!++;
    const found = chiSquare(cells, UNITS);
    assert.ok(found < chiSquareBound(cells.length - 1), `${cells.length} cells: ${found}`);
  }
  const last = new Array<number>(16).fill(0);
  for (const bucket of buckets) last[bucket % 16]!++;
  assert.ok(chiSquare(last, UNITS) < chiSquareBound(15), `${last}`);
});

it('draws layers, and arms within layers, independently of each other', () => {
  const units = someUnits();
  const draws: readonly (readonly [string, (unit: string) => number])[] = [
    ['layer a', (unit) => layerBucket('a', unit)],
    ['layer b', (unit) => layerBucket('b', unit)],
    ['layer a2', (unit) => layerBucket('a2', unit)],
    ['arm x of a', (unit) => armBucket('a', 'x', unit)],
    ['arm y of a', (unit) => armBucket('a', 'y', unit)],
  ];
  const drawn = draws.map(([, of]) => units.map(of));
  for (let i = 0; i < draws.length; i++) {
    for (let j = 0; j < i; j++) {
      // By tenths and, for what a weak hash shares first, by the low bits
      for (const cellOf of [(bucket: number) => Math.floor(bucket / 1000), (bucket: number) => bucket % 10]) {
        const cells = new Array<number>(100).fill(0);
        for (let u = 0; u < UNITS; u++) cells[10 * cellOf(drawn[i]![u]!) + cellOf(drawn[j]![u]!)]!++;
        const found = chiSquare(cells, UNITS);
        assert.ok(found < chiSquareBound(99), `${draws[i]![0]} and ${draws[j]![0]}: ${found}`);
      }
    }
  }
});
