/** Cholesky and eigenvectors of small matrices: by their definitions, on random and on degenerate ones. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Prng } from '../../src/lib/prng.ts';
import { cholesky, eigen } from '../../src/train/dense.ts';

/** X' X of a random matrix of `rank` rows. */
function semidefinite(n: number, rank: number, seed: number): Float64Array {
  const random = new Prng(seed);
  const rows = Array.from({ length: rank }, () => Float64Array.from({ length: n }, () => random.normal()));
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0);
  });
}

function assertNear(actual: number, expected: number, within: number, message: string): void {
  assert.ok(Math.abs(actual - expected) <= within, `${message}: ${actual}, not ${expected}`);
}

describe('the triangle of Cholesky', () => {
  for (const [n, rank] of [
    [1, 1],
    [5, 9],
    [24, 30],
    [8, 3],
    [6, 0],
  ] as const) {
    test(`times itself gives the matrix again: ${n} columns of rank ${rank}`, () => {
      const matrix = semidefinite(n, rank, n + rank);
      const lower = matrix.slice();
      cholesky(lower, n);
      let zeroRows = 0;
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          if (j > i) assert.equal(lower[i * n + j], 0);
          let sum = 0;
          for (let m = 0; m < n; m++) sum += lower[i * n + m]! * lower[j * n + m]!;
          // A dependent row is left out
          const isThere = lower[i * n + i]! > 0 && lower[j * n + j]! > 0;
          if (isThere) assertNear(sum, matrix[i * n + j]!, 1e-9, `${i}, ${j}`);
        }
        if (lower[i * n + i] === 0) zeroRows++;
      }
      assert.equal(zeroRows, n - Math.min(n, rank));
    });
  }
});

describe('eigenvectors', () => {
  for (const [n, rank] of [
    [1, 1],
    [2, 2],
    [16, 40],
    [12, 4],
    [5, 0],
  ] as const) {
    test(`are orthonormal, in order, and make the matrix: ${n} of rank ${rank}`, () => {
      const matrix = semidefinite(n, rank, 7 * n + rank);
      const { values, vectors } = eigen(matrix.slice(), n);
      for (let i = 0; i < n; i++) {
        if (i > 0) assert.ok(values[i]! <= values[i - 1]!);
        for (let j = 0; j < n; j++) {
          let product = 0;
          let made = 0;
          for (let m = 0; m < n; m++) {
            product += vectors[i * n + m]! * vectors[j * n + m]!;
            made += values[m]! * vectors[m * n + i]! * vectors[m * n + j]!;
          }
          assertNear(product, i === j ? 1 : 0, 1e-10, `${i} times ${j}`);
          assertNear(made, matrix[i * n + j]!, 1e-8, `${i}, ${j}`);
        }
      }
    });
  }

  test('of equal eigenvalues span the whole space', () => {
    const { values } = eigen(Float64Array.of(2, 0, 0, 0, 2, 0, 0, 0, 2), 3);
    assert.deepEqual([...values], [2, 2, 2]);
  });
});
