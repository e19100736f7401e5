/** Small dense matrices, row by row in f64[n][n]: the part of training that one thread does. */

/** A column whose rest is this share of its length, squared, has nothing of its own; f32 leaves noise of 1e-14. */
const DEPENDENT = 1e-10;

/**
 * Puts the lower triangle L with L L' = the matrix, which must be symmetric and positive semidefinite, in its place
 * (Cholesky; Golub and Van Loan, section 4.2). Only the lower triangle is read. A row that depends on those before it
 * becomes zero.
 */
export function cholesky(matrix: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const before = matrix[i * n + i]!;
    for (let j = 0; j <= i; j++) {
      let left = matrix[i * n + j]!;
      for (let m = 0; m < j; m++) left -= matrix[i * n + m]! * matrix[j * n + m]!;
      const pivot = matrix[j * n + j]!;
      if (j < i) matrix[i * n + j] = pivot > 0 ? left / pivot : 0;
      else matrix[i * n + i] = left > before * DEPENDENT ? Math.sqrt(left) : 0;
    }
    if (matrix[i * n + i] === 0) matrix.fill(0, i * n, (i + 1) * n);
    matrix.fill(0, i * n + i + 1, (i + 1) * n);
  }
}

/** Eigenvalues from the greatest down, and their unit vectors as rows: f64[n][n]. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

const SWEEPS_MAX = 30;

/**
 * The eigenvalues and eigenvectors of a symmetric matrix, which is used up, by rotations of rows and columns until nothing
 * is left beside the diagonal (Jacobi; Golub and Van Loan, section 8.5).
 */
export function eigen(matrix: Float64Array, n: number): Eigen {
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    let beside = 0;
    let all = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const square = matrix[i * n + j]! ** 2;
        all += square;
        if (i !== j) beside += square;
      }
    }
    if (beside <= all * 1e-24) break;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(matrix, vectors, n, p, q);
  }
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => matrix[b * n + b]! - matrix[a * n + a]! || a - b,
  );
  const sorted = new Float64Array(n * n);
  for (const [to, from] of order.entries()) sorted.set(vectors.subarray(from * n, (from + 1) * n), to * n);
  return { values: Float64Array.from(order, (i) => matrix[i * n + i]!), vectors: sorted };
}

/** Turns the p-th and q-th direction so that the matrix is zero where they meet. */
function rotate(matrix: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
  const meet = matrix[p * n + q]!;
  if (meet === 0) return;
  const slope = (matrix[q * n + q]! - matrix[p * n + p]!) / (2 * meet);
  const tangent = Math.sign(slope || 1) / (Math.abs(slope) + Math.sqrt(slope * slope + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  for (let i = 0; i < n; i++) {
    const [a, b] = [matrix[i * n + p]!, matrix[i * n + q]!];
    matrix[i * n + p] = cosine * a - sine * b;
    matrix[i * n + q] = sine * a + cosine * b;
  }
  for (let i = 0; i < n; i++) {
    const [a, b] = [matrix[p * n + i]!, matrix[q * n + i]!];
    matrix[p * n + i] = cosine * a - sine * b;
    matrix[q * n + i] = sine * a + cosine * b;
    const [c, d] = [vectors[p * n + i]!, vectors[q * n + i]!];
    vectors[p * n + i] = cosine * c - sine * d;
    vectors[q * n + i] = sine * c + cosine * d;
  }
  matrix[p * n + q] = 0;
  matrix[q * n + p] = 0;
}
